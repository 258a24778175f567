//! A pull request is looked at as it would be merged, and judged by its target.

use pact_contract::envelope::Response;
use serde_json::json;

use super::harness::{Repo, World, coded, output};

const STRICT: &str = "[gate]\nmin_coverage = 80\n";
const LOOSE: &str = "[gate]\nmin_coverage = 10\n";

/// The head of pull request 7, and the tip of its target, which moved on since and became stricter.
fn pull(repo: &Repo) -> (String, String) {
    repo.write("pact.toml", LOOSE);
    repo.write("a.py", "a = 1\n");
    repo.commit();
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write("new.py", "new = 1\n");
    let head = repo.commit();
    repo.git(&["checkout", "-q", "main"]);
    repo.write("pact.toml", STRICT);
    repo.write("meanwhile.py", "meanwhile = 1\n");
    let target = repo.commit();
    repo.git(&["update-ref", "refs/pull/7/head", &head]);
    (head, target)
}

/// Makes the merge of the branch, as a host does.
fn merge(repo: &Repo) -> String {
    repo.git(&["checkout", "-q", "--detach", "main"]);
    repo.git(&["merge", "-q", "--no-ff", "--no-edit", "topic"]);
    let merge = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["update-ref", "refs/pull/7/merge", &merge]);
    repo.git(&["checkout", "-q", "main"]);
    merge
}

async fn analyze(world: &World, url: &str, head: &str, target: &str) -> Response {
    let parameters = json!({
        "repository": { "name": "acme/web", "url": url, "default_branch": "main" },
        "reference": "refs/pull/7/head",
        "commit": head,
        "base": target,
        "place": 1,
        "pull": { "number": 7, "target": "main", "merge": "refs/pull/7/merge", "fork": true },
    });
    world.send("code.analyze_changes", parameters).await.unwrap()
}

#[tokio::test]
async fn it_is_looked_at_as_it_would_be_merged_while_that_is_the_merge_of_its_head() {
    let Some(repo) = Repo::new() else { return };
    let (head, target) = pull(&repo);
    let world = World::new();

    let response = analyze(&world, &repo.url(), &head, &target).await;
    assert_eq!(output(&response).source.commit, head, "there is no merge yet");
    assert!(response.summary.starts_with("#7, of which there is no merge: "), "{response:?}");

    let merge = merge(&repo);
    let response = analyze(&world, &repo.url(), &head, &target).await;
    let out = output(&response);
    assert_eq!(out.source.commit, merge);
    let said = "#7 as it would be merged into main: 1 file changed (+1 −0), against";
    assert!(response.summary.starts_with(said), "{}", response.summary);
    let changes = world.changes().await;
    assert_eq!((changes.base.as_deref(), changes.files.len()), (Some(target.as_str()), 1));
    let folder = world.unpack(&out.source).await;
    assert!(folder.path().join("meanwhile.py").exists(), "what the target has since is there");
    assert!(folder.path().join("new.py").exists());

    // What was pushed after it has no merge yet: the old one is not taken for it.
    repo.git(&["checkout", "-q", "topic"]);
    repo.write("second.py", "second = 2\n");
    let second = repo.commit();
    let response = analyze(&world, &repo.url(), &second, &target).await;
    assert_eq!(output(&response).source.commit, second);
}

#[tokio::test]
async fn it_is_judged_by_what_its_target_has_now() {
    let Some(repo) = Repo::new() else { return };
    let (head, target) = pull(&repo);
    let world = World::new();
    for merged in [false, true] {
        if merged {
            merge(&repo);
        }
        let response = analyze(&world, &repo.url(), &head, &target).await;
        let settings = output(&response).settings;
        assert_eq!(settings.gate.min_coverage, Some(80.0), "merged: {merged}");
    }
    // What it loosens itself does not count, and is said.
    repo.git(&["checkout", "-q", "topic"]);
    repo.git(&["merge", "-q", "--no-edit", "main"]);
    repo.write("pact.toml", "[gate]\nmin_coverage = 1\n");
    let loose = repo.commit();
    let response = analyze(&world, &repo.url(), &loose, &target).await;
    assert_eq!(output(&response).settings.gate.min_coverage, Some(80.0));
    assert_eq!(coded(&response, "policy-loosened").len(), 1, "{response:?}");
}
