//! Who sees pages and their JSON, and what the pages offer them.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    access::{MemoryAccess, Tokens as _},
    testing::Memory,
};
use pact_contract::{
    access::{Scope, TokenRecord},
    ledger::{LedgerEntry, Origin, Standing},
};
use pact_web::access::{API_TOKEN, Doors, NewToken, new_token};
use tower::ServiceExt as _;

use super::support;

const HOST: &str = "pact.example";

struct Bench {
    router: Router,
    doors: Doors,
    access: Arc<MemoryAccess>,
}

fn bench() -> Bench {
    bench_with(|_| {})
}

/// One whose environments are these instead.
fn bench_with(change: impl FnOnce(&mut support::Samples)) -> Bench {
    let (access, memory) = (Arc::<MemoryAccess>::default(), Memory::new());
    memory.set_secret(API_TOKEN.name, "token-of-the-api-0123");
    let doors = Doors::new(Arc::clone(&access) as _, Arc::clone(&access) as _, memory);
    let mut samples = support::samples(Timestamp::now());
    for environment in &mut samples.environments {
        let record = &mut environment.record;
        let Some(before) = &record.previous else { continue };
        record.ledger.deployed(LedgerEntry {
            release: before.release.clone(),
            commit: before.commit.clone(),
            run_id: before.run_id.clone(),
            origin: Origin { branch: None, place: None, on_purpose: None },
            standing: Standing::Good,
            reason: None,
            deployed_at: before.deployed_at,
            judged_at: Some(before.deployed_at),
            serving_since: None,
            served_seconds: 0,
        });
    }
    change(&mut samples);
    let router = pact_dashboard::router(crate::support::sources(samples), doors.clone());
    Bench { router, doors, access }
}

impl Bench {
    async fn token(&self, scopes: &[Scope]) -> String {
        let NewToken { id, hash, text } = new_token().expect("a token");
        let record = TokenRecord {
            schema: TokenRecord::VERSION,
            id,
            hash,
            owner: "Ada <b>".to_owned(),
            scopes: scopes.iter().copied().collect(),
            created_by: "installation".to_owned(),
            made_with: None,
            created_at: Timestamp::now(),
            expires_at: Timestamp::now() + SignedDuration::from_hours(1),
            revoked: None,
        };
        assert!(self.access.put_token(&record, None).await.expect("is written"));
        text
    }

    /// The cookie of a browser that was signed in by a token with these scopes.
    async fn cookie(&self, scopes: &[Scope]) -> String {
        let who = self.doors.by_token(&self.token(scopes).await, "").await.expect("let in");
        let mut headers = HeaderMap::new();
        headers.insert("host", HOST.parse().expect("a host"));
        let session = self.doors.begin(&who, &headers).await.expect("a session");
        let text = session.cookie.to_str().expect("text");
        text.split(';').next().expect("a cookie").to_owned()
    }

    async fn get(
        &self,
        path: &str,
        header: Option<(&str, &str)>,
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path).header("host", HOST);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 10_000_000).await.expect("a body");
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }
}

const PAGES: [&str; 5] = ["/", "/runs?status=failed", "/environments", "/incidents", "/nothing"];
const JSON: [&str; 7] = [
    "/api/runs",
    "/api/runs/none",
    "/api/version",
    "/api/environments",
    "/api/environments/version",
    "/api/incidents/version",
    "/api/nothing",
];

#[tokio::test]
async fn nobody_sees_a_run_and_everybody_sees_where_to_sign_in() {
    let bench = bench();
    for page in PAGES {
        let (status, headers, body) = bench.get(page, None).await;
        assert_eq!(status, 303, "{page}");
        let to = headers["location"].to_str().expect("an address");
        assert!(to.starts_with("/sign-in") && body.is_empty(), "{page}: {to} {body}");
    }
    let (_, headers, _) = bench.get("/runs?status=failed", None).await;
    assert_eq!(headers["location"], "/sign-in?next=%2Fruns%3Fstatus%3Dfailed");
    for path in JSON {
        let (status, headers, body) = bench.get(path, None).await;
        assert_eq!(status, 401, "{path}");
        assert!(
            headers.contains_key("www-authenticate") && body.contains("unauthorized"),
            "{body}"
        );
    }
    for (path, text) in [
        ("/sign-in", "name=\"token\""),
        ("/sign-in?code=abc&next=%2Fruns%2Fa", "value=\"/runs/a\""),
        ("/sign-in?refused=unauthorized", "has no token or signature"),
        ("/assets/app.css", ".card"),
    ] {
        let (status, _, body) = bench.get(path, None).await;
        assert!(status == 200 && body.contains(text), "{path}: {body}");
    }
    let (_, _, body) = bench.get("/sign-in?code=%22%3E%3Cscript%3E&refused=%3Cb%3E", None).await;
    assert!(!body.contains("<script>") && !body.contains("<b>"), "{body}");
}

#[tokio::test]
async fn the_scope_read_is_what_opens_them() {
    let bench = bench();
    for scope in Scope::ALL {
        let bearer = format!("Bearer {}", bench.token(&[scope]).await);
        for path in PAGES.iter().chain(&JSON) {
            let (status, _, body) = bench.get(path, Some(("authorization", &bearer))).await;
            let there = !path.contains("none") && !path.contains("nothing");
            let expected = match (scope, there) {
                (Scope::Read, true) => 200,
                (Scope::Read, false) => 404,
                _ => 403,
            };
            assert_eq!(status, expected, "{scope} {path}: {body}");
        }
    }
    for wrong in ["Bearer pact_wrong", "Basic YTpi"] {
        let (status, _, _) = bench.get("/api/runs", Some(("authorization", wrong))).await;
        assert_eq!(status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn buttons_are_for_those_who_may_press_them() {
    let bench = bench();
    let samples = support::samples(Timestamp::now());
    let asked = samples
        .runs
        .iter()
        .find(|s| !s.run.status.is_final() && s.approvals.iter().any(|a| a.answer.is_none()))
        .expect("a run that waits");
    let ended = samples.runs.iter().find(|s| s.run.status.is_final()).expect("a run that ended");
    let asked = format!("/runs/{}", asked.run.request.run_id);
    let ended = format!("/runs/{}", ended.run.request.run_id);
    let answers = format!("action=\"/v1{asked}/answers\"");
    let cancel = format!("action=\"/v1{asked}/cancel\"");
    let rerun = format!("action=\"/v1{ended}/rerun\"");
    for (scope, page, button) in [
        (Scope::Approve, &asked, &answers),
        (Scope::Operate, &asked, &cancel),
        (Scope::Trigger, &ended, &rerun),
        (Scope::Operate, &"/environments".to_owned(), &"action=\"/v1/rollbacks\"".to_owned()),
        (Scope::Operate, &"/incidents".to_owned(), &"/acknowledge\"".to_owned()),
        (Scope::Operate, &"/incidents".to_owned(), &"/close\"".to_owned()),
    ] {
        let with = bench.cookie(&[Scope::Read, scope]).await;
        let without: Vec<_> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let without = bench.cookie(&without).await;
        let (status, _, body) = bench.get(page, Some(("cookie", &with))).await;
        assert_eq!(status, 200, "{page}");
        assert!(
            body.contains(button.as_str()) && body.contains("name=\"csrf\""),
            "{page}: {button}"
        );
        assert!(body.contains("Ada &lt;b&gt;") && body.contains("Sign out"), "{page}");
        let (_, _, body) = bench.get(page, Some(("cookie", &without))).await;
        assert!(!body.contains(button.as_str()), "{page}: {button}");
        // A program has no use for them, and nothing to prove that a page sends.
        let bearer = format!("Bearer {}", bench.token(&Scope::ALL).await);
        let (_, _, body) = bench.get(page, Some(("authorization", &bearer))).await;
        assert!(!body.contains("<form method=\"post\"") && !body.contains("csrf"), "{page}");
    }
    let cookie = bench.cookie(&Scope::ALL).await;
    let (_, _, body) = bench.get("/?refused=deploying", Some(("cookie", &cookie))).await;
    assert!(body.contains("while it puts a release into effect"), "what was refused is told");
    let (_, _, body) = bench.get("/?refused=%3Cb%3E", Some(("cookie", &cookie))).await;
    assert!(!body.contains("role=\"alert\""));
}

#[tokio::test]
async fn a_wave_goes_back_with_all_the_others_or_alone() {
    let bench = bench_with(|samples| {
        for environment in &mut samples.environments {
            if let Some(current) = &mut environment.record.current {
                current.settings.wave_of = Some("everywhere".parse().expect("a name"));
            }
        }
    });
    let cookie = bench.cookie(&[Scope::Read, Scope::Operate]).await;
    let (_, _, body) = bench.get("/environments", Some(("cookie", &cookie))).await;
    for text in [
        "<option value=\"everywhere\">everywhere: all waves that have this release</option>",
        "<option value=\"production\">production alone</option>",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
}
