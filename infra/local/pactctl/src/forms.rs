//! The forms of the instances that the agents have, held against the committed file: only this
//! program knows all agents, and only `pact-config` checks a whole `pact.toml`.

use pact_config::form::{Forms, PUBLISHED, Seam};

/// The forms as the agents' registries have them.
fn composed() -> Forms {
    Forms::default()
        .with(Seam::Target, pact_deploy_agent::targets::forms())
        .with(Seam::Runner, pact_test_agent::runners::forms())
        .with(Seam::Source, pact_monitor_agent::sources::forms())
        .with(Seam::Channel, pact_notify_agent::channels::forms())
}

/// `PACT_RENEW=1 cargo test --package pactctl forms` writes the file.
#[test]
fn the_published_forms_are_those_of_the_agents() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let file = root.join(PUBLISHED);
    let text = composed().to_json().expect("serialises");
    if std::env::var_os("PACT_RENEW").is_some() {
        std::fs::write(&file, text).expect("is written");
        return;
    }
    let published = std::fs::read_to_string(&file).expect("is there");
    assert_eq!(
        published, text,
        "{PUBLISHED} is not what the agents' registries say; \
         renew it: PACT_RENEW=1 cargo test --package pactctl forms"
    );
}
