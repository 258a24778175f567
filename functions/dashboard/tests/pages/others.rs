//! The page of a repository, and what other programs show of runs.

use axum::http::{StatusCode, header};
use pact_contract::RunStatus;

use super::{get, get_from, json, now, samples, support};

#[tokio::test]
async fn a_repository_has_a_page_with_its_results_environments_and_what_fails() {
    let (status, page) = get("/repositories/acme/web-shop").await;
    assert_eq!(status, StatusCode::OK);
    for text in [
        "<h1>acme/web-shop</h1>",
        "of the last",
        "What fails most: ",
        "tests (",
        "Add gift cards",
        "Deploy 20261123-102030-3f9c2ab17d of acme/web-shop to production?",
        "production",
        "data-poll=\"/api/version?repository=acme%2Fweb-shop\"",
        "/feed?repository=acme%2Fweb-shop",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("acme/orders-api"), "{page}");
    let version = page.split("data-version=\"").nth(1).and_then(|rest| rest.split('"').next());
    let (_, asked) = get("/api/version?repository=acme%2Fweb-shop").await;
    assert!(asked.contains(version.expect("a version")), "the page is as new as what it asks for");
    // The list leads there.
    assert!(get("/").await.1.contains("href=\"/repositories/acme/orders-api\""));
    for unknown in ["/repositories/acme/nothing", "/repositories/%22%3E", "/repositories/a//b"] {
        assert_eq!(get(unknown).await.0, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn a_feed_is_xml_with_an_entry_for_each_run_of_the_list() {
    let mut with_odd = samples(now());
    let message = "<b>\u{0}\u{b}\u{ffff}\u{202e} & odd";
    with_odd.runs.insert(0, support::sample("odd", RunStatus::Succeeded, message, now()));
    let (status, headers, feed) = get_from(with_odd, "/feed?repository=acme%2Fweb-shop").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "application/atom+xml; charset=utf-8");
    let mut reader = quick_xml::Reader::from_str(&feed);
    let (mut entries, mut depth) = (0, 0);
    loop {
        match reader.read_event().expect("well-formed XML") {
            quick_xml::events::Event::Start(tag) => {
                depth += 1;
                entries += usize::from(tag.name().as_ref() == "entry");
            }
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert!(entries > 4 && feed.contains("urn:pact:run:odd:succeeded"), "{entries}: {feed}");
    assert!(feed.contains("Unit tests: 2 of 14 unit tests failed"), "{feed}");
    let allowed = |c: char| c == '\n' || (!c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    assert!(feed.chars().all(allowed) && !feed.contains("<b>"), "{feed}");
    let (status, _) = get("/feed?status=sideways").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_badge_shows_the_latest_result_that_there_is() {
    for (query, word) in [
        // What runs has no result yet.
        ("repository=acme%2Fweb-shop", "rejected"),
        ("repository=acme%2Forders-api", "held"),
        ("repository=acme%2Fnothing", "no result"),
    ] {
        let (status, headers, badge) =
            get_from(samples(now()), &format!("/badge.svg?{query}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "image/svg+xml");
        assert!(badge.contains(&format!("PACT: {word}")), "{badge}");
    }
}

#[tokio::test]
async fn durations_name_each_stage_and_are_there_as_json() {
    let (status, page) = get("/durations?repository=acme%2Fweb-shop").await;
    assert_eq!(status, StatusCode::OK);
    for text in
        ["Where the time goes", "Run unit tests", "Half took at most", "What a run costs on AWS"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    let (_, answer) = json("/api/durations?repository=acme%2Fweb-shop").await;
    assert!(answer["stages"].as_array().is_some_and(|stages| stages.len() > 3), "{answer}");
    let costs = answer["costs"].as_array().expect("costs");
    assert!(costs.iter().all(|one| one["cost"]["conducting_usd"].as_f64() > Some(0.0)), "{answer}");
    assert_eq!(costs.len(), answer["runs"].as_array().map_or(0, Vec::len));
    assert_eq!(get("/durations").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn insights_name_the_four_measures_and_what_they_are_of() {
    let address = "/insights?repository=acme%2Fweb-shop&environment=production";
    let (status, page) = get(address).await;
    assert_eq!(status, StatusCode::OK);
    for text in [
        "Deployment frequency",
        "Change lead time",
        "Change fail rate",
        "Failed deployment recovery time",
        "that began to deploy there",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let (_, found) = super::json(&format!("/api{address}")).await;
    // One is in effect, and one was taken back.
    assert_eq!(found["deployments"], 2, "{found}");
    assert_eq!(found["change_fail_percent"], 50.0, "{found}");
    assert!(page.contains("50 %"), "{page}");
    assert_eq!(get("/insights?repository=acme%2Fweb-shop").await.0, StatusCode::BAD_REQUEST);
}
