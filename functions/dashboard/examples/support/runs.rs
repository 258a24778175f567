//! The sample runs.

use super::*;

/// A run that was rejected, with failing tests.
pub(crate) fn rejected(now: Timestamp) -> Sample {
    let started = before(now, 2_400);
    let mut sample = sample(
        "web-shop-3f9c2ab17d-rejected",
        RunStatus::Rejected,
        "Round prices before the discount",
        started,
    )
    .verified(StageStatus::Failed, "2 of 14 unit tests failed (test_cart, test_total)")
    .stage(
        "EvaluateGate",
        "quality-agent",
        "quality.evaluate_gate",
        StageStatus::Failed,
        40,
        "Rejected: 2 of 14 unit tests failed (test_cart, test_total)",
        json!(decision(Verdict::Reject)),
    )
    .ended(
        "Rejected: 2 of 14 unit tests failed (test_cart, test_total)",
        Some(decision(Verdict::Reject)),
        Vec::new(),
    );
    sample.notifications = vec![
        told("slack", true, "posted to #releases", now),
        told("email", false, "no SMTP server is configured for this installation", now),
    ];
    sample
}

/// A run that went all the way.
pub(crate) fn succeeded(now: Timestamp) -> Sample {
    use StageStatus::Passed;
    let release = "20261123-102030-3f9c2ab17d";
    let started = before(now, 9_000);
    let mut sample = sample("web-shop-3f9c2ab17d-succeeded", RunStatus::Succeeded, "Show delivery dates in the cart", started)
        .verified(Passed, "14 unit tests passed")
        .staged()
        .stage("InspectEnvironment.production", "deploy-agent", "deploy.check_status", Passed, 70, "20261122-161500-77aa01c2d3 is current", Value::Null)
        .stage("TrackBaseline.production", "monitor-agent", "monitor.track_metrics", Passed, 5_000, "50 requests, none failed, 95th percentile 9 ms", measured(50, 4.0, 9.0))
        .stage("Deploy.production", "deploy-agent", "deploy.to_production", Passed, 3_000, "20261123-102030-3f9c2ab17d is live in production", json!(deployment("production", release, DeploymentStatus::Live)))
        .stage("CheckStatus.production", "deploy-agent", "deploy.check_status", Passed, 60, "20261123-102030-3f9c2ab17d is current", Value::Null)
        .stage("CheckHealth.production", "monitor-agent", "monitor.check_health", Passed, 650, "2 of 2 probes are healthy", Value::Null)
        .stage("TrackMetrics.production", "monitor-agent", "monitor.track_metrics", Passed, 10_000, "100 requests, none failed, 95th percentile 11 ms", measured(100, 5.0, 11.0))
        .stage("DetectAnomalies.production", "monitor-agent", "monitor.detect_anomalies", Passed, 20, "nothing is worse than before the release", Value::Null)
        .stage("JudgeRelease.production", "quality-agent", "quality.judge_release", Passed, 20, "The release stays: 100 requests, 0 of them failed, 95th percentile 11 ms", json!({ "verdict": "keep", "reasons": [{ "rule": "error-rate", "outcome": "met", "required": true, "value": 0.0, "threshold": 5.0, "message": "0.0 % of 100 requests failed; at most 5 %" }] }))
        .stage("NotifySlack", "notify-agent", "notify.slack_team", Passed, 300, "posted to #releases", Value::Null)
        .ended("Promoted and healthy: 20261123-102030-3f9c2ab17d is live in production", Some(decision(Verdict::Promote)), vec![
            deployment("staging", release, DeploymentStatus::Live),
            deployment("production", release, DeploymentStatus::Live),
        ]);
    sample.approvals = vec![ApprovalRecord {
        schema: SchemaVersion::FIRST,
        callback: "sample-callback-id".to_owned(),
        run_id: sample.run.request.run_id.clone(),
        state: "AwaitApproval.production".parse().expect("a name"),
        question: "Deploy 20261123-102030-3f9c2ab17d of acme/web-shop to production?".to_owned(),
        expires_at: before(now, -600),
        people: 1,
        agreed: Vec::new(),
        answer: Some(ApprovalAnswer {
            approved: true,
            by: "grace".to_owned(),
            owner: "grace".to_owned(),
            reason: Some("looks good on staging".to_owned()),
            at: before(now, 8_950),
        }),
    }];
    sample.notifications = vec![
        told("slack", true, "posted to #releases", now),
        told("jira", false, "no issue key in the commit message", now),
    ];
    sample
}

/// A run that was taken back.
pub(crate) fn rolled_back(now: Timestamp) -> Sample {
    use StageStatus::{Failed, Passed};
    let release = "20261123-102030-3f9c2ab17d";
    sample(
        "web-shop-3f9c2ab17d-back",
        RunStatus::RolledBack,
        "Cache the product list",
        before(now, 86_000),
    )
    .verified(Passed, "14 unit tests passed")
    .staged()
    .stage(
        "Deploy.production",
        "deploy-agent",
        "deploy.to_production",
        Passed,
        3_000,
        "20261123-102030-3f9c2ab17d is live in production",
        json!(deployment("production", release, DeploymentStatus::Live)),
    )
    .stage(
        "CheckHealth.production",
        "monitor-agent",
        "monitor.check_health",
        Failed,
        30_000,
        "1 of 2 probes is healthy: /products answered 500",
        Value::Null,
    )
    .findings(vec![
        Finding::new(
            codes::HEALTH_CHECK_FAILED,
            Severity::Critical,
            "GET /products answered 500 instead of 200, 42 times",
        )
        .remedy("look at the service's log")
        .evidence("thread 'main' panicked at src/cache.rs:12"),
    ])
    .stage(
        "Rollback.production",
        "deploy-agent",
        "deploy.rollback",
        Passed,
        900,
        "20261122-161500-77aa01c2d3 is current again",
        json!(deployment("production", release, DeploymentStatus::RolledBack)),
    )
    .stage(
        "CheckRestored.production",
        "monitor-agent",
        "monitor.check_health",
        Passed,
        650,
        "2 of 2 probes are healthy",
        Value::Null,
    )
    .ended(
        "Taken back: /products answered 500; 20261122-161500-77aa01c2d3 answers again",
        Some(decision(Verdict::Promote)),
        vec![
            deployment("staging", release, DeploymentStatus::Live),
            deployment("production", release, DeploymentStatus::RolledBack),
        ],
    )
}

/// A run that is on its way, with a state that the drawing does not know.
pub(crate) fn running(now: Timestamp) -> Sample {
    sample("web-shop-3f9c2ab17d-running", RunStatus::Running, "Add gift cards", before(now, 6))
        .verified(StageStatus::Passed, "14 unit tests passed")
        .staged()
        .stage(
            "WarmCaches",
            "deploy-agent",
            "deploy.check_status",
            StageStatus::Passed,
            4_000,
            "caches are warm",
            Value::Null,
        )
}

/// A run that waits for a person.
pub(crate) fn waiting(now: Timestamp) -> Sample {
    let mut sample = sample(
        "web-shop-3f9c2ab17d-waiting",
        RunStatus::Running,
        "Raise the order limit",
        before(now, 400),
    )
    .verified(StageStatus::Passed, "14 unit tests passed")
    .staged();
    sample.approvals = vec![ApprovalRecord {
        schema: SchemaVersion::FIRST,
        callback: "sample-callback-id".to_owned(),
        run_id: sample.run.request.run_id.clone(),
        state: "AwaitApproval.production".parse().expect("a name"),
        question: "Deploy 20261123-102030-3f9c2ab17d of acme/web-shop to production?".to_owned(),
        expires_at: before(now, -1_800),
        people: 1,
        agreed: Vec::new(),
        answer: None,
    }];
    sample
}

/// A run whose every text is hostile.
pub(crate) fn hostile(now: Timestamp) -> Sample {
    const BAD: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let mut sample = sample("hostile", RunStatus::Failed, BAD, before(now, 200_000))
        .stage("RunUnitTests", BAD, BAD, StageStatus::Error, 10, BAD, json!({ BAD: BAD }))
        .findings(vec![
            Finding::new(codes::TEST_FAILED, Severity::High, BAD)
                .at(BAD, Some(1), None)
                .remedy(BAD)
                .evidence(BAD),
        ])
        .stage(
            "Unheard.Of",
            BAD,
            BAD,
            StageStatus::Failed,
            10,
            &"long ".repeat(2_000),
            Value::Null,
        );
    sample.run.request.branch = BAD.to_owned();
    sample.run.request.author = Some(BAD.to_owned());
    sample.run.request.trigger.actor = Some(BAD.to_owned());
    let mut bad = decision(Verdict::Hold);
    bad.summary = BAD.to_owned();
    bad.reasons[0].message = BAD.to_owned();
    bad.reasons[0].value = json!(BAD);
    let deployment = Deployment {
        url: Some("javascript:alert(3)".to_owned()),
        ..deployment("production", "r1", DeploymentStatus::Failed)
    };
    sample = sample.ended(BAD, Some(bad), vec![deployment]);
    sample.notifications = vec![told(BAD, false, BAD, now)];
    sample
}

/// A run of each kind that did not end well, with its log.
pub(crate) fn failed(now: Timestamp) -> Vec<Sample> {
    let runs = pact_contract::testing::failed_runs(before(now, 100_000));
    let with_parts = |failed: pact_contract::testing::Sample| {
        let mut sample = of(&failed.run);
        for stage in &failed.stages {
            sample =
                sample.entry(stage.started_at, "pact.pipeline", LogKind::Intent, &stage.action);
            sample = sample.entry(stage.started_at, &stage.agent, LogKind::Response, &stage.action);
        }
        Sample { stages: failed.stages, ..sample }
    };
    runs.into_iter().map(with_parts).collect()
}

/// What was measured: so many requests, about as long as this, the slowest of them now and then.
fn measured(requests: u32, median: f64, slowest: f64) -> Value {
    let latency = |n: u32| {
        let spread = f64::from(n * 37 % 19) / 19.0;
        if n % 23 == 7 { slowest } else { median * (0.8 + 0.4 * spread) }
    };
    let latencies: Vec<f64> = (0..requests).map(latency).collect();
    json!({
        "requests": requests, "errors": 0, "error_rate": 0.0, "p50_ms": median,
        "p95_ms": slowest * 0.9, "p99_ms": slowest, "latencies_ms": latencies,
    })
}
