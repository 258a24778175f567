//! What a push is compared with, on histories of every shape, against git's own answers.

use pact_contract::StageStatus;

use super::harness::{Repo, World, assert_status, output};

const BRANCH: &str = "refs/heads/topic";
const ZERO: &str = "0000000000000000000000000000000000000000";

/// The files that the push is charged with, and the base.
async fn charged(
    repo: &Repo,
    commit: &str,
    before: Option<&str>,
    reference: &str,
) -> (Vec<String>, Option<String>) {
    let world = World::new();
    let response = world.analyze_ref(&repo.url(), commit, before, reference).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    let changes = world.changes().await;
    (changes.files.into_iter().map(|file| file.path).collect(), changes.base)
}

fn tip(repo: &Repo, name: &str) -> String {
    repo.git(&["rev-parse", name])
}

fn commit_file(repo: &Repo, path: &str, text: &str) -> String {
    repo.write(path, text);
    repo.commit()
}

/// Old code on the default branch, one file on a branch, and a default branch that moved on.
fn diverged(repo: &Repo) -> (String, String) {
    for n in 0..50 {
        repo.write(&format!("old/{n}.rs"), format!("fn old_{n}() {{}}\n"));
    }
    let fork = repo.commit();
    repo.git(&["checkout", "-q", "-b", "topic"]);
    let head = commit_file(repo, "new.rs", "fn new() {}\n");
    repo.git(&["checkout", "-q", "main"]);
    std::fs::remove_file(repo.path().join("old/0.rs")).unwrap();
    commit_file(repo, "meanwhile.rs", "fn meanwhile() {}\n");
    (fork, head)
}

#[tokio::test]
async fn a_branch_is_charged_with_its_own_work_only() {
    let Some(repo) = Repo::new() else { return };
    let (fork, head) = diverged(&repo);
    assert_eq!(fork, repo.git(&["merge-base", "main", &head]));
    let main = tip(&repo, "main");
    for before in [None, Some(ZERO), Some(main.as_str())] {
        let found = charged(&repo, &head, before, BRANCH).await;
        assert_eq!(found, (vec!["new.rs".to_owned()], Some(fork.clone())), "{before:?}");
    }
    // A pull request names its target, which moved on.
    let found = charged(&repo, &head, Some(&main), "refs/pull/7/head").await;
    assert_eq!(found, (vec!["new.rs".to_owned()], Some(fork)));
}

#[tokio::test]
async fn a_second_push_is_charged_from_the_first() {
    let Some(repo) = Repo::new() else { return };
    let (_, first) = diverged(&repo);
    repo.git(&["checkout", "-q", "topic"]);
    let second = commit_file(&repo, "second.rs", "fn second() {}\n");
    let found = charged(&repo, &second, Some(&first), BRANCH).await;
    assert_eq!(found, (vec!["second.rs".to_owned()], Some(first)));
}

#[tokio::test]
async fn a_force_push_is_compared_where_the_two_parted() {
    let Some(repo) = Repo::new() else { return };
    diverged(&repo);
    repo.git(&["checkout", "-q", "topic"]);
    let kept = tip(&repo, "HEAD");
    let lost = commit_file(&repo, "lost.rs", "fn lost() {}\n");
    repo.git(&["reset", "-q", "--hard", &kept]);
    let amended = commit_file(&repo, "amended.rs", "fn amended() {}\n");
    assert_eq!(repo.git(&["merge-base", &lost, &amended]), kept);
    let found = charged(&repo, &amended, Some(&lost), BRANCH).await;
    assert_eq!(found, (vec!["amended.rs".to_owned()], Some(kept)));

    // Rebased onto what others did meanwhile: that is not the branch's work.
    repo.git(&["rebase", "-q", "main"]);
    let rebased = tip(&repo, "HEAD");
    let (files, base) = charged(&repo, &rebased, Some(&amended), BRANCH).await;
    assert_eq!(files, ["amended.rs", "new.rs"]);
    assert_eq!(base, Some(tip(&repo, "main")));
}

#[tokio::test]
async fn what_was_merged_from_the_default_branch_was_judged_there() {
    let Some(repo) = Repo::new() else { return };
    let (_, first) = diverged(&repo);
    repo.git(&["checkout", "-q", "topic"]);
    repo.git(&["merge", "-q", "--no-edit", "main"]);
    let merged = tip(&repo, "HEAD");
    let (files, base) = charged(&repo, &merged, Some(&first), BRANCH).await;
    assert_eq!(files, ["new.rs"]);
    assert_eq!(base, Some(repo.git(&["merge-base", "main", &merged])));

    // The merge into the default branch brings the branch's work, from its first parent.
    repo.git(&["checkout", "-q", "main"]);
    let before = tip(&repo, "main");
    repo.git(&["merge", "-q", "--no-ff", "--no-edit", "topic"]);
    let after = tip(&repo, "main");
    let found = charged(&repo, &after, Some(&before), "refs/heads/main").await;
    assert_eq!(found, (vec!["new.rs".to_owned()], Some(before)));
}

#[tokio::test]
async fn the_default_branch_a_tag_and_a_history_of_its_own() {
    let Some(repo) = Repo::new() else { return };
    let first = commit_file(&repo, "a.rs", "fn a() {}\n");
    let second = commit_file(&repo, "b.rs", "fn b() {}\n");
    let found = charged(&repo, &second, Some(ZERO), "refs/heads/main").await;
    assert_eq!(found, (vec!["a.rs".to_owned(), "b.rs".to_owned()], None));
    let found = charged(&repo, &second, Some(ZERO), "refs/tags/v1").await;
    assert_eq!(found, (vec!["b.rs".to_owned()], Some(first.clone())));
    // A branch without a commit of its own changes nothing.
    let found = charged(&repo, &second, Some(ZERO), BRANCH).await;
    assert_eq!(found, (vec![], Some(second)));

    repo.git(&["checkout", "-q", "--orphan", "other"]);
    let alone = repo.commit();
    let found = charged(&repo, &alone, Some(&first), "refs/heads/other").await;
    assert_eq!(found.1, None);
}

#[tokio::test]
async fn histories_that_crossed_have_one_of_gits_bases() {
    let Some(repo) = Repo::new() else { return };
    commit_file(&repo, "root", "0\n");
    repo.git(&["checkout", "-q", "-b", "topic"]);
    let topic = commit_file(&repo, "topic", "1\n");
    repo.git(&["checkout", "-q", "main"]);
    let main = commit_file(&repo, "main", "1\n");
    repo.git(&["merge", "-q", "--no-edit", &topic]);
    repo.git(&["checkout", "-q", "topic"]);
    repo.git(&["merge", "-q", "--no-edit", &main]);
    let head = commit_file(&repo, "last", "2\n");
    let bases = repo.git(&["merge-base", "--all", "main", &head]);
    assert_eq!(bases.lines().count(), 2, "{bases}");
    let (files, base) = charged(&repo, &head, Some(ZERO), BRANCH).await;
    assert!(bases.lines().any(|one| Some(one) == base.as_deref()), "{base:?} of {bases}");
    assert!(files.contains(&"last".to_owned()), "{files:?}");
}

/// Random histories: a new branch, and a push behind an earlier one, have a merge base of git's.
#[tokio::test]
async fn random_histories_have_gits_merge_base() {
    let Some(repo) = Repo::new() else { return };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    commit_file(&repo, "root", "0\n");
    repo.git(&["branch", "topic"]);
    let mut before = tip(&repo, "topic");
    for n in 0..24 {
        let on = if random(2) == 0 { "main" } else { "topic" };
        repo.git(&["checkout", "-q", on]);
        if random(5) == 0 {
            let other = if on == "main" { "topic" } else { "main" };
            repo.git(&["merge", "-q", "--no-edit", other]);
        } else {
            commit_file(&repo, &format!("{on}-{n}"), "x\n");
        }
        let head = tip(&repo, "topic");
        let bases = repo.git(&["merge-base", "--all", "main", &head]);
        let (_, base) = charged(&repo, &head, Some(ZERO), BRANCH).await;
        let base = base.expect("a base");
        assert!(bases.lines().any(|one| one == base), "{base} of {bases}");
        let (_, base) = charged(&repo, &head, Some(&before), BRANCH).await;
        let base = base.expect("a base");
        let known = bases.lines().any(|one| one == base) || base == before;
        assert!(known, "{base} is neither {before} nor of {bases}");
        before = head;
    }
}

#[tokio::test]
async fn the_answer_names_what_the_base_is() {
    let Some(repo) = Repo::new() else { return };
    let (_, head) = diverged(&repo);
    let world = World::new();
    let response = world.analyze_ref(&repo.url(), &head, Some(ZERO), BRANCH).await.unwrap();
    assert_eq!(output(&response).base_reason, "where it left main");
    assert!(response.summary.ends_with("(where it left main)"), "{}", response.summary);
}
