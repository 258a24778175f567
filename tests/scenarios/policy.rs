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
