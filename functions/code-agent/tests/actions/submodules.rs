//! Submodules: what of them is fetched, with what, and what is said of the others.

use std::path::Path;

use pact_contract::{StageStatus, envelope::Response, statuses::source_token_name};

use super::{
    harness::{Repo, World, assert_status, coded, output},
    http::{ONE, Server, has_backend},
};

/// A library with a file, and its commit.
fn library() -> Option<(Repo, String)> {
    let library = Repo::new()?;
    library.write("src/lib.txt", "shared\n");
    let commit = library.commit();
    Some((library, commit))
}

/// A commit that has the library's as its submodule `deps/lib`, at this address.
fn using(repo: &Repo, address: &str, commit: &str) -> String {
    repo.write("app.txt", "app\n");
    repo.write(
        ".gitmodules",
        format!("[submodule \"lib\"]\n\tpath = deps/lib\n\turl = {address}\n"),
    );
    repo.git(&["add", "-A"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},deps/lib")]);
    repo.git(&["commit", "-q", "-m", "x"]);
    repo.git(&["rev-parse", "HEAD"])
}

/// Publishes a repository below a folder.
fn publish(repo: &Repo, root: &Path, name: &str) {
    let to = root.join(name).display().to_string();
    repo.git(&["clone", "-q", "--bare", &repo.url(), &to]);
}

/// The file of the library among those of the commit, and what is said of it where it is absent.
async fn seen(world: &World, response: &Response) -> (bool, String) {
    assert_status(response, StageStatus::Passed);
    let folder = world.unpack(&output(response).source).await;
    let file = folder.path().join("deps/lib/src/lib.txt");
    let said = coded(response, "submodule-left-out");
    assert!(folder.path().join("app.txt").exists());
    (file.exists(), said.first().map(|said| said.message.clone()).unwrap_or_default())
}

#[tokio::test]
async fn what_a_repository_of_this_machine_has_of_its_submodules_is_taken() {
    let Some((library, at)) = library() else { return };
    let Some(repo) = Repo::new() else { return };
    let commit = using(&repo, &library.url(), &at);
    let world = World::new();
    let response = world.analyze(&repo.url(), &commit, None).await.unwrap();
    let (there, said) = seen(&world, &response).await;
    assert!(!there && said.contains("git submodule update --init"), "{said}");
    assert!(response.summary.ends_with("; without the submodule deps/lib"), "{}", response.summary);
    // A file of this machine that is no submodule of it yet is nobody's to name.
    repo.git(&["-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init"]);
    let response = world.analyze(&repo.url(), &commit, None).await.unwrap();
    assert_eq!(seen(&world, &response).await, (true, String::new()));
}

#[tokio::test]
async fn submodules_come_from_the_own_host_with_the_own_token_or_none() {
    let Some((library, at)) = library() else { return };
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let commit = using(&repo, "../lib.git", &at);
    let folder = tempfile::tempdir().unwrap();
    publish(&library, folder.path(), "lib.git");
    publish(&repo, folder.path(), "web.git");
    let open = Server::start(folder.path(), None);
    let world = World::new();
    let response = world.analyze(&open.url("web.git"), &commit, None).await.unwrap();
    assert_eq!(seen(&world, &response).await, (true, String::new()));

    // One for everything is for no submodule: a commit could name any repository.
    let closed = Server::start(folder.path(), Some(ONE));
    let named = format!("http://127.0.0.1:{}/", closed.port);
    let world = World::allowing(&named, Some("ghs_one"));
    let response = world.analyze(&closed.url("web.git"), &commit, None).await.unwrap();
    let (there, said) = seen(&world, &response).await;
    assert!(!there && said.contains("without a token"), "{said}");
    assert!(!said.contains("ghs_one"), "{said}");
    let own = source_token_name(&"acme/web".parse().unwrap());
    world.memory.set_secret(&own, "ghs_one");
    let response = world.analyze(&closed.url("web.git"), &commit, None).await.unwrap();
    assert_eq!(seen(&world, &response).await, (true, String::new()));
    // A stranger may name what the token reads, and see what comes of it.
    let url = closed.url("web.git");
    let fork = serde_json::json!({
        "repository": { "name": "acme/web", "url": url, "default_branch": "main" },
        "reference": "refs/pull/1/head",
        "commit": commit,
        "pull": { "number": 1, "target": "main", "fork": true },
    });
    let response = world.send("code.analyze_changes", fork).await.unwrap();
    let (there, said) = seen(&world, &response).await;
    assert!(!there && said.contains("none for a fork"), "{said}");
}

#[tokio::test]
async fn no_other_host_is_asked_unless_it_is_named_and_then_without_the_token() {
    let Some((library, at)) = library() else { return };
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    publish(&library, folder.path(), "lib.git");
    let other = Server::start(folder.path(), None);
    let commit = using(&repo, &other.url("lib.git"), &at);
    publish(&repo, folder.path(), "web.git");
    let host = Server::start(folder.path(), Some(ONE));
    let own = source_token_name(&"acme/web".parse().unwrap());
    for (list, there) in [
        (format!("http://127.0.0.1:{}/", host.port), false),
        (format!("http://127.0.0.1:{}/,http://127.0.0.1:{}/", host.port, other.port), true),
    ] {
        let world = World::allowing(&list, None);
        world.memory.set_secret(&own, "ghs_one");
        let response = world.analyze(&host.url("web.git"), &commit, None).await.unwrap();
        let (found, said) = seen(&world, &response).await;
        assert_eq!(found, there, "{said}");
        assert_eq!(said.contains("not the repository's own host"), !there, "{said}");
        let asked = other.seen.lock().unwrap();
        assert_eq!(asked.is_empty(), !there);
        assert!(asked.iter().all(Option::is_none), "the token went to another host");
    }
}

#[tokio::test]
async fn what_is_no_commit_of_the_submodule_or_not_there_is_left_out() {
    let Some((library, _)) = library() else { return };
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let blob = library.git(&["rev-parse", "HEAD:src/lib.txt"]);
    let folder = tempfile::tempdir().unwrap();
    publish(&library, folder.path(), "lib.git");
    let server = Server::start(folder.path(), None);
    // What has moved is elsewhere, and not followed: who looks is told.
    let there = library.git(&["rev-parse", "HEAD"]);
    for (at, address) in [
        (blob, "../lib.git"),
        ("3".repeat(40), "../lib.git"),
        (there.clone(), "../renamed/lib.git"),
        (there, "../none.git"),
    ] {
        let commit = using(&repo, address, &at);
        let name = format!("{}.git", commit.get(..8).unwrap());
        publish(&repo, folder.path(), &name);
        let world = World::new();
        let response = world.analyze(&server.url(&name), &commit, None).await.unwrap();
        let (there, said) = seen(&world, &response).await;
        assert!(!there && !said.is_empty(), "{at}: {said}");
    }
}
