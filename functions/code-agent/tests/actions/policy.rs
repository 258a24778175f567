//! By whose settings a commit is judged.

use pact_agent::ports::Policies;
use pact_contract::envelope::Response;
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

    // Nothing is known here of who agreed: from the next commit on it counts.
    let response = world.analyze(&repo.url(), &third, Some(&second)).await.unwrap();
    let out = output(&response);
    assert_eq!(out.settings.gate.min_coverage, Some(10.0));
    assert!(out.policy.loosened.is_empty() && coded(&response, "policy-own").is_empty());
}

/// A push of the default branch that has its place, as every push through the gateway has.
async fn pushed(world: &World, repo: &Repo, place: u64, commit: &str, base: &str) -> Response {
    let parameters = json!({
        "repository": { "name": "acme/web", "url": repo.url(), "default_branch": "main" },
        "reference": "refs/heads/main",
        "commit": commit,
        "base": base,
        "place": place,
    });
    world.send("code.analyze_changes", parameters).await.unwrap()
}

fn least(response: &Response) -> Option<f64> {
    output(response).settings.gate.min_coverage
}

#[tokio::test]
async fn what_is_loosened_counts_when_somebody_agreed_and_not_before() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    let name = "acme/web".parse().unwrap();
    let run_id = "run-1".parse().unwrap();
    repo.write("pact.toml", STRICT);
    let strict = repo.commit();
    repo.write("pact.toml", LOOSE);
    let loose = repo.commit();
    let on_top = repo.commit();
    repo.git(&["rm", "-q", "pact.toml"]);
    let gone = repo.commit();
    repo.write("pact.toml", LOOSE);
    let back = repo.commit();

    // Twice, as everything may be.
    for _ in 0..2 {
        assert_eq!(least(&pushed(&world, &repo, 2, &loose, &strict).await), Some(80.0));
    }
    let agreed = world.memory.policy(&name).await.unwrap().unwrap();
    assert_eq!((agreed.commit.as_str(), agreed.place), (strict.as_str(), 1));
    // A commit on top of it, whose base is the looser one.
    let response = pushed(&world, &repo, 3, &on_top, &loose).await;
    assert_eq!(least(&response), Some(80.0));
    let note = output(&response).policy.note;
    assert!(note.contains(&strict) && note.contains("nobody agreed to less"), "{note}");
    // Without the file, and with another one instead of it.
    for (place, commit, base) in [(4, &gone, &on_top), (5, &back, &gone)] {
        let response = pushed(&world, &repo, place, commit, base).await;
        assert_eq!(least(&response), Some(80.0));
        assert_eq!(output(&response).policy.loosened.len(), 1);
        assert!(coded(&response, "policy-own").is_empty());
    }
    // One that was never looked at is no base either.
    assert_eq!(least(&pushed(&world, &repo, 6, &back, &loose).await), Some(80.0));

    let proposed = world.memory.proposal(&run_id).await.unwrap().unwrap();
    assert_eq!((proposed.place, proposed.text.as_deref()), (6, Some(LOOSE)));
    assert!(world.memory.put_policy(&name, &proposed).await.unwrap());
    let next = repo.commit();
    let response = pushed(&world, &repo, 7, &next, &back).await;
    assert_eq!(least(&response), Some(10.0));
    assert!(output(&response).policy.loosened.is_empty());
    // And it is the next one's rule.
    let agreed = world.memory.policy(&name).await.unwrap().unwrap();
    assert_eq!((agreed.commit.as_str(), agreed.place), (next.as_str(), 7));
}

#[tokio::test]
async fn a_tightened_rule_counts_at_once_and_is_kept() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    repo.write("pact.toml", LOOSE);
    let loose = repo.commit();
    repo.write("pact.toml", STRICT);
    let strict = repo.commit();
    repo.write("pact.toml", LOOSE);
    let again = repo.commit();
    assert_eq!(least(&pushed(&world, &repo, 2, &strict, &loose).await), Some(80.0));
    // Whoever names an older commit as the one before is judged by what counts all the same.
    let response = pushed(&world, &repo, 3, &again, &loose).await;
    assert_eq!(least(&response), Some(80.0));
    assert_eq!(output(&response).policy.loosened.len(), 1);
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
