//! Every suite of a commit counts, wherever it lies and whatever runs it.

use pact_e2e::{Repo, Stack};
use serde_json::Value;

use crate::{nothing_deployed, stage, text};

/// A repository that would be deployed to staging.
fn deployable() -> Repo {
    let repo = Repo::new();
    repo.write("README", "a service\n");
    repo.write("pact.toml", STAGING);
    repo
}

const STAGING: &str = "[environments.staging]\ntarget = \"directory\"\n\
                       [environments.staging.service]\ncommand = [\"python3\", \"serve.py\"]\n";
const PACKAGE: &str = "{\"name\":\"web\",\"scripts\":{\"test\":\"node --test\"}}";
const BAD: &str = "const t=require('node:test');const a=require('node:assert');\n\
                   t('adds',()=>{a.strictEqual(1,2)})\n";
const CARGO: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn unit(report: &Value) -> &Value {
    stage(report, "RunUnitTests")
}

#[test]
fn failing_suites_below_the_root_reject_the_commit() {
    if !installed("npm") {
        return;
    }
    let (repo, stack) = (deployable(), Stack::new());
    repo.commit("Base");
    repo.write("web/package.json", PACKAGE).write("web/a.test.js", BAD);
    repo.write("api/Cargo.toml", CARGO).write("api/src/lib.rs", "#[test] fn a() { panic!() }\n");
    repo.commit("Break both");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    assert_eq!(unit(&report)["output"]["failed"], 2, "{report:#}");
    let cause = text(&report, "/cause/sentence");
    assert!(cause.starts_with("Unit tests: "), "{cause}");
    nothing_deployed(&report);
}

#[test]
fn of_two_tools_at_the_root_both_are_run() {
    if !installed("npm") {
        return;
    }
    let (repo, stack) = (deployable(), Stack::new());
    repo.commit("Base");
    repo.write("Cargo.toml", CARGO).write("src/lib.rs", "#[test] fn a() {}\n");
    repo.write("src/b.rs", "").write("package.json", PACKAGE).write("a.test.js", BAD);
    repo.commit("Break the smaller one");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let output = &unit(&report)["output"];
    assert_eq!((&output["total"], &output["failed"]), (&2.into(), &1.into()), "{report:#}");
    nothing_deployed(&report);
}

/// The change deletes every test that there was: the run does not take that for having none.
#[test]
fn deleted_tests_hold_the_run_and_are_named() {
    let (repo, stack) = (deployable(), Stack::new());
    repo.write("app.py", "x = 1\n");
    repo.write(
        "tests/test_a.py",
        "import unittest\n\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        pass\n",
    );
    repo.commit("Base");
    repo.git(&["rm", "-rq", "tests"]);
    repo.commit("Delete the tests");
    // No run of the base is known: the change itself says it.
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "held"), "{report:#}");
    let summary = text(unit(&report), "/summary");
    assert!(
        summary.ends_with("the tests that there were before are gone: tests/test_a.py"),
        "{summary}"
    );
    assert_eq!(unit(&report)["findings"][0]["code"], "tests-gone");
    nothing_deployed(&report);
}

/// A suite that was there when the tests passed last is missed, though others pass.
#[test]
fn a_suite_that_is_gone_holds_the_run_although_the_others_pass() {
    let (repo, stack) = (Repo::new(), Stack::new());
    repo.write("api/Cargo.toml", CARGO).write("api/src/lib.rs", "#[test] fn a() {}\n");
    repo.write("cli/Makefile", "test:\n\t@echo '2 passed in 0.1s'\n");
    repo.commit("Base");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(unit(&report)["output"]["total"], 3, "{report:#}");
    let first = text(&report, "/run_id").to_owned();
    repo.git(&["rm", "-rq", "cli"]);
    repo.commit("One suite less");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "held"), "{report:#}");
    let summary = text(unit(&report), "/summary");
    let said = format!("tests that there were in {first} are gone: cli (2 tests)");
    assert!(summary.ends_with(&said), "{summary}");
}

#[test]
fn a_misspelt_import_is_the_commits_own_fault() {
    if !installed("python3") {
        return;
    }
    let (repo, stack) = (Repo::new(), Stack::new());
    repo.commit("Base");
    repo.write("app.py", "x = 1\n");
    repo.write("tests/test_a.py", "import reqeusts\n\n\ndef test_a():\n    assert reqeusts\n");
    repo.commit("Ask for more");
    let (code, report) = stack.run(repo.path(), &[]);
    let unit = unit(&report);
    if text(unit, "/summary").contains("need pytest") {
        eprintln!("skipped: pytest is not to be had");
        return;
    }
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    assert!(unit["output"]["failed"].as_u64() >= Some(1), "{unit:#}");
    let finding = &unit["findings"][0];
    assert!(text(finding, "/message").contains("reqeusts"), "{finding}");
    assert_eq!((text(finding, "/path"), &finding["line"]), ("tests/test_a.py", &1.into()));
}

/// What the lock file does not have was broken by the change itself: that is no missing tool.
#[test]
fn a_lock_file_that_does_not_agree_rejects_the_commit() {
    if !installed("npm") {
        return;
    }
    let (repo, stack) = (Repo::new(), Stack::new());
    let lock = "{\"name\":\"web\",\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"web\"}}}";
    repo.write("package.json", PACKAGE).write("package-lock.json", lock);
    repo.write("a.test.js", "require('node:test')('a', () => {})\n");
    repo.commit("Base");
    let more = PACKAGE.replace("{\"name\"", "{\"dependencies\":{\"is-number\":\"7.0.0\"},\"name\"");
    repo.write("package.json", &more);
    repo.commit("Depend on more");
    let (code, report) = stack.run(repo.path(), &[]);
    let summary = text(unit(&report), "/summary");
    if summary.starts_with("the tests were not run") {
        eprintln!("skipped: {summary}");
        return;
    }
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    assert!(summary.contains("Missing: is-number@7.0.0 from lock file"), "{summary}");
}

/// Whatever is missing to run them, tests that were not run let nothing through, also where nothing
/// would be deployed.
#[test]
fn tests_whose_tools_are_missing_hold_the_run() {
    for deployed in [true, false] {
        let (repo, stack) = (Repo::new(), Stack::new());
        if deployed {
            repo.write("pact.toml", STAGING);
        }
        repo.commit("Base");
        repo.write("Gemfile", "").write("spec/a_spec.rb", "RSpec.describe('a') {}\n");
        repo.commit("Specs");
        let stack = stack.with("PATH", "/usr/bin:/bin");
        if installed("bundle") {
            return;
        }
        let (code, report) = stack.run(repo.path(), &[]);
        assert_ne!(code, Some(0), "{report:#}");
        assert_eq!(text(&report, "/status"), "held", "{report:#}");
        assert!(text(&report, "/reason").contains("`bundle` is not installed"), "{report:#}");
        nothing_deployed(&report);
    }
}
