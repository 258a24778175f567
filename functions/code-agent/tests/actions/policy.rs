//! By whose settings a commit is judged.

use serde_json::json;

use super::harness::{Repo, World, coded, output};

const STRICT: &str = "[gate]\nmin_coverage = 80\n";
const LOOSE: &str = "# less\n[gate]\nmin_coverage = 10\n";

#[tokio::test]
async fn a_commit_that_loosens_its_rules_is_judged_by_those_before() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    repo.write("a.py", "a = 1\n");
    let bare = repo.commit();
    repo.write("pact.toml", STRICT);
    let first = repo.commit();
    repo.write("pact.toml", LOOSE);
    let second = repo.commit();
    let third = repo.commit();

    // The first with any settings: nobody else's are there.
    let response = world.analyze(&repo.url(), &first, Some(&bare)).await.unwrap();
    assert_eq!(output(&response).settings.gate.min_coverage, Some(80.0));
    let own = coded(&response, "policy-own");
    assert!(own[0].message.contains("the first commit with any"), "{own:?}");

    let response = world.analyze(&repo.url(), &second, Some(&first)).await.unwrap();
    let out = output(&response);
    assert_eq!(out.settings.gate.min_coverage, Some(80.0));
    assert_eq!(out.policy.commit.as_deref(), Some(first.as_str()));
    let loosened = coded(&response, "policy-loosened");
    assert_eq!((loosened[0].path.as_deref(), loosened[0].line), (Some("pact.toml"), Some(3)));
    assert!(loosened[0].message.contains("gate.min_coverage = 10"), "{loosened:?}");
    assert!(response.summary.contains("it loosens its rules"), "{}", response.summary);

    // Without a word of the commit before, the parent is it.
    let response = world.analyze(&repo.url(), &second, None).await.unwrap();
    assert_eq!(output(&response).settings.gate.min_coverage, Some(80.0));

    // From the next commit on it counts.
    let response = world.analyze(&repo.url(), &third, Some(&second)).await.unwrap();
    let out = output(&response);
    assert_eq!(out.settings.gate.min_coverage, Some(10.0));
    assert!(out.policy.loosened.is_empty() && coded(&response, "policy-own").is_empty());
}

#[tokio::test]
async fn a_file_that_is_not_valid_is_no_way_to_looser_rules() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    repo.write("pact.toml", STRICT);
    repo.commit();
    repo.write("pact.toml", "[gate\n");
    let broken = repo.commit();
    repo.write("pact.toml", LOOSE);
    let loose = repo.commit();
    let response = world.analyze(&repo.url(), &loose, Some(&broken)).await.unwrap();
    let out = output(&response);
    assert_eq!(out.policy.loosened.len(), 1, "{:?}", out.policy);
    assert!(out.settings.gate.min_coverage.is_none_or(|least| least > 10.0));
    assert!(out.policy.note.contains("judged by the defaults"), "{}", out.policy.note);
}

#[tokio::test]
async fn on_a_branch_the_rules_are_those_where_it_left_the_default_branch() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    repo.write("pact.toml", STRICT);
    repo.commit();
    repo.git(&["switch", "-q", "-c", "feature"]);
    repo.write("pact.toml", LOOSE);
    let first = repo.commit();
    repo.write("a.py", "a = 1\n");
    let second = repo.commit();
    // The commit before is the branch's own, which nobody agreed to.
    let response =
        world.analyze_ref(&repo.url(), &second, Some(&first), "refs/heads/feature").await.unwrap();
    let out = output(&response);
    assert_eq!(out.settings.gate.min_coverage, Some(80.0));
    assert_eq!(out.policy.loosened.len(), 1);
}

#[tokio::test]
async fn an_owner_is_judged_by_own_settings_and_the_floor_holds_all_the_same() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    repo.write("pact.toml", STRICT);
    let base = repo.commit();
    repo.write("pact.toml", LOOSE);
    let commit = repo.commit();
    let response = world
        .send(
            "code.analyze_changes",
            json!({
                "repository": { "name": "acme/web", "url": repo.url(), "default_branch": "main" },
                "reference": "refs/heads/main",
                "commit": commit,
                "base": base,
                "policy": { "judged_by": "own", "floor": { "gate": { "min_coverage": 33.0 } } },
            }),
        )
        .await
        .unwrap();
    let out = output(&response);
    assert_eq!(out.settings.gate.min_coverage, Some(33.0));
    assert!(out.policy.loosened.is_empty() && out.policy.note.contains("as its owner asked"));
    let raised = coded(&response, "policy-raised");
    assert_eq!(raised[0].line, Some(3));
}
