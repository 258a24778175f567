//! Writes down which function makes which AWS call on what, where `PACT_RECORD_CALLS` names a
//! file: one line each, `function action resource`, as IAM would judge it.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write,
    sync::{Mutex, PoisonError},
};

use axum::http::request::Parts;
use local_template::Stack;
use serde_json::{Value, json};

use super::{parameters, roles};
use crate::{
    credentials::Caller,
    failure::{Context, Failure},
};

/// Who calls with a role of `infra/deploy-role.yaml`.
const ROLE: &str = "DeployRole";
/// Names the file.
const VARIABLE: &str = "PACT_RECORD_CALLS";

/// Appends calls to a file, each kind of call once.
pub(crate) struct Recorder {
    functions: BTreeSet<String>,
    /// Prefix of every table's ARN.
    tables: String,
    /// Prefix of every build project's ARN.
    projects: String,
    seen: Mutex<(BTreeSet<String>, File)>,
}

impl Recorder {
    /// A recorder, where one is asked for.
    pub(crate) fn from_env(stack: &Stack) -> Result<Option<Self>, Failure> {
        let Some(path) = std::env::var_os(VARIABLE).filter(|p| !p.is_empty()) else {
            return Ok(None);
        };
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.doing(&format!("open {}", path.display()))?;
        let tables = stack.tables.first().map(|t| t.arn.trim_end_matches(t.name.as_str()));
        let projects = stack.projects.first().map(|p| p.arn.trim_end_matches(p.name.as_str()));
        Ok(Some(Self {
            projects: projects.unwrap_or_default().to_owned(),
            functions: stack.functions.iter().map(|f| f.logical_id.clone()).collect(),
            tables: tables.unwrap_or_default().to_owned(),
            seen: Mutex::new((BTreeSet::new(), file)),
        }))
    }

    /// Writes down a call, if a function made it.
    pub(crate) fn record(&self, caller: &Caller, request: &Parts, body: &[u8]) {
        let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
        let caller = match caller {
            Caller::Pair(id) if self.functions.contains(id) => id.as_str(),
            Caller::Pair(_) => return,
            Caller::Role(_) => ROLE,
        };
        let target = header("x-amz-target").unwrap_or_default();
        let fields = || url::form_urlencoded::parse(body);
        let role = fields().find_map(|(name, value)| (name == "RoleArn").then_some(value));
        let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
        let made = match (role, roles::lambda_call(&request.method, path, query)) {
            (Some(role), _) if target.is_empty() && path == "/" => {
                vec![("sts:AssumeRole".to_owned(), role.into_owned())]
            }
            (_, Some(call)) if target.is_empty() => vec![call],
            _ => {
                let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
                calls(target, &body, (&self.tables, &self.projects))
            }
        };
        for (action, resource) in made {
            let line = format!("{caller} {action} {resource}\n");
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            // One write of a whole line: several stacks may append to the file.
            if seen.0.insert(line.clone())
                && let Err(error) = seen.1.write_all(line.as_bytes())
            {
                tracing::error!(%error, "a call could not be written down");
            }
        }
    }
}

/// The actions that a request needs, each with its resource.
fn calls(target: &str, body: &Value, (tables, projects): (&str, &str)) -> Vec<(String, String)> {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let Some((service, operation)) = target.split_once('.') else { return Vec::new() };
    if service == "AWSStepFunctions" {
        // A task token names no resource.
        let resource = ["stateMachineArn", "executionArn"]
            .iter()
            .find_map(|key| body.get(key).and_then(Value::as_str))
            .unwrap_or("*");
        return vec![(format!("states:{operation}"), resource.to_owned())];
    }
    if service == "AmazonSSM" {
        let names = body.get("Names").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let names = names.iter().chain(body.get("Name")).filter_map(Value::as_str);
        return names.map(|name| (format!("ssm:{operation}"), parameters::arn(name))).collect();
    }
    if service.starts_with("CodeBuild") {
        // A build is judged by its project, whose name its id begins with.
        let id = || body.get("ids").and_then(|ids| ids.get(0)).or_else(|| body.get("id"));
        let name = body.get("projectName").or_else(id).and_then(Value::as_str).unwrap_or_default();
        let name = name.split(':').next().unwrap_or_default();
        return vec![(format!("codebuild:{operation}"), format!("{projects}{name}"))];
    }
    if !service.starts_with("DynamoDB") {
        return vec![(target.to_owned(), "*".to_owned())];
    }
    let of = |operation: &str, request: &Value| {
        let table = format!("{tables}{}", text(request, "TableName"));
        let resource = match text(request, "IndexName") {
            index if index.is_empty() => table,
            index => format!("{table}/index/{index}"),
        };
        (format!("dynamodb:{operation}"), resource)
    };
    let items = body.get("TransactItems").and_then(Value::as_array);
    if let Some(tables) = body.get("RequestItems").and_then(Value::as_object) {
        // A batch names its tables by its keys.
        return tables.keys().map(|name| of(operation, &json!({ "TableName": name }))).collect();
    }
    match items {
        // A transaction is judged by what is in it.
        Some(items) => items
            .iter()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(kind, request)| match kind.as_str() {
                "ConditionCheck" => of("ConditionCheckItem", request),
                kind => of(&format!("{kind}Item"), request),
            })
            .collect(),
        None => vec![of(operation, body)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_iam_judges_it() {
        let one = |target: &str, body: Value| calls(target, &body, ("arn:table/", "arn:project/"));
        let own = |a: &str, r: &str| (a.to_owned(), r.to_owned());
        assert_eq!(
            one("DynamoDB_20120810.Query", json!({"TableName": "t", "IndexName": "gsi1"})),
            [own("dynamodb:Query", "arn:table/t/index/gsi1")]
        );
        assert_eq!(
            one("DynamoDB_20120810.BatchGetItem", json!({"RequestItems": {"t": {"Keys": []}}})),
            [own("dynamodb:BatchGetItem", "arn:table/t")]
        );
        assert_eq!(
            one(
                "DynamoDB_20120810.TransactWriteItems",
                json!({"TransactItems": [
                    {"Put": {"TableName": "t"}},
                    {"ConditionCheck": {"TableName": "u"}},
                ]})
            ),
            [
                own("dynamodb:PutItem", "arn:table/t"),
                own("dynamodb:ConditionCheckItem", "arn:table/u")
            ]
        );
        assert_eq!(
            one("AmazonSSM.GetParameters", json!({"Names": ["/pact/api-token"]})),
            [own(
                "ssm:GetParameters",
                "arn:aws:ssm:us-east-1:000000000000:parameter/pact/api-token"
            )]
        );
        for body in [json!({"projectName": "p"}), json!({"ids": ["p:1"]}), json!({"id": "p:1"})] {
            let call = one("CodeBuild_20161006.StartBuild", body);
            assert_eq!(call, [own("codebuild:StartBuild", "arn:project/p")]);
        }
        assert_eq!(
            one("AWSStepFunctions.SendTaskSuccess", json!({"taskToken": "x"})),
            [own("states:SendTaskSuccess", "*")]
        );
    }
}
