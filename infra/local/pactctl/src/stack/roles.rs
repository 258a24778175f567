//! `AssumeRole`, and what is asked of Lambda with a role: the Security Token Service as far as the deploy
//! agent needs it.
//!
//! On this machine every role is there that the caller's own role may take on, with what
//! `infra/deploy-role.yaml` allows, for every function that was made by the API. That only the environment
//! which a role is for gets it is not known here: whose role it is stands in nobody's account.

use std::{collections::BTreeMap, path::Path};

use axum::{
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use local_template::{Context, Role, Stack};
use serde_json::Value;

use crate::{
    client::{ACCOUNT, REGION},
    credentials::{Credentials, Session},
    failure::Failure,
};

const DEPLOY_ROLE: &str = include_str!("../../../../deploy-role.yaml");
/// How long credentials of a role are good without a wish, and the range of wishes, in seconds.
const SECONDS: i64 = 3600;
const RANGE: std::ops::RangeInclusive<i64> = 900..=3600;

/// Who may take on which role, and what that role may do.
#[derive(Clone)]
pub(crate) struct Roles {
    /// Patterns of the roles that a function may take on, by its logical id.
    takes: BTreeMap<String, Vec<String>>,
    /// What a role of `infra/deploy-role.yaml` may do.
    actions: Vec<String>,
}

impl Roles {
    /// Reads the roles of the template, and what a role for deployments may do.
    ///
    /// # Errors
    /// `infra/deploy-role.yaml` cannot be read: a fault of this program.
    pub(crate) fn of(stack: &Stack) -> Result<Self, Failure> {
        let parameters = [
            ("Repository", "acme/web"),
            ("Environment", "production"),
            ("FunctionName", "shop"),
            ("RoleName", "pact-deploy-x"),
            ("DeployAgentRoleArn", "arn:aws:iam::000000000000:role/x"),
        ];
        let context = Context {
            parameters: parameters.map(|(name, value)| (name.into(), value.into())).into(),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            stack_name: "pact-deploy".to_owned(),
        };
        let path = Path::new("infra/deploy-role.yaml");
        let read = local_template::load(DEPLOY_ROLE, path, &context).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Failure::internal(errors.join("\n"))
        })?;
        let statements = read.roles.iter().flat_map(|role| &role.statements);
        let actions = statements.flat_map(|statement| texts(statement.get("Action"))).collect();
        let takes = stack.functions.iter().map(|function| {
            let role = stack.roles.iter().find(|role| Some(&role.arn) == function.role.as_ref());
            (function.logical_id.clone(), role.map(taken).unwrap_or_default())
        });
        Ok(Self { takes: takes.collect(), actions })
    }

    /// Whether a role may do this.
    pub(crate) fn allows(&self, action: &str) -> bool {
        self.actions.iter().any(|allowed| allowed == action)
    }

    /// `AssumeRole`, asked in the query protocol.
    pub(crate) fn assume(&self, caller: &str, body: &[u8], credentials: &Credentials) -> Response {
        let fields: BTreeMap<String, String> =
            url::form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        if field("Action") != "AssumeRole" {
            return refused(400, "InvalidAction", "this endpoint answers AssumeRole alone");
        }
        let (role, name) = (field("RoleArn"), field("RoleSessionName"));
        let letters = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&name.len()) || !name.chars().all(letters) {
            return refused(400, "ValidationError", "RoleSessionName is no name of a session");
        }
        let seconds = match fields.get("DurationSeconds").map(|text| text.parse::<i64>()) {
            None => SECONDS,
            Some(Ok(seconds)) if RANGE.contains(&seconds) => seconds,
            Some(_) => return refused(400, "ValidationError", "DurationSeconds is out of range"),
        };
        let denied = |why: &str| {
            let message = format!(
                "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}{why}"
            );
            refused(403, "AccessDenied", &message)
        };
        let own = format!("arn:aws:iam::{ACCOUNT}:role/");
        let takes = self.takes.get(caller).map(Vec::as_slice).unwrap_or_default();
        let may = takes.iter().any(|pattern| fits(pattern, role));
        if !role.starts_with(&own) || !may {
            return denied("");
        }
        if field("ExternalId").len() < 2 {
            return denied(": its trust policy asks for an external id");
        }
        let expires = Timestamp::now().saturating_add(SignedDuration::from_secs(seconds));
        let Ok(expires) = expires else { return denied(": the clock is off") };
        let session = Session {
            role: role.to_owned(),
            caller: caller.to_owned(),
            expires: expires.as_second(),
        };
        let Some((pair, token)) = credentials.issue(&session) else { return denied("") };
        let until = expires.strftime("%Y-%m-%dT%H:%M:%SZ");
        let assumed = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
        let text = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><Credentials><AccessKeyId>{}</AccessKeyId>\
             <SecretAccessKey>{}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>{until}</Expiration></Credentials><AssumedRoleUser>\
             <AssumedRoleId>AROA00000000000000000:{name}</AssumedRoleId>\
             <Arn>{assumed}/{name}</Arn></AssumedRoleUser></AssumeRoleResult>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></AssumeRoleResponse>",
            pair.id,
            pair.secret,
            uuid::Uuid::new_v4()
        );
        (StatusCode::OK, [(CONTENT_TYPE, "text/xml")], text).into_response()
    }
}

/// The patterns of the roles that a role may take on.
fn taken(role: &Role) -> Vec<String> {
    let assume = |statement: &&Value| {
        statement["Effect"] == "Allow"
            && texts(statement.get("Action")).iter().any(|action| action == "sts:AssumeRole")
    };
    let statements = role.statements.iter().filter(assume);
    statements.flat_map(|statement| texts(statement.get("Resource"))).collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// `*` as IAM reads it.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut ends = !pattern.contains('*');
    for part in parts {
        ends = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.is_empty() || ends && pattern.ends_with('*')
}

fn refused(status: u16, code: &str, message: &str) -> Response {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let text = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{kind}</Type>\
         <Code>{code}</Code><Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        escape(message),
        uuid::Uuid::new_v4()
    );
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, [(CONTENT_TYPE, "text/xml")], text).into_response()
}

/// The action of a request to Lambda as IAM names it, with its resource; none for a path that is none
/// of Lambda's.
pub(crate) fn lambda_call(method: &Method, path: &str, query: &str) -> Option<(String, String)> {
    let mut parts = path.trim_end_matches('/').split('/').skip(2);
    let (Some("functions"), name) = (parts.next(), parts.next()) else { return None };
    let rest: Vec<&str> = parts.collect();
    let name = name.map(decoded);
    let get = *method == Method::GET;
    let action = match (method.as_str(), name.is_some(), rest.as_slice()) {
        ("GET", false, []) => "ListFunctions",
        ("POST", false, []) => "CreateFunction",
        ("GET", true, []) => "GetFunction",
        ("DELETE", true, []) => "DeleteFunction",
        (_, true, ["invocations"]) => "InvokeFunction",
        (_, true, ["configuration"]) if get => "GetFunctionConfiguration",
        (_, true, ["configuration"]) => "UpdateFunctionConfiguration",
        (_, true, ["concurrency"]) => "GetFunctionConcurrency",
        (_, true, ["code"]) => "UpdateFunctionCode",
        (_, true, ["versions"]) if get => "ListVersionsByFunction",
        (_, true, ["versions"]) => "PublishVersion",
        (_, true, ["aliases"]) if get => "ListAliases",
        (_, true, ["aliases"]) => "CreateAlias",
        (_, true, ["aliases", _]) if get => "GetAlias",
        ("DELETE", true, ["aliases", _]) => "DeleteAlias",
        (_, true, ["aliases", _]) => "UpdateAlias",
        (_, true, ["url"]) if get => "GetFunctionUrlConfig",
        ("DELETE", true, ["url"]) => "DeleteFunctionUrlConfig",
        (_, true, ["url"]) => "CreateFunctionUrlConfig",
        (_, true, ["policy"]) if get => "GetPolicy",
        (_, true, ["policy"]) => "AddPermission",
        (_, true, ["provisioned-concurrency"]) => "GetProvisionedConcurrencyConfig",
        _ => return None,
    };
    let arn = match name {
        None => "*".to_owned(),
        Some(arn) if arn.starts_with("arn:") => arn,
        Some(name) => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"),
    };
    let qualifier = url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "Qualifier").then(|| value.into_owned()));
    let resource = match qualifier.filter(|_| arn.split(':').count() == 7) {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    };
    Some((format!("lambda:{action}"), resource))
}

/// What any function may ask of Lambda with credentials of its own: to read and to invoke. What else
/// its role allows is held against its calls by the tests.
pub(crate) fn is_harmless(action: &str) -> bool {
    action == "lambda:InvokeFunction"
        || action.starts_with("lambda:Get")
        || action.starts_with("lambda:List")
}

fn decoded(text: &str) -> String {
    // A plus is one here.
    let text = text.replace('+', "%2B");
    let pairs = url::form_urlencoded::parse(text.as_bytes()).next();
    pairs.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// The answer of Lambda to who may not do this.
pub(crate) fn denied(who: &str, action: &str, resource: &str) -> Response {
    let message = format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource} because no \
         identity-based policy allows the {action} action"
    );
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amzn-errortype",
        "AccessDeniedException"
            .parse()
            .unwrap_or_else(|_| axum::http::HeaderValue::from_static("AccessDeniedException")),
    );
    let body = serde_json::json!({ "Message": message, "message": message });
    (StatusCode::FORBIDDEN, headers, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_as_iam_names_it() {
        let call = |method: Method, path: &str, query: &str| {
            lambda_call(&method, path, query)
                .map(|(action, resource)| format!("{action} {resource}"))
        };
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop");
        let base = "/2015-03-31/functions/";
        for (method, path, query, expected) in [
            (Method::GET, base.to_owned(), "", "lambda:ListFunctions *".to_owned()),
            (
                Method::PUT,
                format!("{base}shop/code"),
                "",
                format!("lambda:UpdateFunctionCode {arn}"),
            ),
            (
                Method::GET,
                format!("{base}arn%3Aaws%3Alambda%3A{REGION}%3A{ACCOUNT}%3Afunction%3Ashop"),
                "Qualifier=live",
                format!("lambda:GetFunction {arn}:live"),
            ),
            (
                Method::DELETE,
                format!("{base}shop/aliases/live"),
                "",
                format!("lambda:DeleteAlias {arn}"),
            ),
            (
                Method::GET,
                "/2021-10-31/functions/shop/url".to_owned(),
                "Qualifier=live",
                format!("lambda:GetFunctionUrlConfig {arn}:live"),
            ),
        ] {
            assert_eq!(call(method, &path, query), Some(expected), "{path}");
        }
        assert_eq!(call(Method::GET, "/2015-03-31/layers", ""), None);
    }

    #[test]
    fn patterns_are_read_as_iam_reads_them() {
        for (pattern, text, expected) in [
            ("arn:*:role/pact-deploy-*", "arn:aws:iam::1:role/pact-deploy-x", true),
            ("arn:*:role/pact-deploy-*", "arn:aws:iam::1:role/other", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
