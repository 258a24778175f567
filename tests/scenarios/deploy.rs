//! Releases that go wrong are taken back.

use pact_e2e::{Repo, Stack, binary, send_signal, wait_for};
use serde_json::Value;

use crate::{get, has_stage, shift::Load, stage, text};

pub(crate) fn url_of(report: &Value, environment: &str) -> String {
    report["deployments"]
        .as_array()
        .and_then(|d| d.iter().find(|d| d["environment"] == environment))
        .and_then(|d| d["url"].as_str())
        .unwrap_or_else(|| panic!("{environment} has no address in {report:#}"))
        .to_owned()
}

pub(crate) fn first_release(repo: &Repo, stack: &Stack) -> Value {
    repo.write("app.py", "def total(items):\n    return 0\n");
    repo.commit("First release");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    report
}

fn states_of(stack: &Stack, report: &Value) -> Vec<String> {
    let (running, _) = stack.up();
    let states = crate::aws_clients::states_entered(&stack.aws(), text(report, "/execution_arn"));
    drop(running);
    states
}

#[test]
fn a_release_that_is_ill_in_production_is_rolled_back() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    let production = url_of(&first, "production");
    repo.write("version", "two").write("health-production", "500 forwarded");
    repo.commit("A release that is ill once it serves");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert_eq!(stage(&report, "CheckHealth.production")["status"], "failed");
    assert_eq!(stage(&report, "Rollback.production")["status"], "passed");
    assert_eq!(stage(&report, "CheckRestored.production")["status"], "passed");
    assert_eq!(get(&production).as_deref(), Some("one"), "the previous release answers again");
    // What the run changed goes back newest first: what is bad for users is not good to try.
    assert_eq!(stage(&report, "CheckRestored.staging")["status"], "passed");
    assert_eq!(get(&url_of(&report, "staging")).as_deref(), Some("one"), "staging goes back too");
    let states = states_of(&stack, &report);
    assert!(states.iter().any(|s| s == "Rollback"), "{states:?}");
    assert!(states.iter().any(|s| s == "ReleaseRolledBack"), "{states:?}");
}

#[test]
fn a_release_that_is_well_where_it_is_probed_and_ill_where_it_is_used_is_taken_back() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    let (running, _) = stack.up();
    let production = url_of(&first, "production");
    let load = Load::at(format!("{production}/shop"));
    repo.write("version", "two").write("ill", "elsewhere");
    repo.commit("A release that is well at /health alone");
    let (code, report) = stack.run(repo.path(), &[]);
    let answers = load.end();
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    let judged = stage(&report, "JudgeRelease.production");
    assert!(text(judged, "/summary").contains("everybody's requests"), "{judged:#}");
    // In staging nobody but the probes asked.
    assert_eq!(stage(&report, "CheckHealth.staging")["status"], "passed");
    assert_eq!(get(&production).as_deref(), Some("one"), "the release before answers again");
    assert!(0 < answers.failed && answers.failed < answers.all / 2, "{answers:?}");
    drop(running);
}

#[test]
fn a_release_that_is_ill_at_once_gets_no_request() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    repo.write("version", "two").write("health-production", "500");
    repo.commit("An ill release");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    let deploy = stage(&report, "Deploy.production");
    assert_eq!(
        (&deploy["status"], &deploy["findings"][0]["code"]),
        (&"failed".into(), &"service-unhealthy".into())
    );
    assert!(!has_stage(&report, "CheckHealth.production"));
    assert_eq!(get(&url_of(&first, "production")).as_deref(), Some("one"), "it goes on");
}

#[test]
fn a_release_that_dies_while_it_is_watched_is_taken_back_and_costs_no_request() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    let production = url_of(&first, "production");
    // It serves well for a while, in production, each time that it is started.
    let service = binary("fixture-service").display().to_string();
    let serve = format!(
        "[ \"$PACT_ENVIRONMENT\" = production ] && {{ (sleep 3; kill -KILL $$) & }}\nexec '{service}'\n"
    );
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("the settings");
    let settings =
        settings.replace(&format!("[\"{service}\"]"), "[\"sh\", \"./serve.sh\"]").replace(
            "[environments.production.watch]\nseconds = 1",
            "[environments.production.watch]\nseconds = 6",
        );
    repo.write("version", "two").write("serve.sh", &serve).write("pact.toml", &settings);
    repo.commit("A release that dies");
    let load = Load::on(&production);
    let (code, report) = stack.run(repo.path(), &[]);
    let answers = load.end();
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert!(has_stage(&report, "TrackMetrics.production"), "{report:#}");
    assert_eq!(stage(&report, "CheckRestored.production")["status"], "passed");
    assert_eq!(get(&production).as_deref(), Some("one"), "the previous release answers");
    assert!(answers.all > 100 && answers.failed == 0, "{answers:?}");
}

#[test]
fn a_deploy_agent_that_is_killed_halfway_is_rolled_back() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    let production = url_of(&first, "production");
    // The service of the production release says that it began, and never takes a connection.
    let begun = repo.path().join("begun");
    let service = binary("fixture-service").display().to_string();
    let serve = format!(
        "if [ \"$PACT_ENVIRONMENT\" = production ]; then touch '{}'; exec sleep 600; fi\n\
         exec '{service}'\n",
        begun.display()
    );
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("the settings");
    let settings = settings.replace(&format!("[\"{service}\"]"), "[\"sh\", \"./serve.sh\"]");
    repo.write("version", "two").write("serve.sh", &serve).write("pact.toml", &settings);
    repo.commit("A release whose deployment hangs");
    let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    let agent = wait_for("the deployment to production", 60, || {
        let agents = running.functions("DeployAgentFunction");
        (begun.exists() && !agents.is_empty()).then_some(agents)
    });
    for pid in agent {
        send_signal(pid, "KILL");
    }
    let finished = running.wait();
    let report = finished.json();
    assert_eq!((finished.code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert_eq!(stage(&report, "Rollback.production")["status"], "passed");
    assert_eq!(get(&production).as_deref(), Some("one"), "the previous release answers");
    let states = states_of(&stack, &report);
    assert!(states.iter().any(|s| s == "Rollback"), "{states:?}");
}

#[test]
fn a_build_that_fails_replaces_nothing() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    repo.write("build.sh", "echo 'linker not found' >&2\nexit 7\n");
    repo.commit("Break the build");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let unit = stage(&report, "RunUnitTests");
    assert_eq!(
        (&unit["status"], &unit["findings"][0]["code"]),
        (&"failed".into(), &"build-failed".into())
    );
    assert!(unit["findings"][0].to_string().contains("linker not found"), "{unit:#}");
    assert!(!has_stage(&report, "Deploy.staging"));
    assert_eq!(get(&url_of(&first, "staging")).as_deref(), Some("one"));
}

#[test]
fn the_same_commit_again_is_a_run_of_its_own() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    let (code, second) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{second:#}");
    assert_ne!(first["run_id"], second["run_id"]);
    assert_eq!(url_of(&first, "production"), url_of(&second, "production"));
    let list = stack.pactctl(&["runs", "list", "--json"]).json();
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(2), "{list:#}");
}

#[test]
fn a_person_returns_production_to_the_release_before() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let first = first_release(&repo, &stack);
    repo.write("version", "two");
    repo.commit("A release that somebody does not like");
    let (code, second) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{second:#}");
    let production = url_of(&first, "production");
    assert_eq!(get(&production).as_deref(), Some("two"));

    let wanted =
        ["rollback", "production", "--by", "Ada", "--reason", "checkout is slow", "--json"];
    let back = stack.pactctl(&wanted);
    let report = back.json();
    assert_eq!((back.code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    let reason = text(&report, "/reason");
    assert!(
        reason.ends_with("was rolled back by installation for Ada: checkout is slow"),
        "{reason}"
    );
    assert_eq!(stage(&report, "Rollback.production")["status"], "passed");
    assert_eq!(stage(&report, "CheckRestored.production")["status"], "passed");
    assert_eq!(get(&production).as_deref(), Some("one"), "the release before answers");
    assert_eq!(get(&url_of(&second, "staging")).as_deref(), Some("two"), "staging stays");
    // There is nothing further back that was judged good.
    let again = stack.pactctl(&wanted);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("is the only good release of production"), "{}", again.stderr);
    // The commit was taken back by a person: it does not come back by itself.
    let (code, third) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&third, "/status")), (Some(1), "rejected"), "{third:#}");
}
