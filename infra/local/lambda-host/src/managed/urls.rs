//! HTTP addresses of functions, and who may ask there.

use super::{
    alias,
    record::{FunctionUrl, Record, Statement},
    store::{Managed, UrlServer},
};
use crate::{error::RequestError, name::qualified, sync::lock};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};
use tokio::sync::{mpsc, oneshot};

/// `AddPermission`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Permission {
    statement_id: String,
    action: String,
    principal: String,
    function_url_auth_type: Option<String>,
}

/// What a request says of an address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UrlChange {
    auth_type: Option<String>,
    invoke_mode: Option<String>,
    cors: Option<Value>,
}

/// The most statements of one function.
const MAX_STATEMENTS: usize = 100;

impl Managed {
    /// What asks to be served, once.
    pub(crate) fn urls_to_serve(&self) -> Option<mpsc::UnboundedReceiver<UrlServer>> {
        lock(&self.to_serve).take()
    }

    /// Opens the addresses of before, where their ports are free.
    pub(super) fn open_urls(&self) {
        let known: Vec<(String, String, u16)> = {
            let state = lock(&self.state);
            let urls = state.functions.values().flat_map(|entry| {
                let record = &entry.record;
                record.urls.iter().map(|(q, url)| (record.name.clone(), q.clone(), url.port))
            });
            urls.collect()
        };
        for (name, qualifier, port) in known {
            let opened =
                listen(port).and_then(|listener| self.announce(&name, &qualifier, listener));
            if let Err(error) = opened {
                tracing::error!(%name, port, %error, "the address of a function cannot be served");
            }
        }
    }

    fn announce(&self, name: &str, qualifier: &str, listener: TcpListener) -> io::Result<()> {
        let (end, closed) = oneshot::channel();
        let mut state = lock(&self.state);
        let entry = state.functions.get_mut(name);
        let Some(entry) = entry else { return Ok(()) };
        entry.urls.insert(qualifier.to_owned(), end);
        let (function, qualifier) = (name.to_owned(), qualifier.to_owned());
        let server = UrlServer { listener, function, qualifier, closed };
        self.opened.send(server).map_err(|_| io::Error::other("nobody serves addresses"))
    }

    /// `CreateFunctionUrlConfig`.
    pub(crate) fn create_url(
        &self,
        name: &str,
        qualifier: Option<&str>,
        change: UrlChange,
    ) -> Result<Value, RequestError> {
        let auth = auth(change.auth_type.as_deref().unwrap_or_default())?;
        check_mode(&change)?;
        let key = qualifier.unwrap_or_default();
        let failed = |error: io::Error| RequestError::Service(error.to_string());
        let listener = listen(0).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let arn = qualified(self.arn(name), qualifier);
        let shown = self.change(name, |record| {
            check_qualifier(record, qualifier, &arn)?;
            if record.urls.contains_key(key) {
                return Err(RequestError::conflict(format!(
                    "Failed to create function url config for [functionArn = {arn}]. Error message: \
                     FunctionUrlConfig exists for this Lambda function"
                )));
            }
            let now = Timestamp::now();
            let url = FunctionUrl { port, auth, created: now, modified: now };
            record.urls.insert(key.to_owned(), url);
            shown(record, key, &arn)
        })?;
        self.announce(name, key, listener).map_err(failed)?;
        Ok(shown)
    }

    /// `GetFunctionUrlConfig`.
    pub(crate) fn url(&self, name: &str, qualifier: Option<&str>) -> Result<Value, RequestError> {
        let arn = qualified(self.arn(name), qualifier);
        self.read(name, |record| shown(record, qualifier.unwrap_or_default(), &arn))
    }

    /// `DeleteFunctionUrlConfig`.
    pub(crate) fn delete_url(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<(), RequestError> {
        let key = qualifier.unwrap_or_default();
        let arn = qualified(self.arn(name), qualifier);
        self.change(name, |record| match record.urls.remove(key) {
            Some(_) => Ok(()),
            None => Err(no_url(&arn)),
        })?;
        if let Some(entry) = lock(&self.state).functions.get_mut(name) {
            entry.urls.remove(key);
        }
        Ok(())
    }

    /// Whether anybody may ask at an address: as on AWS, it says so itself and the policy does too.
    pub(crate) fn is_public(&self, name: &str, qualifier: &str) -> bool {
        let public = |record: &Record| {
            let open = record.urls.get(qualifier).is_some_and(|url| url.auth == "NONE");
            let allowed = record.policy.iter().any(|statement| {
                statement.qualifier == qualifier
                    && statement.action == "lambda:InvokeFunctionUrl"
                    && statement.principal == "*"
                    && statement.auth.as_deref().is_none_or(|auth| auth == "NONE")
            });
            Ok(open && allowed)
        };
        self.read(name, public).unwrap_or(false)
    }

    /// `AddPermission`.
    pub(crate) fn add_permission(
        &self,
        name: &str,
        qualifier: Option<&str>,
        permission: Permission,
    ) -> Result<Value, RequestError> {
        let Permission { statement_id, action, principal, function_url_auth_type } = permission;
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if statement_id.is_empty() || statement_id.len() > 100 || !statement_id.chars().all(letters)
        {
            return Err(RequestError::invalid("StatementId must match [a-zA-Z0-9-_]+"));
        }
        if !action.starts_with("lambda:") || action.len() > 100 || principal.len() > 256 {
            return Err(RequestError::invalid("Action must be one of Lambda"));
        }
        let arn = qualified(self.arn(name), qualifier);
        self.change(name, |record| {
            check_qualifier(record, qualifier, &arn)?;
            if record.policy.iter().any(|known| known.id == statement_id) {
                return Err(RequestError::conflict(format!(
                    "The statement id ({statement_id}) provided already exists. Please provide a \
                     new statement id, or remove the existing statement."
                )));
            }
            if record.policy.len() >= MAX_STATEMENTS {
                return Err(RequestError::invalid("The policy has too many statements"));
            }
            let statement = Statement {
                id: statement_id,
                qualifier: qualifier.unwrap_or_default().to_owned(),
                action,
                principal,
                auth: function_url_auth_type,
            };
            let shown = stated(&statement, &arn).to_string();
            record.policy.push(statement);
            Ok(json!({"Statement": shown}))
        })
    }

    /// `GetPolicy`.
    pub(crate) fn policy(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<Value, RequestError> {
        let arn = qualified(self.arn(name), qualifier);
        self.read(name, |record| {
            let own = record.policy.iter();
            let own = own.filter(|s| s.qualifier == qualifier.unwrap_or_default());
            let statements: Vec<Value> = own.map(|statement| stated(statement, &arn)).collect();
            if statements.is_empty() {
                let message = "No policy is associated with the given resource.";
                return Err(RequestError::missing(message));
            }
            let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
            Ok(json!({"Policy": policy.to_string(), "RevisionId": record.latest.revision}))
        })
    }
}

fn stated(statement: &Statement, arn: &str) -> Value {
    let principal = match statement.principal.as_str() {
        "*" => json!("*"),
        service if service.contains('.') => json!({"Service": service}),
        account => json!({"AWS": account}),
    };
    let mut shown = json!({
        "Sid": statement.id, "Effect": "Allow", "Principal": principal,
        "Action": statement.action, "Resource": arn,
    });
    if let (Some(auth), Some(fields)) = (&statement.auth, shown.as_object_mut()) {
        let condition = json!({"StringEquals": {"lambda:FunctionUrlAuthType": auth}});
        fields.insert("Condition".to_owned(), condition);
    }
    shown
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn auth(text: &str) -> Result<String, RequestError> {
    match text {
        "NONE" | "AWS_IAM" => Ok(text.to_owned()),
        other => Err(RequestError::Validation {
            value: other.chars().filter(|c| !c.is_control()).take(100).collect(),
            parameter: "authType",
            constraint: "Member must satisfy enum value set: [NONE, AWS_IAM]",
        }),
    }
}

fn check_mode(change: &UrlChange) -> Result<(), RequestError> {
    if change.invoke_mode.as_deref().is_some_and(|mode| mode != "BUFFERED") {
        return Err(RequestError::invalid("This host answers BUFFERED only"));
    }
    if change.cors.as_ref().is_some_and(|cors| !cors.is_null()) {
        return Err(RequestError::invalid("This host has no Cors for function URLs"));
    }
    Ok(())
}

/// A version has no address, and what is not there neither.
fn check_qualifier(
    record: &Record,
    qualifier: Option<&str>,
    arn: &str,
) -> Result<(), RequestError> {
    match qualifier {
        None => Ok(()),
        Some(version) if alias::is_version(version) => {
            Err(RequestError::invalid("Qualifier must be an alias: a version has no function URL"))
        }
        Some(name) if record.aliases.contains_key(name) => Ok(()),
        Some(_) => Err(RequestError::missing(format!("Cannot find alias arn: {arn}"))),
    }
}

fn no_url(arn: &str) -> RequestError {
    RequestError::missing(format!(
        "The resource you requested does not exist: there is no function URL of {arn}"
    ))
}

fn shown(record: &Record, key: &str, arn: &str) -> Result<Value, RequestError> {
    let url = record.urls.get(key).ok_or_else(|| no_url(arn))?;
    let at = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    Ok(json!({
        "FunctionUrl": format!("http://127.0.0.1:{}/", url.port),
        "FunctionArn": arn,
        "AuthType": url.auth,
        "CreationTime": at(url.created),
        "LastModifiedTime": at(url.modified),
        "InvokeMode": "BUFFERED",
    }))
}
