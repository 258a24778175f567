//! The documentation names the channels that are known, and the protocol their actions.

use pact_notify_agent::channels;

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_says_what_the_registry_of_channels_says() {
    let rows = channels::documentation();
    assert!(!rows.is_empty());
    for row in &rows {
        assert!(README.contains(row.as_str()), "README.md lacks this line:\n{row}");
    }
    let listed = README.lines().filter(|line| line.contains("| `[notify.")).count();
    assert_eq!(listed, rows.len(), "README.md has a channel that is not known");
}

#[test]
fn the_protocol_has_the_action_of_every_channel() {
    assert_eq!(channels::capabilities(), pact_contract::agents::NOTIFY);
}
