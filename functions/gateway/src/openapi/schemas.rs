//! The schemas of what is sent and answered. What an answer has beyond them may change.

use pact_contract::{RunStatus, access::Scope, settings::Template};
use serde_json::{Map, Value, json};

use crate::{hosts, validate};

/// Every schema that is referred to by its name.
pub(super) fn schemas() -> Value {
    let templates: Vec<_> = Template::ALL.iter().map(|(_, name)| json!(name)).collect();
    let templates: Vec<_> = templates.into_iter().chain([Value::Null]).collect();
    let hosts: Vec<_> = hosts::ALL.iter().map(|host| json!(host.name())).collect();
    let hosts: Vec<_> = hosts.into_iter().chain([Value::Null]).collect();
    json!({
        "Object": { "type": "object" },
        "Problem": answered(
            &["type", "title", "status", "detail", "code"],
            &[
                ("type", json!({ "type": "string", "format": "uri" })),
                ("title", json!({ "type": "string" })),
                ("status", json!({ "type": "integer" })),
                ("detail", json!({ "type": "string", "description": "What happened, and what to do." })),
                ("code", json!({ "type": "string", "description": "Stable, for programs." })),
                ("field", json!({ "type": "string", "description": "What of the request is at fault." })),
            ],
        ),
        "Health": answered(
            &["status", "version"],
            &[("status", json!({ "const": "ok" })), ("version", json!({ "type": "string" }))],
        ),
        "Caller": answered(
            &["owner", "scopes"],
            &[
                ("owner", json!({ "type": "string" })),
                ("scopes", json!({ "type": "array", "items": scope() })),
                ("until", json!({ "type": ["string", "null"], "format": "date-time" })),
            ],
        ),
        "Status": { "enum": RunStatus::ALL },
        "Accepted": answered(
            &["run_id", "url", "status", "execution_arn", "duplicate"],
            &[
                ("run_id", json!({ "type": "string" })),
                ("url", json!({ "type": "string", "format": "uri" })),
                ("status", reference("Status")),
                ("execution_arn", json!({ "type": "string" })),
                ("duplicate", json!({ "type": "boolean" })),
            ],
        ),
        "Run": answered(
            &["run_id", "status", "repository", "branch", "commit", "url", "started_at"],
            &[
                ("run_id", json!({ "type": "string" })),
                ("status", reference("Status")),
                ("branch", json!({ "type": "string" })),
                ("commit", json!({ "type": "string" })),
                ("url", json!({ "type": "string" })),
                ("started_at", json!({ "type": "string", "format": "date-time" })),
                ("finished_at", json!({ "type": ["string", "null"], "format": "date-time" })),
                ("approvals", json!({ "type": "array", "items": { "type": "object" } })),
            ],
        ),
        "Pipeline": object(
            &["repository", "branch", "commit"],
            &[
                ("repository", object(
                    &["name", "url"],
                    &[
                        ("name", repository()),
                        ("url", json!({ "type": "string", "minLength": 1, "maxLength": validate::MAX_URL })),
                        ("default_branch", text(validate::MAX_BRANCH)),
                    ],
                )),
                ("branch", branch()),
                ("commit", commit(json!("string"))),
                ("base", commit(json!(["string", "null"]))),
                ("author", text(64 * 1024)),
                ("message", text(64 * 1024)),
                ("template", json!({ "enum": templates })),
                ("environment", json!({
                    "type": ["string", "null"], "pattern": "^[A-Za-z0-9_-]{1,64}$",
                    "description": "How far it may go: no further than this environment.",
                })),
                ("rerun", json!({ "type": ["boolean", "null"] })),
                ("settings", json!({ "enum": ["base", "own", null] })),
                ("on_purpose", json!({
                    "type": ["string", "null"], "maxLength": 1_000,
                    "description": "Why an order or a verdict is set aside; needs the scope `operate`.",
                })),
            ],
        ),
        "Rollback": object(
            &["repository", "environment", "reason"],
            &[
                ("repository", repository()),
                ("environment", identifier("An environment's name.", 64)),
                ("to", json!({ "type": "string", "pattern": "^[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,99}$" })),
                ("by", person()),
                ("reason", json!({ "type": "string", "minLength": 1, "maxLength": 1_000 })),
            ],
        ),
        "Registration": object(
            &["name", "url"],
            &[
                ("name", repository()),
                ("url", json!({ "type": "string", "minLength": 1, "maxLength": validate::MAX_URL })),
                ("local", json!({ "type": ["boolean", "null"] })),
                ("replace", json!({ "type": ["boolean", "null"] })),
                ("default_branch", text(validate::MAX_BRANCH)),
                ("branches", json!({ "type": "array", "maxItems": 50, "items": branch() })),
                ("floor", json!({ "type": "object" })),
                ("forks", json!({ "enum": ["ask", "run", "refuse", null] })),
                ("host", json!({
                    "type": ["string", "null"], "enum": hosts,
                    "description": "Its git host, if its address does not tell: no other one tells of its pushes then.",
                })),
                ("statuses", json!({ "type": ["boolean", "null"] })),
                ("statuses_api", json!({
                    "type": ["string", "null"], "maxLength": validate::MAX_URL,
                    "description": "Where the host takes them, if not where its address says; with `statuses`.",
                })),
                ("by", person()),
            ],
        ),
        "NewToken": object(
            &["owner", "scopes"],
            &[
                ("owner", json!({ "type": "string", "minLength": 1, "maxLength": 100 })),
                ("scopes", json!({ "type": "array", "minItems": 1, "items": scope() })),
                ("days", json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 366 })),
            ],
        ),
    })
}

/// The schema of that name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A text, or nothing.
pub(super) fn text(limit: usize) -> Value {
    json!({ "type": ["string", "null"], "maxLength": limit })
}

/// Letters, digits, `-` and `_`, so many at most.
pub(super) fn identifier(about: &str, limit: usize) -> Value {
    json!({
        "type": "string", "description": about, "pattern": format!("^[A-Za-z0-9_-]{{1,{limit}}}$"),
    })
}

/// A body with these fields and no others.
pub(super) fn object(required: &[&str], fields: &[(&str, Value)]) -> Value {
    let mut schema = answered(required, fields);
    schema["additionalProperties"] = json!(false);
    schema
}

pub(super) fn by() -> (&'static str, Value) {
    ("by", person())
}

pub(super) fn reason() -> (&'static str, Value) {
    ("reason", text(1_000))
}

pub(super) fn note() -> (&'static str, Value) {
    ("note", text(500))
}

pub(super) fn approved() -> (&'static str, Value) {
    ("approved", json!({ "type": "boolean" }))
}

/// An object with these fields at least.
fn answered(required: &[&str], fields: &[(&str, Value)]) -> Value {
    let fields: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": fields })
}

fn person() -> Value {
    json!({
        "type": ["string", "null"], "maxLength": 200,
        "description": "Whom the installation's own token speaks for; nobody else's speaks for another.",
    })
}

fn repository() -> Value {
    json!({
        "type": "string", "maxLength": 200, "pattern": "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
        "description": "Its full name at its host, as acme/web.",
    })
}

fn branch() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": validate::MAX_BRANCH })
}

pub(super) fn commit(kind: Value) -> Value {
    json!({ "type": kind, "pattern": "^[0-9A-Fa-f]{40}$" })
}

fn scope() -> Value {
    json!({ "enum": Scope::ALL })
}
