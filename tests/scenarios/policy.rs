//! Nothing that is judged may judge: a commit's own settings loosen nothing for it.

use pact_e2e::{Repo, Stack, wait_for};

use crate::{has_stage, stage, text};

/// A shop whose production asks a person, as the commit before has it.
fn careful() -> (Repo, String) {
    let repo = Repo::shop();
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    let careful = format!("{settings}\n[environments.production.approval]\ntimeout_minutes = 5\n");
    repo.write("pact.toml", &careful);
    repo.commit("Ask before production");
    (repo, settings)
}

#[test]
fn a_commit_that_takes_the_approval_out_is_asked_for_it() {
    let (stack, (repo, settings)) = (Stack::new(), careful());
    repo.write("pact.toml", &format!("{settings}\n[gate]\nmax_quality_findings = 1000\n"));
    repo.commit("Nobody needs to be asked");
    let path = repo.path().to_string_lossy().into_owned();
    let running = stack.start(&["run", &path, "--as-pushed", "--json"]);
    let listed = wait_for("the question in the list", 60, || {
        let listed = stack.data().exists().then(|| stack.pactctl(&["runs", "list"]).stdout)?;
        listed.contains("waits for an answer").then_some(listed)
    });
    let asked = "With it you agree to looser rules for the commits after it: ";
    assert!(listed.contains(asked) && listed.contains("answer with `pactctl approve"), "{listed}");
    let ends = listed.lines().any(|line| line.contains(asked) && line.ends_with('.'));
    assert!(ends, "{listed}");
    let document = stack.pactctl(&["runs", "list", "--json"]).json();
    let commands = document["runs"][0]["waits"]["answer"].as_array().expect("commands").len();
    assert_eq!(commands, 2, "{document:#}");
    wait_for("the question", 60, || {
        let refused = ["approve", "--by", "Grace", "--reject", "--reason", "not without a word"];
        (stack.data().exists() && stack.pactctl(&refused).code == Some(0)).then_some(())
    });
    let report = running.wait().json();
    assert_eq!(text(&report, "/status"), "rejected", "{report:#}");
    let analyzed = stage(&report, "AnalyzeChanges");
    let findings = analyzed["findings"].as_array().expect("findings");
    let keys = ["environments.production.approval", "gate.max_quality_findings"];
    for key in keys {
        let names = |finding: &&serde_json::Value| {
            finding["code"] == "policy-loosened" && text(finding, "/message").contains(key)
        };
        let finding = findings.iter().find(names).unwrap_or_else(|| panic!("{key}: {findings:#?}"));
        assert!(finding["line"].as_u64().is_some(), "{finding}");
    }
    // Its owner, on the same machine, is its judge.
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert!(has_stage(&report, "Deploy.production"));
    let own = stage(&report, "AnalyzeChanges")["findings"].as_array().expect("findings");
    assert!(own.iter().any(|f| f["code"] == "policy-own"), "{own:#?}");
}

#[test]
fn what_is_loosened_where_nobody_is_asked_says_how_somebody_agrees() {
    let (stack, repo) = (Stack::new(), Repo::new());
    repo.write("pact.toml", "[gate]\nmin_coverage = 90\n").commit("Ninety percent");
    repo.write("pact.toml", "[gate]\nmin_coverage = 10\n").commit("Ten will do");
    let path = repo.path().to_string_lossy().into_owned();
    let up = crate::gateway::up(&stack);
    let ended = stack.pactctl(&["run", &path, "--as-pushed"]);
    let report = stack.pactctl(&["runs", "show", "--json"]).json();
    let command = text(&report, "/loosened/command").to_owned();
    let (id, name) = (text(&report, "/run_id"), text(&report, "/repository"));
    assert!(command.ends_with(&format!("{name} --accept {id}")), "{command}");
    assert!(ended.stdout.contains(&command) && ended.stdout.contains("min_coverage"), "{ended:?}");
    let page = || {
        let page = up.http.get(format!("{}/runs/{id}", up.api)).bearer_auth(&up.token).send();
        page.and_then(|page| page.text()).expect("its page")
    };
    assert!(page().contains("--accept") && page().contains("Looser rules"), "{}", page());
    // The command does what it says, and then there is nothing to be said any more.
    let agreed = stack.pactctl(&["repos", "policy", name, "--accept", id, "--by", "Grace"]);
    assert!(agreed.code == Some(0) && agreed.stdout.contains("min_coverage = 10"), "{agreed:?}");
    let report = stack.pactctl(&["runs", "show", "--json"]).json();
    assert!(report.get("loosened").is_none(), "{report:#}");
    assert!(!page().contains("Looser rules"), "{}", page());
}
