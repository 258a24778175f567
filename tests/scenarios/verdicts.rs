//! What a commit may be, and how each ends.

use pact_e2e::{Repo, Stack};

use crate::{get, has_stage, nothing_deployed, stage, text};

#[test]
fn a_good_commit_goes_to_staging_and_production_and_answers() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    repo.write("app.py", "def total(items):\n    return sum(i.price for i in items)\n");
    let head = repo.commit("Count prices");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(text(&report, "/commit"), head);
    assert_eq!(text(&report, "/decision/verdict"), "promote");
    assert_eq!(stage(&report, "ValidateSyntax")["status"], "passed");
    assert_eq!(stage(&report, "RunUnitTests")["status"], "passed");
    let deployments = report["deployments"].as_array().expect("deployments");
    assert_eq!(deployments.len(), 2, "{report:#}");
    for deployment in deployments {
        assert_eq!(deployment["status"], "live");
        let url = deployment["url"].as_str().expect("an address");
        assert_eq!(get(url).as_deref(), Some("one"), "{deployment}");
    }
    let log = stack.pactctl(&["runs", "verify"]);
    assert_eq!(log.code, Some(0), "{log:?}");
}

#[test]
fn a_failing_test_is_rejected_with_the_reason() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    repo.write("test.sh", "echo 'FAILED test_total: expected 3, got 4'\nexit 1\n");
    repo.commit("Break the tests");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    assert_eq!(stage(&report, "RunUnitTests")["status"], "failed");
    assert!(text(&report, "/reason").contains("test"), "{}", text(&report, "/reason"));
    let findings = stage(&report, "RunUnitTests")["findings"].to_string();
    assert!(findings.contains("test_total"), "{findings}");
    assert_eq!(text(&report, "/cause/kind"), "test");
    let cause = text(&report, "/cause/sentence");
    assert!(cause.starts_with("Unit tests: ") && cause.contains("test_total"), "{cause}");
    nothing_deployed(&report);
}

#[test]
fn a_syntax_error_is_rejected_with_line_and_column() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    repo.write("app.py", "def total(items):\n    return sum(items\n");
    repo.commit("Forget a parenthesis");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let syntax = stage(&report, "ValidateSyntax");
    assert_eq!(syntax["status"], "failed");
    assert_eq!(syntax["findings"][0]["path"], "app.py");
    assert!(syntax["findings"][0]["line"].as_u64().is_some_and(|l| l >= 1), "{syntax}");
    assert_eq!(text(&report, "/cause/kind"), "syntax");
    let cause = text(&report, "/cause/sentence");
    assert!(cause.starts_with("Syntax: ") && cause.contains("app.py:"), "{cause}");
    assert_eq!(stage(&report, "CheckQuality")["status"], "skipped");
    nothing_deployed(&report);
}

#[test]
fn a_planted_secret_is_rejected_and_never_shown() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    // Assembled here, so that this file holds no secret.
    let secret = ["AKIA", "Q3EGRIZ7", "VXN4LT2M"].concat();
    repo.write("settings.py", &format!("aws_access_key_id = \"{secret}\"\n"));
    repo.commit("Configure");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let found = stage(&report, "ValidateSecrets");
    assert_eq!(found["findings"][0]["path"], "settings.py");
    assert_eq!(found["findings"][0]["line"], 1);
    let cause = text(&report, "/cause/sentence");
    assert!(cause.starts_with("Secrets: ") && cause.contains("settings.py:1:"), "{cause}");
    assert!(!report.to_string().contains(&secret), "the secret is in the report");
    let log = stack.pactctl(&["runs", "log", "--json"]);
    assert!(!log.stdout.contains(&secret), "the secret is in the log");
    nothing_deployed(&report);
}

#[test]
fn documentation_alone_deploys_nothing_and_says_why() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    repo.write("README.md", "# Shop\n\nNow with words.\n");
    repo.commit("Write");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(text(&report, "/decision/verdict"), "verify_only");
    assert!(text(&report, "/reason").contains("documentation"), "{}", text(&report, "/reason"));
    assert_eq!(stage(&report, "RunUnitTests")["status"], "skipped");
    nothing_deployed(&report);
}

#[test]
fn a_repository_without_environments_is_verified_only_and_says_so() {
    let (repo, stack) = (Repo::new(), Stack::new());
    repo.write("data.json", "{}\n");
    repo.commit("First");
    repo.write("data.json", "{ \"a\": [1, 2] }\n");
    repo.commit("Second");
    // What is not committed is no part of it, and that is said.
    repo.write("notes/draft.txt", "later");
    let finished = stack.pactctl(&["run", &repo.path().to_string_lossy()]);
    let said = "notes is not committed, and no part of this run";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("nothing was deployed"), "{}", finished.stdout);
    assert!(finished.stdout.to_lowercase().contains("no environment"), "{}", finished.stdout);
}

#[test]
fn a_needed_check_that_was_not_made_holds_the_release() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    repo.write("pact.toml", &format!("[checks]\nintegration = \"require\"\n{settings}"));
    repo.write("app.py", "def total(items):\n    return len(items)\n");
    repo.commit("Count");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "held"), "{report:#}");
    assert!(text(&report, "/reason").contains("integration"), "{}", text(&report, "/reason"));
    nothing_deployed(&report);
}

#[test]
fn a_side_branch_ends_at_staging() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    repo.git(&["checkout", "-q", "-b", "feature/prices"]);
    repo.write("app.py", "def total(items):\n    return 1\n");
    repo.commit("Try");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(text(&report, "/decision/verdict"), "stage_only");
    assert_eq!(report["deployments"].as_array().map(Vec::len), Some(1));
    assert!(!has_stage(&report, "Deploy.production"));
    // A branch of a merge queue, or of a bot, goes nowhere.
    let (code, report) = stack.run(repo.path(), &["--branch", "gh-readonly-queue/main/pr-1"]);
    assert_eq!((code, text(&report, "/decision/verdict")), (Some(0), "verify_only"), "{report:#}");
    nothing_deployed(&report);
}
