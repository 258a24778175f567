//! The single tests of a stage.

use axum::http::StatusCode;

use super::{get, json};

const RUN: &str = "web-shop-3f9c2ab17d-rejected";

fn names(list: &serde_json::Value) -> Vec<&str> {
    let tests = list["tests"].as_array().expect("tests");
    tests.iter().filter_map(|test| test["name"].as_str()).collect()
}

#[tokio::test]
async fn the_tests_of_a_stage_are_listed_the_gravest_first_page_by_page() {
    let (status, page) = get(&format!("/runs/{RUN}/tests")).await;
    assert_eq!(status, StatusCode::OK);
    for text in [
        "Tests of Run unit tests",
        "123 tests of 130 are named",
        "1 failed",
        "1 flaky",
        "cart::sums_up",
        "assertion failed: &lt;b&gt;left&lt;/b&gt; == right",
        "src/cart.rs:12",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "shown are 1 to 50",
        "Further tests",
        "4.2 s",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    let place = |name: &str| page.find(name).expect("on the page");
    assert!(place("cart::sums_up") < place("cart::is_shaky"));
    let further = page.split("href=\"").find(|link| link.contains("from=50")).expect("a link");
    let further = further.split('"').next().expect("an address").replace("&amp;", "&");
    let (_, second) = get(&further).await;
    assert!(second.contains("shown are 51 to 100") && !second.contains("cart::sums_up"));
    // The run's page leads there.
    let (_, run) = get(&format!("/runs/{RUN}")).await;
    assert!(run.contains(&format!("/runs/{RUN}/tests?stage=RunUnitTests")), "{run}");
}

#[tokio::test]
async fn tests_are_filtered_by_status_and_text_and_put_in_order() {
    let list = |query: &str| {
        let path = format!("/api/runs/{RUN}/tests?{query}");
        async move { json(&path).await.1 }
    };
    assert_eq!(names(&list("status=flaky").await), ["cart::is_shaky"]);
    assert_eq!(names(&list("text=CASE_119").await), ["cart::case_119"]);
    assert_eq!(names(&list("text=assertion+failed").await), ["cart::sums_up"]);
    let slowest = list("order=slowest&limit=2").await;
    assert_eq!(names(&slowest), ["<script>alert(1)</script>", "cart::is_shaky"]);
    assert_eq!(slowest["tests"][1]["attempts"], 2);
    assert_eq!((&slowest["found"], &slowest["next"]), (&123.into(), &2.into()));
    assert_eq!(slowest["statuses"]["passed"], 121);
    let (_, page) = get(&format!("/runs/{RUN}/tests?text=nothing+of+the+sort")).await;
    assert!(page.contains("No test matches."), "{page}");
}

#[tokio::test]
async fn the_slowest_and_flakiest_tests_of_a_repository_are_those_of_its_latest_runs() {
    let (status, page) = get("/tests?repository=acme%2Fweb-shop").await;
    assert_eq!(status, StatusCode::OK);
    for text in ["Tests of acme/web-shop", "&lt;script&gt;alert(1)", "4.2 s", "cart::is_shaky"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let (_, list) = json("/api/tests?repository=acme%2Fweb-shop").await;
    assert_eq!(list["slowest"][0]["median_ms"], 4_200, "{list}");
    assert_eq!(list["slowest"].as_array().map(Vec::len), Some(20));
    assert_eq!(list["flakiest"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["flakiest"][0]["flaky"], list["runs"], "{list}");
    let (_, none) = json("/api/tests?repository=acme%2Fnothing").await;
    assert_eq!((&none["runs"], &none["slowest"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(get("/tests").await.0, StatusCode::BAD_REQUEST);
    assert!(
        get("/repositories/acme/web-shop").await.1.contains("/tests?repository=acme%2Fweb-shop")
    );
}

#[tokio::test]
async fn what_is_no_question_or_not_kept_is_refused() {
    for (query, status) in [
        ("status=odd", StatusCode::BAD_REQUEST),
        ("order=odd", StatusCode::BAD_REQUEST),
        ("from=x", StatusCode::BAD_REQUEST),
        ("stage=RunEndToEndTests", StatusCode::NOT_FOUND),
        ("stage=%22%3E", StatusCode::NOT_FOUND),
    ] {
        for path in [format!("/runs/{RUN}/tests?{query}"), format!("/api/runs/{RUN}/tests?{query}")]
        {
            assert_eq!(get(&path).await.0, status, "{path}");
        }
    }
    assert_eq!(get("/runs/none/tests").await.0, StatusCode::NOT_FOUND);
    let long = format!("/runs/{RUN}/tests?text={}", "x".repeat(301));
    assert_eq!(get(&long).await.0, StatusCode::BAD_REQUEST);
}
