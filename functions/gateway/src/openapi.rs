//! `GET /v1/openapi.json`: the installation's HTTP API as an OpenAPI 3.1 document
//! (<https://spec.openapis.org/oas/v3.1.0>).
//!
//! What a route needs comes from the table of routes. What is asked and answered stands here, a row
//! for each of them; a test holds both against each other.

#![expect(clippy::indexing_slicing, reason = "an index makes what is not there in JSON of our own")]

mod schemas;

use axum::http::Method;
use pact_contract::access::Scope;
use serde_json::{Map, Value, json};

use crate::doors::Need;
use schemas::{approved, by, commit, identifier, note, object, reason, reference, schemas, text};

/// The document of these routes: each with its method, its path and what it needs.
pub(crate) fn document<'r>(routes: impl Iterator<Item = (&'r Method, &'r str, Need)>) -> Value {
    let mut paths = Map::new();
    for (method, path, need) in routes {
        let Some(about) = about(method, path) else { continue };
        let entry = paths.entry(path.replace("{*", "{")).or_insert_with(|| json!({}));
        entry[method.as_str().to_ascii_lowercase()] = operation(about, need, path);
    }
    for (path, summary, query) in PAGES {
        let about = About { query, ..About::new(summary) };
        let about = about.gives(200, ANY).refuses(&[400, 404]);
        let read = operation(about, Need::Scope(Scope::Read), path);
        paths.insert((*path).to_owned(), json!({ "get": read }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "PACT DevOps pipeline",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Starts runs, shows them, answers for them.",
            "description": "Refusals are problem details (RFC 9457) with a stable `code`, which \
                `pactctl explain CODE` explains.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "responses": {
                "Problem": {
                    "description": "Refused, or not possible now: `code` says why.",
                    "content": {
                        "application/problem+json": { "schema": reference("Problem") },
                    },
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token: `pactctl tokens add OWNER --scope NAME`.",
                },
            },
        },
    })
}

/// What lists of runs are filtered by.
const FILTERS: &[&str] =
    &["text", "repository", "branch", "author", "status", "environment", "cursor", "limit"];

/// What the dashboard answers as JSON, with the names in each query.
const PAGES: &[(&str, &str, &[&str])] = &[
    ("/api/runs", "Runs, the newest first", FILTERS),
    ("/api/version", "What changes when the list of runs does", FILTERS),
    ("/api/runs/{id}", "A run with its stages, log, approvals and notifications", &[]),
    ("/api/runs/{id}/version", "What changes when the run does", &[]),
    ("/api/runs/{id}/logs/{state}", "What the build of a stage writes", &["from"]),
    (
        "/api/runs/{id}/tests",
        "The single tests of a stage, the gravest or the slowest first",
        &["stage", "status", "text", "order", "from", "limit"],
    ),
    ("/api/tests", "The slowest and flakiest tests of a repository", &["repository"]),
    ("/api/environments", "What is deployed where, a page at a time", &["repository", "cursor"]),
    ("/api/environments/version", "What changes when that page does", &["repository", "cursor"]),
    ("/api/incidents/version", "What changes when an incident does", &[]),
    (
        "/api/durations",
        "How long the stages of a repository's runs take, and what the runs cost",
        &["repository"],
    ),
    (
        "/api/insights",
        "How well an environment is delivered to: the four measures of DORA",
        &["repository", "environment"],
    ),
];

/// What is asked at a route, and what it answers.
struct About {
    summary: &'static str,
    /// Names in the query; each may be left out.
    query: &'static [&'static str],
    body: Option<Value>,
    /// Whether a request without a body is refused.
    needs_body: bool,
    answers: Vec<(u16, &'static str)>,
    refusals: &'static [u16],
    sends_on: bool,
}

impl About {
    fn new(summary: &'static str) -> Self {
        let (body, needs_body) = (None, false);
        let answers = Vec::new();
        Self { summary, query: &[], body, needs_body, answers, refusals: &[], sends_on: false }
    }

    fn takes(self, body: Value) -> Self {
        Self { body: Some(body), needs_body: true, ..self }
    }

    fn may_take(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    fn gives(mut self, status: u16, schema: &'static str) -> Self {
        self.answers.push((status, schema));
        self
    }

    /// Answers a browser with the page to go on to.
    fn sends_on(self) -> Self {
        Self { sends_on: true, ..self }
    }

    fn refuses(self, refusals: &'static [u16]) -> Self {
        Self { refusals, ..self }
    }
}

/// An object of which nothing more is promised.
const ANY: &str = "Object";

fn about(method: &Method, path: &str) -> Option<About> {
    let new = About::new;
    Some(match (method.as_str(), path) {
        ("GET", "/health") => new("Whether it is up").gives(200, "Health"),
        ("GET", "/v1/openapi.json") => new("This document").gives(200, ANY),
        ("GET", "/v1/agents") => new("What the agents offer").gives(200, ANY),
        ("GET", "/v1/caller") => {
            new("Whose token it is, and what it is good for").gives(200, "Caller")
        }
        ("GET", "/v1/sign-in") => {
            new("Send a browser to the sign-in provider").sends_on().refuses(&[404])
        }
        ("GET", "/v1/sign-in/callback") => {
            new("Back from the sign-in provider").sends_on().refuses(&[404])
        }
        ("POST", "/v1/session") => new("Sign a browser in")
            .takes(object(&[], &[("token", text(16 * 1024)), ("code", text(16 * 1024))]))
            .gives(200, "Caller")
            .refuses(&[400, 401, 403, 429]),
        ("POST", "/v1/session/end") => {
            new("Sign a browser out").gives(200, ANY).refuses(&[401, 403])
        }
        ("POST", "/v1/sign-in-codes") => new("A link that signs one browser in as the caller")
            .may_take(object(&[], &[by()]))
            .gives(200, ANY)
            .refuses(&[400]),
        ("POST", "/v1/pipelines") => new("Start a run")
            .takes(reference("Pipeline"))
            .gives(202, "Accepted")
            .refuses(&[400, 409]),
        ("GET", "/v1/runs/{id}") => {
            new("A run's status, with its open questions").gives(200, "Run").refuses(&[404])
        }
        ("POST", "/v1/runs/{id}/cancel") => new("Cancel a run")
            .may_take(object(&[], &[by(), reason()]))
            .gives(200, "Run")
            .refuses(&[400, 404, 409]),
        ("POST", "/v1/runs/{id}/answers") => new("Answer what a run asks")
            .takes(object(
                &["approved"],
                &[
                    ("state", json!({ "type": "string", "maxLength": 80 })),
                    approved(),
                    by(),
                    reason(),
                ],
            ))
            .gives(200, ANY)
            .refuses(&[400, 404, 409, 410]),
        ("POST", "/v1/runs/{id}/rerun") => {
            new("Run the push of a run again").gives(202, "Accepted").refuses(&[400, 404, 409])
        }
        ("POST", "/v1/callbacks/{token}") => new("Answer the question of a callback")
            .takes(object(&["approved"], &[approved(), by(), reason()]))
            .gives(200, ANY)
            .refuses(&[400, 404, 409, 410]),
        ("POST", "/v1/rollbacks") => new("Return an environment to an earlier release")
            .takes(reference("Rollback"))
            .gives(202, "Accepted")
            .refuses(&[400, 404, 409]),
        ("GET", "/v1/incidents") => {
            About { query: &["cursor"], ..new("Incidents, the latest first") }
                .gives(200, ANY)
                .refuses(&[400])
        }
        ("GET", "/v1/incidents/{id}") => new("An incident").gives(200, ANY).refuses(&[404]),
        ("POST", "/v1/incidents/{id}/acknowledge") => {
            new("Look after an incident: nobody else is told")
                .takes(object(&[], &[by(), note()]))
                .gives(200, ANY)
                .refuses(&[400, 404, 409])
        }
        ("POST", "/v1/incidents/{id}/close") => new("Say that an incident is over")
            .takes(object(&[], &[by(), note()]))
            .gives(200, ANY)
            .refuses(&[400, 404, 409]),
        ("GET", "/v1/repositories") => new("The registered repositories").gives(200, ANY),
        ("POST", "/v1/repositories") => new("Register a repository")
            .takes(reference("Registration"))
            .gives(200, ANY)
            .refuses(&[400, 409]),
        ("GET", "/v1/repositories/{*name}") => {
            new("A registered repository").gives(200, ANY).refuses(&[404])
        }
        ("DELETE", "/v1/repositories/{*name}") => {
            new("Take a repository out").gives(200, ANY).refuses(&[404])
        }
        ("POST", "/v1/webhook-secrets/{*name}") => new(
            "Change the secret of a repository's webhook; the same again changes nothing",
        )
        .takes(object(
            &["secret"],
            &[
                (
                    "secret",
                    json!({
                        "type": "string", "pattern": "^[!-~]{32,200}$",
                        "description": "Made by whoever sends it: nobody is told one.",
                    }),
                ),
                (
                    "keep_hours",
                    json!({
                        "type": ["integer", "null"], "minimum": 0, "maximum": 720,
                        "description": "For how many hours the one before counts: 24 without it.",
                    }),
                ),
                by(),
            ],
        ))
        .gives(200, ANY)
        .refuses(&[400, 404, 409]),
        ("GET", "/v1/policies/{*name}") => {
            new("The rules that count for a repository").gives(200, ANY).refuses(&[404])
        }
        ("POST", "/v1/policies/{*name}") => new("Agree to what a run's commit loosens")
            .takes(object(&["run_id"], &[("run_id", identifier("run id", 128)), by()]))
            .gives(200, ANY)
            .refuses(&[400, 404, 409]),
        ("GET", "/v1/pulls/{*name}") => {
            new("The pull requests of forks that wait").gives(200, ANY).refuses(&[404])
        }
        ("POST", "/v1/pulls/{*name}") => new("Let a commit of a fork's pull request run")
            .takes(object(
                &["number", "commit"],
                &[
                    ("number", json!({ "type": "integer", "minimum": 0 })),
                    ("commit", commit(json!("string"))),
                    by(),
                ],
            ))
            .gives(202, "Accepted")
            .refuses(&[400, 403, 404]),
        ("GET", "/v1/tokens") => new("The API tokens").gives(200, ANY),
        ("POST", "/v1/tokens") => new("Hand an API token out")
            .takes(reference("NewToken"))
            .gives(201, ANY)
            .refuses(&[400]),
        ("DELETE", "/v1/tokens/{id}") => {
            new("Revoke an API token").gives(200, ANY).refuses(&[404, 409])
        }
        ("POST", path) if path.starts_with("/webhooks/") => new(match path.contains("{*name}") {
            true => "A delivery of the git host, signed with the repository's own secret",
            false => "A delivery of the git host, signed by it",
        })
        .takes(json!({ "type": "object" }))
        .gives(200, ANY)
        .gives(202, ANY)
        .refuses(&[400, 401, 403, 409]),
        _ => return None,
    })
}

fn operation(about: About, need: Need, path: &str) -> Value {
    let About { summary, query, body, needs_body, answers, refusals, sends_on } = about;
    let mut responses: Map<String, Value> = answers
        .into_iter()
        .map(|(status, schema)| {
            let content = json!({ "application/json": { "schema": reference(schema) } });
            (status.to_string(), json!({ "description": "Done.", "content": content }))
        })
        .collect();
    if sends_on {
        let location = json!({ "schema": { "type": "string" } });
        let sent = json!({ "description": "Go on there.", "headers": { "Location": location } });
        responses.insert("303".to_owned(), sent);
    }
    let of_the_door: &[u16] = match need {
        Need::Nothing | Need::Own => &[],
        Need::Caller | Need::Scope(_) => &[401, 403, 429],
    };
    let of_the_body: &[u16] = if body.is_some() { &[413] } else { &[] };
    for status in [refusals, of_the_door, of_the_body, &[405, 503]].concat() {
        let problem = json!({ "$ref": "#/components/responses/Problem" });
        responses.entry(status.to_string()).or_insert(problem);
    }
    let mut operation = json!({ "summary": summary, "responses": responses });
    let names = path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let query = query
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }));
    let parameters: Vec<_> = names
        .map(|name| {
            json!({
                "name": name.trim_start_matches('*'),
                "in": "path",
                "required": true,
                "description": if name.starts_with('*') {
                    "The repository's full name; its `/` is sent as it is or as `%2F`."
                } else {
                    "As it was given out."
                },
                "schema": { "type": "string", "minLength": 1 },
            })
        })
        .chain(query)
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(schema) = body {
        operation["requestBody"] = json!({ "required": needs_body, "content": { "application/json": { "schema": schema } } });
    }
    match need {
        Need::Nothing | Need::Own => operation["security"] = json!([]),
        Need::Caller => operation["security"] = json!([{ "token": [] }]),
        Need::Scope(scope) => {
            operation["security"] = json!([{ "token": [] }]);
            operation["x-pact-scope"] = json!(scope);
        }
    }
    operation
}
