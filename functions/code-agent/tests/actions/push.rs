//! What a push brought besides its end.

use pact_contract::{PushIndex, StageStatus};

use super::harness::{Repo, World, assert_status};

/// The index and the contents that the bundle has by path.
async fn push(world: &World) -> (PushIndex, Vec<(String, String)>) {
    use pact_agent::ports::Artifacts;
    let key = world.changes().await.push_key.expect("a push is kept");
    let bytes = world.memory.get(&key).await.unwrap().expect("a bundle");
    let files = pact_agent::bundle::read_files(&bytes, u64::MAX, |_| true).unwrap();
    let content = |name: &str| {
        let found = files.iter().find(|(path, _)| path == name).expect("a file");
        String::from_utf8_lossy(&found.1).into_owned()
    };
    let index: PushIndex = serde_json::from_str(&content(PushIndex::FILE)).unwrap();
    let passing =
        index.passing.iter().map(|f| (f.path.clone(), content(&PushIndex::blob(&f.blob))));
    let before = index
        .before
        .iter()
        .map(|f| (format!("before {}", f.path), content(&PushIndex::blob(&f.blob))));
    let all = passing.chain(before).collect();
    (index, all)
}

fn pair(path: &str, content: &str) -> (String, String) {
    (path.to_owned(), content.to_owned())
}

#[tokio::test]
async fn what_was_taken_out_again_is_kept_with_what_was_there_before() {
    let Some(repo) = Repo::new() else { return };
    repo.write("kept.txt", "old\n");
    repo.write("moved.txt", "one\ntwo\nthree\n");
    repo.write("pact.toml", "[security]\nignore = [\"a\"]\n");
    let base = repo.commit();
    repo.write("gone.txt", "passing\n");
    repo.write("kept.txt", "between\n");
    let middle = repo.commit();
    repo.git(&["rm", "-q", "gone.txt"]);
    repo.git(&["mv", "moved.txt", "here.txt"]);
    repo.write("kept.txt", "new\n");
    repo.write("pact.toml", "[security]\nignore = [\"a\", \"b\"]\n");
    let head = repo.commit();
    let world = World::new();
    let response = world.analyze(&repo.url(), &head, Some(&base)).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    let (index, mut contents) = push(&world).await;
    contents.sort();
    assert_eq!(
        contents,
        [
            pair("before kept.txt", "old\n"),
            pair("before moved.txt", "one\ntwo\nthree\n"),
            pair("before pact.toml", "[security]\nignore = [\"a\"]\n"),
            pair("gone.txt", "passing\n"),
            pair("kept.txt", "between\n"),
        ]
    );
    assert_eq!(index.commits, 2);
    assert!(index.passing.iter().all(|f| f.commit == middle));
    assert_eq!((index.incomplete.len(), index.notes.len()), (0, 0), "{index:?}");
    assert_eq!(index.settings.expect("settings").ignore, ["a"]);
}

#[tokio::test]
async fn merges_count_what_the_branch_brought_and_not_what_was_there() {
    let Some(repo) = Repo::new() else { return };
    repo.write("a", "a\n");
    let root = repo.commit();
    repo.write("main.txt", "main, first\n");
    repo.commit();
    repo.write("main.txt", "main, second\n");
    let base = repo.commit();
    repo.git(&["checkout", "-q", "-b", "side", &root]);
    repo.write("side.txt", "side, first\n");
    repo.commit();
    repo.write("side.txt", "side, second\n");
    repo.commit();
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "m", "side"]);
    let head = repo.git(&["rev-parse", "HEAD"]);
    let world = World::new();
    world.analyze(&repo.url(), &head, Some(&base)).await.unwrap();
    let (index, contents) = push(&world).await;
    assert_eq!(contents, [pair("side.txt", "side, first\n")]);
    assert_eq!(index.commits, 3);
    assert!(index.incomplete.is_empty());
}

#[tokio::test]
async fn a_history_that_cannot_be_followed_is_said() {
    let Some(repo) = Repo::new() else { return };
    for content in ["1", "2", "3", "4"] {
        repo.write("a", content);
        repo.commit();
    }
    let all = repo.git(&["rev-list", "HEAD"]);
    let base = all.lines().last().unwrap().to_owned();
    let copy = tempfile::tempdir().unwrap();
    let target = copy.path().join("c");
    let target_text = target.to_str().unwrap();
    repo.git(&["clone", "-q", "--depth", "2", &repo.url(), target_text]);
    repo.git(&[
        "--git-dir",
        &format!("{target_text}/.git"),
        "fetch",
        "-q",
        "--depth",
        "1",
        "origin",
        &base,
    ]);
    let head = repo.git(&["rev-parse", "HEAD"]);
    let world = World::new();
    world.analyze(&format!("file://{target_text}"), &head, Some(&base)).await.unwrap();
    let (index, _) = push(&world).await;
    assert!(index.incomplete[0].contains("could not be followed whole"), "{index:?}");
}

#[tokio::test]
async fn attributes_hide_no_line() {
    let Some(repo) = Repo::new() else { return };
    let base = repo.commit();
    repo.write(".gitattributes", "* -diff\n");
    repo.write("a.txt", "one\ntwo\n");
    repo.write("nul.txt", "\0\nx\n");
    let head = repo.commit();
    let world = World::new();
    world.analyze(&repo.url(), &head, Some(&base)).await.unwrap();
    let changes = world.changes().await;
    let lines = |path: &str| {
        let file = changes.files.iter().find(|f| f.path == path).expect("a file");
        (file.binary, file.added, file.added_lines.iter().map(|r| r.end).max())
    };
    assert_eq!(lines("a.txt"), (true, 0, Some(2)));
    assert_eq!(lines("nul.txt"), (true, 0, Some(2)));
}
