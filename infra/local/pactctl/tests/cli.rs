//! The command line from outside, without a stack.
#![expect(clippy::expect_used, reason = "everything here is a test, its helper functions too")]

use std::process::{Command, Output};

fn pactctl(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pactctl"))
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("pactctl starts")
}

#[test]
fn help_teaches_and_wrong_usage_is_exit_code_2() {
    let help = pactctl(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["run", "up", "runs", "agents", "validate", "Examples:", "Exit codes:"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "NO_COLOR is honoured");
    assert_eq!(pactctl(&["fly"]).status.code(), Some(2));
    assert_eq!(pactctl(&["run", "--no-such-option"]).status.code(), Some(2));
}

#[test]
fn every_action_is_listed_and_the_definitions_are_valid() {
    let agents = pactctl(&["agents", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&agents.stdout).expect("JSON");
    let actions: usize = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|a| a["capabilities"].as_array().map(Vec::len))
        .sum();
    assert_eq!(actions, 23);
    let folder = tempfile::tempdir().expect("a folder");
    let valid = pactctl(&["validate", &folder.path().to_string_lossy()]);
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
    std::fs::write(folder.path().join("pact.toml"), "templat = \"default\"\n").expect("a file");
    let wrong = pactctl(&["validate", &folder.path().to_string_lossy()]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("template"));
}
