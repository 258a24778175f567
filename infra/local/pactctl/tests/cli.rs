//! The command line from outside, without a stack.
#![expect(clippy::expect_used, reason = "everything here is a test, its helper functions too")]
#![expect(clippy::print_stderr, reason = "tests say why they were skipped")]

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
    assert_eq!(actions, 26);
    let folder = tempfile::tempdir().expect("a folder");
    let valid = pactctl(&["validate", &folder.path().to_string_lossy()]);
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
    std::fs::write(folder.path().join("pact.toml"), "templat = \"default\"\n").expect("a file");
    let wrong = pactctl(&["validate", &folder.path().to_string_lossy()]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("template"));
    std::fs::write(folder.path().join(".pact.toml"), "").expect("a file");
    let both = pactctl(&["validate", &folder.path().to_string_lossy()]);
    assert_eq!(both.status.code(), Some(2));
    let said = String::from_utf8_lossy(&both.stderr).into_owned();
    assert!(said.contains("both pact.toml and .pact.toml exist"), "{said}");
}

#[test]
fn every_code_is_explained_and_a_mistyped_one_is_exit_code_2() {
    let list = pactctl(&["explain"]);
    assert!(list.status.success());
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    let json = pactctl(&["explain", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let all = all.as_array().expect("a list");
    assert!(all.len() > 400, "{}", all.len());
    for one in all {
        let code = one["code"].as_str().expect("a code");
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(code)), "{code}");
    }
    for (code, kind) in [
        ("tests-failed", "finding"),
        ("secret-github-token", "finding"),
        ("ERR_TIMEOUT", "error"),
        ("Pact.RolledBack", "ending"),
        ("run_active", "problem"),
    ] {
        let one = pactctl(&["explain", code, "--json"]);
        let one: serde_json::Value = serde_json::from_slice(&one.stdout).expect("JSON");
        assert_eq!((&one["code"], &one["kind"]), (&code.into(), &kind.into()));
        let text = pactctl(&["explain", code]);
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        for said in ["sentence", "remedy"] {
            assert!(text.contains(one[said].as_str().expect("text")), "{text}");
        }
    }
    let wrong = pactctl(&["explain", "test-faild"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("did you mean test-failed or tests-failed?"), "{said}");
    let wrong = pactctl(&["explain", "no-such-thing-in-any-list", "--json"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_push_of_nothing_is_wrong_usage_and_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let repo = folder.path().join("repo");
    let git = |args: &[&str]| {
        Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-C"])
            .arg(&repo)
            .args(args)
            .status()
            .is_ok_and(|s| s.success())
    };
    std::fs::create_dir(&repo).expect("a folder");
    if !git(&["init", "-q"]) {
        eprintln!("skipped: there is no git program");
        return;
    }
    assert!(git(&["commit", "-q", "--allow-empty", "-m", "x"]));
    let data = folder.path().join("data");
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let run = pactctl(&["run", &text(&repo), "--base", "HEAD", "--data", &text(&data)]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("nothing to push") && said.contains("--base"), "{said}");
    assert!(!data.exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let run = Command::new(env!("CARGO_BIN_EXE_pactctl"))
        .args(["agents"])
        .stdout(writer)
        .output()
        .expect("pactctl starts");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && said.is_empty(), "{said}");
}
