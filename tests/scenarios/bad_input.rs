//! What cannot be worked with gets one clear message and exit code 2, and leaves nothing behind.

use std::{net::TcpListener, path::Path};

use pact_e2e::{Repo, Stack, wait_for};

fn refused(stack: &Stack, args: &[&str], words: &[&str]) {
    let finished = stack.pactctl(args);
    assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
    assert_eq!(finished.stderr.matches("error:").count(), 1, "{args:?}: {}", finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{args:?}: no {word:?} in {}", finished.stderr);
    }
    assert!(!stack.data().exists(), "{args:?} left a data folder behind");
}

fn run<'a>(path: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    ["run", path.to_str().expect("UTF-8")].into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn sources_that_are_none() {
    let (stack, folder) = (Stack::new(), tempfile::tempdir().expect("a folder"));
    refused(&stack, &run(folder.path(), &[]), &["not a git repository"]);
    refused(&stack, &["run", "/does/not/exist"], &["does not exist"]);
    refused(&stack, &run(Repo::new().path(), &[]), &["no commit"]);
}

#[test]
fn revisions_branches_and_environments_that_are_none() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    refused(&stack, &run(repo.path(), &["--head", "deadbeef"]), &["deadbeef"]);
    refused(&stack, &run(repo.path(), &["--base", "nowhere"]), &["nowhere"]);
    refused(&stack, &run(repo.path(), &["--branch", "a..b"]), &["a..b"]);
    refused(&stack, &run(repo.path(), &["--environment", "moon"]), &["moon", "staging"]);
    refused(&stack, &run(repo.path(), &["--template", "moon"]), &["moon", "default"]);
}

#[test]
fn settings_that_are_malformed_are_named_with_line_and_remedy() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    repo.write("pact.toml", "[gate]\nmin_coverag = 80\n");
    repo.commit("Misspell");
    refused(&stack, &run(repo.path(), &[]), &["pact.toml:2", "min_coverag", "min_coverage"]);
}

#[test]
fn a_port_in_use() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    refused(&stack, &["up", "--port", &port, "--aws-port", "0"], &[&port]);
    refused(&stack, &run(repo.path(), &["--port", &port]), &[&port]);
}

#[test]
fn a_data_folder_that_cannot_be_written() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    // A file where the folder should be: this also holds for root, whom no mode stops.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("a file");
    let data = file.join("data");
    let data = data.to_str().expect("UTF-8");
    refused(&stack, &run(repo.path(), &["--data", data]), &["data folder"]);
}

#[test]
fn a_run_that_there_is_not() {
    let stack = Stack::new();
    refused(&stack, &["runs", "show", "nothing"], &["no data folder"]);
    refused(&stack, &["runs", "list", "--status", "moon"], &["moon", "succeeded"]);
}

#[test]
fn options_that_a_stack_that_is_up_or_a_run_that_goes_on_does_not_have() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    repo.write(
        "pact.toml",
        &format!("{settings}\n[environments.production.approval]\ntimeout_minutes = 5\n"),
    );
    repo.commit("Ask before production");
    let (_up, document) = stack.up();
    let api = document["api"].as_str().expect("an address");
    let refused = |args: &[&str], words: &[&str]| {
        let said = stack.pactctl(&run(repo.path(), args));
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        for word in words {
            assert!(said.stderr.contains(word), "{args:?}: no {word:?} in {}", said.stderr);
        }
    };
    refused(&["--port", "1"], &["a stack is up already", api, "--port"]);
    refused(&["--concurrency", "3"], &["16 instances"]);
    refused(&["--queue", "7"], &["invocations of a function wait"]);
    refused(&["--packages", "."], &["its own program"]);
    let port = api.rsplit(':').next().expect("a port");
    let asks = stack.start(&run(repo.path(), &["--port", port]));
    wait_for("the question", 60, || {
        stack.pactctl(&["runs", "list"]).stdout.contains("waits for an answer").then_some(())
    });
    refused(&["--template", "hotfix"], &["goes on already", "template", "hotfix", "runs watch"]);
    refused(&["--environment", "staging"], &["goes on already", "last environment", "staging"]);
    refused(&["--as-pushed"], &["judged by its own settings"]);
    assert_eq!(stack.pactctl(&["approve"]).code, Some(0));
    assert_eq!(asks.wait().code, Some(0));
}
