//! The dashboard through its routes, over runs in memory.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_arguments,
    reason = "tests and their sample data"
)]

#[path = "pages/entrance.rs"]
mod entrance;
#[path = "pages/others.rs"]
mod others;
#[path = "../examples/support/mod.rs"]
mod support;
#[path = "pages/tested.rs"]
mod tested;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use jiff::Timestamp;
use pact_contract::{RunStatus, StageStatus, cause::cause};
use proptest::prelude::*;
use serde_json::Value;
use support::{Samples, samples};
use tower::ServiceExt as _;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("an instant")
}

async fn get_from(samples: Samples, path: &str) -> (StatusCode, HeaderMap, String) {
    let router = support::doors::signed_in(pact_dashboard::router_at(
        support::sources(samples),
        support::doors::doors(),
        now,
    ));
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 10_000_000).await.expect("a body");
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

async fn get(path: &str) -> (StatusCode, String) {
    let (status, _, body) = get_from(samples(now()), path).await;
    (status, body)
}

async fn json(path: &str) -> (StatusCode, Value) {
    let (status, body) = get(path).await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test]
async fn the_list_shows_every_run_and_filters_them() {
    let (status, all) = get("/").await;
    assert_eq!(status, StatusCode::OK);
    for text in ["Add gift cards", "Round prices", "rolled back", "rejected", "acme/orders-api"] {
        assert!(all.contains(text), "{text}");
    }
    for (query, there, not_there) in [
        ("status=rejected", "Round prices", "Add gift cards"),
        ("repository=acme%2Forders-api&branch=&status=", "Bump the parser", "Round prices"),
        ("author=Ada+Lovelace&text=Round", "Round prices", "Add gift cards"),
        ("environment=production", "Show delivery dates", "Round prices"),
        ("branch=feature%2Fa-rather-long-branch-name-for-the-parser-upgrade", "Bump", "Round"),
    ] {
        let (status, page) = get(&format!("/?{query}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains(there) && !page.contains(not_there), "{query}");
    }
    let (_, page) = get("/?status=cancelled").await;
    assert!(page.contains("No run matches."));
    assert!(page.contains("<option value=\"cancelled\" selected>"));
    let (status, page) = get("/?status=sideways").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("status must be one of queued, running, succeeded"));
    let (status, _) = get(&format!("/?repository={}", "x".repeat(400))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_log_shows_its_end_and_is_read_from_its_beginning() {
    let (_, runs) = json("/api/runs?limit=1").await;
    let run = runs["runs"][0]["request"]["run_id"].as_str().expect("a run").to_owned();
    let here = format!("/runs/{run}/logs/RunUnitTests");
    let (status, page) = get(&here).await;
    assert_eq!(status, StatusCode::OK);
    // What a repository's own programs wrote is text, and asks for nothing.
    assert!(page.contains("test &lt;b&gt;adds&lt;/b&gt; ... ok"), "{page}");
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains(&format!("data-poll=\"/api{here}?from=tail\"")), "{page}");
    let (_, tail) = json(&format!("/api{here}?from=tail")).await;
    let version = tail["version"].as_str().expect("a version");
    assert!(page.contains(&format!("data-version=\"{version}\"")), "{page}");
    let (_, start) = get(&format!("{here}?from=start")).await;
    assert!(start.contains("running 2 tests") && !start.contains("data-poll"), "{start}");
    let next =
        start.split("logs/RunUnitTests?from=").find_map(|rest| rest.split_once("\">Further"));
    let (status, further) = get(&format!("{here}?from={}", next.expect("a next piece").0)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(further.contains("test sums"), "{further}");
    for (path, wanted) in [
        (format!("{here}?from=elsewhere"), StatusCode::BAD_REQUEST),
        (format!("/runs/{run}/logs/PlanPipeline"), StatusCode::NOT_FOUND),
        (format!("/runs/{run}/logs/no%20state"), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(get(&path).await.0, wanted, "{path}");
        assert_eq!(get(&format!("/api{path}")).await.0, wanted, "{path}");
    }
    let (_, page) = get(&format!("/runs/{run}")).await;
    assert!(page.contains(&format!("href=\"{here}\"")), "the run leads there: {page}");
}

#[tokio::test]
async fn pages_of_the_list_follow_each_other() {
    let (_, first) = json("/api/runs?limit=5").await;
    assert_eq!(first["runs"].as_array().map(Vec::len), Some(5));
    let cursor = first["cursor"].as_str().expect("a cursor");
    let (_, second) = json(&format!("/api/runs?limit=5&cursor={cursor}")).await;
    assert_eq!(second["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(second["cursor"], Value::Null);
    let mut many = samples(now());
    for n in 0..40 {
        many.runs.push(support::sample(&format!("r{n}"), RunStatus::Succeeded, "again", now()));
    }
    let (_, _, page) = get_from(many, "/?branch=main").await;
    assert!(page.contains("href=\"/?branch=main&amp;cursor=20\""), "{page}");
}

#[tokio::test]
async fn a_rejected_run_says_why_in_one_sentence() {
    let (status, page) = get("/runs/web-shop-3f9c2ab17d-rejected").await;
    assert_eq!(status, StatusCode::OK);
    for text in [
        "Rejected: 2 of 14 unit tests failed (test_cart, test_total)",
        "test_cart failed",
        "tests/cart.rs:41:5",
        "Would pass: 2 more passing unit tests",
        "To mend it: ",
        "the author of the commit, Ada Lovelace",
        "chain verified",
        "Nothing was deployed.",
        "no SMTP server is configured",
        "1 min 32 s",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("data-poll"), "nothing more will happen");
    // The addresses of the assets change with every edit of theirs.
    let style = page.split("/assets/app.css?v=").nth(1).and_then(|p| p.get(..12)).expect("a style");
    insta::assert_snapshot!(page.replace(style, "VERSION").replace("><", ">\n<"));
}

#[tokio::test]
async fn a_run_on_its_way_is_asked_for_again_until_it_is_settled() {
    let (_, page) = get("/runs/web-shop-3f9c2ab17d-running").await;
    assert!(page.contains("data-poll=\"/api/runs/web-shop-3f9c2ab17d-running/version\""));
    assert!(page.contains("Warm caches"), "a state that the drawing does not know is shown");
    let (_, version) = json("/api/runs/web-shop-3f9c2ab17d-running/version").await;
    let text = version["version"].as_str().expect("a version");
    assert!(page.contains(&format!("data-version=\"{text}\"")));
    assert_eq!(version["settled"], false);
    let mut later = samples(now());
    later.runs[0].stages[4].status = StageStatus::Failed;
    let (_, _, other) = get_from(later, "/api/runs/web-shop-3f9c2ab17d-running/version").await;
    assert!(!other.contains(text), "the version follows the stages");
    let (_, version) = json("/api/runs/web-shop-3f9c2ab17d-rejected/version").await;
    assert_eq!(version["settled"], true);
}

#[tokio::test]
async fn the_id_that_answers_an_approval_is_nowhere() {
    for run in ["waiting", "succeeded"] {
        let (_, page) = get(&format!("/runs/web-shop-3f9c2ab17d-{run}")).await;
        assert!(page.contains("to production?"));
        assert!(!page.contains("sample-callback-id"));
        let (_, json) = get(&format!("/api/runs/web-shop-3f9c2ab17d-{run}")).await;
        assert!(json.contains("to production?"));
        assert!(!json.contains("sample-callback-id"));
    }
    let (_, page) = get("/runs/web-shop-3f9c2ab17d-waiting").await;
    assert!(page.contains("Waiting for a person: Deploy"));
}

#[tokio::test]
async fn hostile_texts_stay_texts() {
    for (path, expected) in [
        ("/", StatusCode::OK),
        ("/runs/hostile", StatusCode::OK),
        ("/?branch=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", StatusCode::OK),
        ("/?repository=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", StatusCode::BAD_REQUEST),
    ] {
        let (status, page) = get(path).await;
        assert_eq!(status, expected, "{path}");
        assert!(!page.contains("<script>"), "{path}");
        assert!(!page.contains("<img src=x"), "{path}");
        assert!(!page.contains("href=\"javascript:"), "{path}");
        assert!(!page.contains(" style=\"") && !page.contains(" onclick"), "{path}");
        assert!(page.len() < 200_000, "{path}");
    }
    let (_, page) = get("/runs/hostile").await;
    assert!(page.contains("&lt;script&gt;"));
}

#[tokio::test]
async fn a_log_that_was_altered_is_called_broken() {
    let mut altered = samples(now());
    altered.runs[2].log[1].actor = "mallory".to_owned();
    let (_, _, page) = get_from(altered, "/runs/web-shop-3f9c2ab17d-rejected").await;
    assert!(page.contains("chain broken"));
    assert!(page.contains("entry 2 was altered after it was written"));
}

#[tokio::test]
async fn what_there_is_not_is_said_in_the_form_that_was_asked_for() {
    for path in ["/nowhere", "/runs/none", "/runs/%3Cscript%3E", "/runs/"] {
        let (status, page) = get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.contains("<h1>404 Not Found</h1>"), "{path}");
    }
    for path in ["/api/nowhere", "/api/runs/none", "/api/runs/none/version"] {
        let (status, answer) = json(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer["code"], "not_found");
    }
    let (status, answer) = json("/api/runs?limit=many").await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::BAD_REQUEST, &Value::from("invalid_request"))
    );
}

#[tokio::test]
async fn a_cursor_that_no_page_ended_with_is_the_callers_mistake() {
    for path in ["/?cursor=W10", "/api/runs?cursor=W10", "/api/version?cursor=W10"] {
        let (status, answer) = get(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.contains("no such cursor"), "{answer}");
    }
}

#[tokio::test]
async fn head_answers_like_get_and_other_methods_are_refused() {
    let answer = async |method: &str, path: &str| {
        let router = support::doors::signed_in(pact_dashboard::router_at(
            support::sources(samples(now())),
            support::doors::doors(),
            now,
        ));
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        let answer = router.oneshot(request.expect("a request")).await.expect("an answer");
        let status = answer.status();
        (status, to_bytes(answer.into_body(), 10_000_000).await.expect("a body"))
    };
    for path in ["/", "/environments", "/api/runs", "/assets/app.css"] {
        let (status, body) = answer("HEAD", path).await;
        assert_eq!((status, body.len()), (StatusCode::OK, 0), "{path}");
        let (status, body) = answer("POST", path).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(String::from_utf8_lossy(&body).contains("does not take this method"), "{path}");
    }
}

#[test]
fn no_event_is_a_fault_of_the_dashboard() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let paths = &[
        "/",
        "/runs",
        "/runs/web-shop-3f9c2ab17d-rejected",
        "/environments",
        "/api/runs",
        "/api/runs/web-shop-3f9c2ab17d-rejected",
        "/api/runs/x/version",
        "/api/version",
        "/api/environments",
        "/api/environments/version",
        "/incidents",
        "/incidents?cursor=0",
        "/api/incidents/version",
        "/assets/app.css",
    ];
    proptest!(|(event in pact_web::testing::events(paths))| {
        let router = support::doors::signed_in(pact_dashboard::router_at(support::sources(samples(now())), support::doors::doors(), now));
        let event = lambda_runtime::LambdaEvent::new(event, lambda_runtime::Context::default());
        let answer = runtime.block_on(pact_web::answer(router, event)).expect("an answer");
        let status = answer["statusCode"].as_u64().expect("a status");
        prop_assert!((200..500).contains(&status), "{answer}");
    });
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_without_its_address() {
    for path in ["/", "/environments", "/runs/x", "/api/runs"] {
        let mut broken = samples(now());
        broken.broken = true;
        let (status, _, page) = get_from(broken, path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(page.contains("the run store did not answer") && !page.contains("secret-host"));
    }
}

#[tokio::test]
async fn every_answer_is_guarded() {
    for path in ["/", "/nowhere", "/api/runs", "/assets/app.js", "/runs/hostile"] {
        let (_, headers, _) = get_from(samples(now()), path).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "same-origin");
        assert!(headers.contains_key(header::CACHE_CONTROL), "{path}");
    }
    let (_, page) = get("/").await;
    let style = page.split("href=\"").find(|p| p.starts_with("/assets/app.css")).expect("a style");
    let style = style.split('"').next().expect("an address");
    let (status, headers, _) = get_from(samples(now()), style).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
    let (_, headers, _) = get_from(samples(now()), "/assets/app.css?v=old").await;
    assert!(!headers[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
}

#[tokio::test]
async fn environments_say_what_is_deployed_where() {
    let (status, page) = get("/environments").await;
    assert_eq!(status, StatusCode::OK);
    for text in [
        "acme/web-shop",
        "production",
        "20261123-102030-3f9c2ab17d",
        "2 hours ago",
        "empty",
        "unhealthy",
        "connection refused",
        "staging is 2 pushes ahead",
        "asks for approval",
        "production takes no release until",
        "the books are closed",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let (_, answer) = json("/api/environments").await;
    assert_eq!(answer["environments"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn the_whole_run_is_there_as_json() {
    let (_, answer) = json("/api/runs/web-shop-3f9c2ab17d-succeeded").await;
    assert_eq!(answer["run"]["status"], "succeeded");
    assert_eq!(answer["log"]["verified"], true);
    assert_eq!(answer["stages"][0]["state"], "AnalyzeChanges");
    assert_eq!(answer["notifications"][0]["record"]["channel"], "slack");
}

#[tokio::test]
async fn a_run_on_aws_links_to_its_execution_and_a_local_one_does_not() {
    let mut samples = samples(now());
    let run = &mut samples.runs[0].run;
    let id = run.request.run_id.clone();
    let local = format!("/runs/{id}");
    let (_, _, page) = get_from(self::samples(now()), &local).await;
    assert!(!page.contains("Step Functions"));
    run.execution_arn = format!("arn:aws:states:eu-west-1:123456789012:execution:pact:{id}");
    let href = format!(
        "href=\"https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1\
         #/v2/executions/details/{}\"",
        run.execution_arn
    );
    let (_, _, page) = get_from(samples, &local).await;
    assert!(page.contains(&href), "{page}");
}

#[tokio::test]
async fn the_page_the_list_and_the_json_say_the_same_cause() {
    let runs = support::failed(now());
    assert_eq!(runs.len(), 12);
    for failed in runs {
        let get = async |path: &str| {
            let mut all = samples(now());
            all.runs.push(failed.clone());
            get_from(all, path).await.2
        };
        let cause = cause(&failed.run, &failed.stages).expect("a cause");
        let id = &failed.run.request.run_id;
        let answer: Value =
            serde_json::from_str(&get(&format!("/api/runs/{id}")).await).expect("JSON");
        assert_eq!(answer["cause"]["sentence"], Value::from(cause.sentence.as_str()), "{id}");
        let page = get(&format!("/runs/{id}")).await;
        let first = page.find(&escaped(&cause.sentence)).expect("the sentence");
        let before = |text: &str| page.find(text).is_none_or(|at| first < at);
        assert!(before("id=\"graph\"") && before("<dl") && before("id=\"decision\""), "{id}");
        for line in cause.excerpt.lines.iter().chain(&cause.remedy).chain([&cause.who]) {
            assert!(page.contains(&escaped(line)), "{id}: {line}");
        }
        let listed = pact_contract::cause::cause(&failed.run, &[]).expect("a cause").sentence;
        assert!(get("/").await.contains(&escaped(&listed)), "{listed}");
    }
}

#[tokio::test]
async fn a_release_that_was_taken_back_does_not_show_that_it_was_let_go_first() {
    let (_, page) = get("/runs/web-shop-3f9c2ab17d-back").await;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
    let decided = at("What was decided, and why");
    let section = &page[decided..at("Timeline")];
    let verdict = section.find("rolled back").expect("the verdict that counts");
    let gate = section.find("Before that, the gate").expect("the gate");
    assert!(verdict < gate, "{section}");
    let chip = &section[gate..gate + 60];
    assert!(chip.contains("chip skip") && section[gate..].contains("promote"), "{section}");
}

#[tokio::test]
async fn pages_are_small_for_who_takes_compressed_ones_and_plain_for_everybody_else() {
    let mut paths: Vec<String> = samples(now())
        .runs
        .iter()
        .chain(&support::failed(now()))
        .map(|s| format!("/runs/{}", s.run.request.run_id))
        .collect();
    paths.extend(["/".to_owned(), "/environments".to_owned()]);
    for path in paths {
        let mut all = samples(now());
        all.runs.extend(support::failed(now()));
        let router = support::doors::signed_in(pact_dashboard::router_at(
            support::sources(all),
            support::doors::doors(),
            now,
        ));
        let request = Request::get(&path).header("accept-encoding", "br, gzip").body(Body::empty());
        let answer = router.oneshot(request.expect("a request")).await.expect("an answer");
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip", "{path}");
        assert_eq!(answer.headers()[header::VARY], "accept-encoding", "{path}");
        let packed = to_bytes(answer.into_body(), 10_000_000).await.expect("a body");
        assert!(packed.len() < 40_000, "{path}: {} bytes", packed.len());
        let mut plain = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed), &mut plain)
            .expect("a page");
        assert!(plain.ends_with("</html>"), "{path}");
    }
    let (_, headers, page) = get_from(samples(now()), "/").await;
    assert!(!headers.contains_key(header::CONTENT_ENCODING) && page.ends_with("</html>"));
}

#[tokio::test]
async fn a_compressed_page_passes_through_the_function_whole() {
    let event = serde_json::json!({
        "version": "2.0", "rawPath": "/", "rawQueryString": "",
        "headers": { "accept-encoding": "gzip, deflate" },
        "requestContext": { "http": { "method": "GET", "path": "/" }, "timeEpoch": 0 },
        "isBase64Encoded": false,
    });
    let router = support::doors::signed_in(pact_dashboard::router_at(
        support::sources(samples(now())),
        support::doors::doors(),
        now,
    ));
    let event = lambda_runtime::LambdaEvent::new(event, lambda_runtime::Context::default());
    let answer = pact_web::answer(router, event).await.expect("an answer");
    assert_eq!(answer["isBase64Encoded"], true);
    // What gzip begins with, in base64.
    assert!(answer["body"].as_str().is_some_and(|body| body.starts_with("H4sI")));
}

#[tokio::test]
async fn lists_ask_for_changes_also_when_nothing_runs_and_questions_stand_on_top() {
    let mut quiet = samples(now());
    quiet.runs.retain(|s| s.run.status != RunStatus::Running);
    let (_, _, page) = get_from(quiet, "/").await;
    assert!(page.contains("data-poll=\"/api/version?\"") && page.contains("data-every=\"4000\""));
    assert!(!page.contains("pactctl approve"));
    let (_, page) = get("/").await;
    let question = page.find("pactctl approve web-shop-3f9c2ab17d-waiting").expect("how to answer");
    assert!(question < page.find("<table").expect("the runs"));
    assert!(!page.contains("sample-callback-id"));
    let version = async |samples: Samples, path: &str| {
        let (_, _, text) = get_from(samples, path).await;
        serde_json::from_str::<Value>(&text).expect("JSON")["version"].clone()
    };
    let mut answered = samples(now());
    for sample in &mut answered.runs {
        sample.approvals.clear();
    }
    let path = "/api/version";
    assert_ne!(version(samples(now()), path).await, version(answered, path).await);
    let (_, page) = get("/environments").await;
    assert!(page.contains("data-poll=\"/api/environments/version\""));
    let path = "/api/environments/version";
    let before = version(samples(now()), path).await;
    assert!(page.contains(&format!("data-version={before}")), "{before}");
    let mut other = samples(now());
    other.environments[0].record.current = None;
    assert_ne!(version(other, path).await, before);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[tokio::test]
async fn the_incidents_say_what_is_ill_since_when_and_who_looks_after_it() {
    let (status, page) = get("/incidents").await;
    assert_eq!(status, StatusCode::OK);
    let (open, over) = page.split_once("<h2>Over</h2>").expect("both kinds");
    assert!(open.contains("acme/web-shop production and 1 other environment: it is not well"));
    assert!(open.contains("GET /health answers 500: &lt;b&gt;no&lt;/b&gt; database"), "escaped");
    assert!(open.contains("Nobody looks after it; 1 channel told so far"), "{open}");
    assert!(over.contains("acme/web-shop production: nobody knows how it is"));
    assert!(over.contains("looked after it from") && over.contains("the metrics server restarts"));
    let (_, answer) = json("/api/incidents/version").await;
    assert_eq!(answer["version"].as_str().map(str::len), Some(16), "{answer}");
    assert!(page.contains("data-poll=\"/api/incidents/version\""));
    // An older page does not change by itself.
    let (_, older) = get("/incidents?cursor=x").await;
    assert!(!older.contains("data-poll"));
}

#[tokio::test]
async fn what_was_watched_is_a_chart_beside_what_was_before_and_its_numbers() {
    let (_, page) = get("/runs/web-shop-3f9c2ab17d-succeeded").await;
    let (_, watched) = page.split_once("id=\"watched\"").expect("a chart");
    let label = "Latency in production, request by request: before with a median of 4.0 ms, then the \
                 release with a median of 5.0 ms and up to 11.0 ms";
    assert!(watched.contains(label), "{watched}");
    assert_eq!(watched.matches("<path class=\"median").count(), 2);
    assert!(watched.contains("<td role=\"cell\" data-label=\"Requests\" class=\"num\">100</td>"));
    // Where nothing was measured there is none.
    let (_, page) = get("/runs/web-shop-3f9c2ab17d-rejected").await;
    assert!(!page.contains("id=\"watched\""));
}
