//! Waves that an environment has since its last release: a person is asked where its first release could
//! be taken back to nothing only.

use std::time::Duration;

use pact_agent::ports::{Environments as _, Lock};
use pact_contract::{EnvironmentKey, actions::EnvironmentRecord};

use super::*;

/// What is planned for production in two waves of this target, while these environments have a release.
async fn planned_for(kind: &str, deployed: &[&str], on_purpose: bool) -> Value {
    let memory = Memory::new();
    for name in deployed {
        let key: EnvironmentKey = format!("acme/shop#{name}").parse().expect("a key");
        let current = serde_json::from_value(json!({
            "release": "r0", "commit": "1", "run_id": "shop-0",
            "deployed_at": jiff::Timestamp::now(),
            "settings": { "target": { "kind": kind }, "health": [] },
        }));
        let current = Some(current.expect("a release"));
        let record = EnvironmentRecord { current, ..EnvironmentRecord::default() };
        let holder = "shop-0".parse().expect("an id");
        let lock = memory.lock(&key, &holder, Duration::from_secs(60)).await;
        let Ok(Lock::Held { fence }) = lock else { panic!("busy") };
        memory.store(&key, &record, fence).await.expect("is kept");
    }
    let mut settings = settings(&["live-eu", "live-us"]);
    for name in ["live-eu", "live-us"] {
        let wave = settings.environments.get_mut(name).expect("is there");
        wave.tier = Tier::Production;
        wave.settings.wave_of = Some("live".parse().expect("a name"));
        let target = pact_contract::settings::Instance::with(kind, json!({}));
        wave.settings.target = target.expect("an object");
    }
    let on_purpose =
        on_purpose.then(|| json!({ "by": "Ada", "reason": "the old one is switched off" }));
    let run = RunRequest { started_at: jiff::Timestamp::now(), ..run() };
    let mut run = json!(run);
    run["on_purpose"] = json!(on_purpose);
    let asked = json!({ "run": run, "settings": settings });
    let answer = call(&memory, "quality.plan_pipeline", asked).await;
    answer.expect("a plan")["response"].take()
}

fn asks(planned: &Value, wave: &str) -> (bool, bool) {
    let all = planned["output"]["environments"].as_array().expect("a list");
    let one = all.iter().find(|one| one["name"] == wave).expect("is there");
    let why = one["settings"]["no_return"].as_str().unwrap_or_default();
    let said = why.contains(&format!("the first release of {wave} could be taken back to nothing"));
    (!one["settings"]["approval"].is_null(), said)
}

#[tokio::test]
async fn a_person_is_asked_once_before_the_first_release_of_waves_that_has_nothing_to_go_back_to() {
    let planned = planned_for("command", &["live"], false).await;
    assert_eq!(asks(&planned, "live-eu"), (true, true), "{planned:#}");
    assert_eq!(asks(&planned, "live-us"), (false, true), "the word for the first is one for all");
    let summary = planned["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("no way back (r0 of live is in effect"), "{summary}");
    // One of them has a release of its own to go back to.
    let planned = planned_for("command", &["live", "live-eu"], false).await;
    assert_eq!(asks(&planned, "live-eu"), (false, false));
    assert_eq!(asks(&planned, "live-us"), (true, true));
}

#[tokio::test]
async fn nobody_is_asked_where_there_is_something_to_go_back_to_or_nothing_to_lose() {
    for (kind, deployed, on_purpose) in [
        // An alias goes back to what it led to.
        ("lambda", &["live"][..], false),
        ("command", &[], false),
        ("command", &["live", "live-eu", "live-us"], false),
        // A person said so already.
        ("command", &["live"], true),
    ] {
        let planned = planned_for(kind, deployed, on_purpose).await;
        for wave in ["live-eu", "live-us"] {
            assert_eq!(asks(&planned, wave), (false, false), "{kind} {deployed:?}");
        }
    }
}
