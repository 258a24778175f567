//! In a browser: why a run did not end well is seen without scrolling, on a desk and on a phone.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::too_many_arguments,
    reason = "tests and their sample data"
)]

#[path = "../examples/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};

use axum::{
    Router,
    http::header,
    response::{Html, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::Value;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("an instant")
}

/// The program, where one is installed.
fn browser() -> Option<&'static str> {
    let runs = |name: &&str| {
        let mut run = Command::new(name);
        run.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        run.status().is_ok_and(|status| status.success())
    };
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs);
    if found.is_none() {
        eprintln!("skipped: no chromium is installed to measure pages with");
    }
    found
}

/// Shows every page in frames of both sizes, and writes down where what has to be seen ends.
const MEASURE: &str = r#"<!doctype html><meta charset="utf-8"><pre id="out"></pre><script>
const show = (path, width, height) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.width = width; frame.height = height; frame.style.border = "0";
  frame.onload = () => {
    const page = frame.contentDocument;
    const bottom = (id) => page.getElementById(id)?.getBoundingClientRect().bottom ?? 1e9;
    const row = { path, width, height, cause: bottom("cause"), failing: bottom("failing"),
      wide: page.documentElement.scrollWidth > width };
    frame.remove();
    done(row);
  };
  frame.src = path;
  document.body.append(frame);
});
(async () => {
  const rows = [];
  for (const path of PATHS) for (const [w, h] of [[1280, 800], [390, 844]]) rows.push(await show(path, w, h));
  document.getElementById("out").textContent = JSON.stringify(rows);
  document.title = "done";
})();
</script>"#;

/// The dashboard, without what keeps its pages out of frames.
fn measured(runs: Vec<support::Sample>) -> Router {
    let paths: Vec<String> =
        runs.iter().map(|s| format!("/runs/{}", s.run.request.run_id)).collect();
    let measure = MEASURE.replace("PATHS", &serde_json::json!(paths).to_string());
    let mut samples = support::samples(now());
    samples.runs = runs;
    support::doors::signed_in(pact_dashboard::router_at(
        support::sources(samples),
        support::doors::doors(),
        now,
    ))
    .layer(axum::middleware::map_response(|mut answer: Response| async move {
        answer.headers_mut().remove(header::CONTENT_SECURITY_POLICY);
        answer.headers_mut().remove(header::X_FRAME_OPTIONS);
        answer
    }))
    .route("/measure", get(move || async move { Html(measure) }))
}

#[tokio::test(flavor = "multi_thread")]
async fn why_it_failed_is_seen_without_scrolling() {
    let Some(program) = browser() else { return };
    let runs = support::failed(now());
    let expected = runs.len() * 2;
    assert_eq!(expected, 24);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/measure", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move { axum::serve(listener, measured(runs)).await });
    let profile = std::env::temp_dir().join(format!("pact-fold-{}", std::process::id()));
    let folder = profile.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--virtual-time-budget=120000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg(url)
            .stdin(Stdio::null())
            .output()
    });
    let output = output.await.expect("it runs").expect("the browser starts");
    server.abort();
    std::fs::remove_dir_all(&profile).unwrap_or_default();
    let page = String::from_utf8_lossy(&output.stdout);
    let rows = page.split("<pre id=\"out\">").nth(1).and_then(|p| p.split("</pre>").next());
    let rows: Vec<Value> = serde_json::from_str(rows.unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {page}"));
    assert_eq!(rows.len(), expected);
    for row in &rows {
        let number = |key: &str| row[key].as_f64().expect("a number");
        assert!(number("cause") <= number("height"), "the cause is below the fold: {row}");
        assert!(number("failing") <= number("height"), "the lines are below the fold: {row}");
        assert_eq!(row["wide"], false, "it scrolls to the side: {row}");
    }
}
