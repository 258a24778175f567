use pact_agent::ports::Artifacts;
use pact_contract::{ErrorName, FallbackLevel, StageStatus, settings::Settings};

use super::harness::{Repo, World, assert_status, coded, output};

#[tokio::test]
async fn a_commit_is_packed_once_and_its_changes_are_kept() {
    let Some(repo) = Repo::new() else { return };
    repo.write("src/main.rs", "fn main() {}\n");
    repo.write("run.sh", "#!/bin/sh\n");
    let base = repo.commit();
    repo.write("src/main.rs", "fn main() {\n    run();\n}\n");
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = repo.path().join("run.sh");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("src/main.rs", repo.path().join("link")).unwrap();
    }
    let commit = repo.commit();
    let world = World::new();
    let response = world.analyze(&repo.url(), &commit, Some(&base)).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    assert!(response.fallback.is_none());
    let out = output(&response);
    assert!(out.source.key.starts_with("sources/") && out.source.key.ends_with(".tar.gz"));
    assert_eq!(out.changes.files, 3);
    assert_eq!((out.changes.added, out.changes.deleted), (4, 1));
    assert_eq!(out.changes.languages["Rust"], 1);
    assert_eq!((out.settings, out.settings_path), (Settings::default(), None));
    let changes = world.changes().await;
    assert_eq!(changes.base.as_deref(), Some(base.as_str()));

    let folder = world.unpack(&out.source).await;
    let text = std::fs::read_to_string(folder.path().join("link")).unwrap();
    assert_eq!(text, "fn main() {\n    run();\n}\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("run.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }

    // A second time: nothing is packed, the answer is the same.
    world.memory.put(&out.source.key, "kept".into()).await.unwrap();
    let again = world.analyze(&repo.url(), &commit, Some(&base)).await.unwrap();
    assert_eq!(again.output, response.output);
    assert_eq!(world.memory.get(&out.source.key).await.unwrap().unwrap(), "kept");
}

#[tokio::test]
async fn a_base_that_cannot_be_had_falls_back_to_the_parent_and_says_so() {
    let Some(repo) = Repo::new() else { return };
    repo.write("a.txt", "a\n");
    let first = repo.commit();
    repo.write("b.txt", "b\n");
    let second = repo.commit();
    let world = World::new();
    let lost = "1".repeat(40);
    let response = world.analyze(&repo.url(), &second, Some(&lost)).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    let fallback = response.fallback.expect("a fallback");
    assert_eq!(fallback.fallback_level, FallbackLevel::ParameterAdaptation);
    assert!(fallback.description.contains(&lost) && fallback.description.contains(&first));
    assert_eq!(fallback.original_intent["parameters"]["base"], lost.as_str());
    assert_eq!(world.changes().await.base, Some(first.clone()));

    let response = world.analyze(&repo.url(), &first, Some(&lost)).await.unwrap();
    assert!(response.fallback.expect("a fallback").description.contains("everything"));
    assert_eq!(world.changes().await.base, None);
    // A branch that is new has the zero id as its base: no fallback.
    let response = world.analyze(&repo.url(), &first, Some(&"0".repeat(40))).await.unwrap();
    assert!(response.fallback.is_none());
}

#[tokio::test]
async fn what_cannot_be_fetched_is_a_fault_with_a_clear_message() {
    let Some(repo) = Repo::new() else { return };
    let world = World::new();
    let fault = |error: pact_agent::AgentError| (error.name, error.chain());
    let (name, text) = fault(world.analyze(&repo.url(), &"2".repeat(40), None).await.unwrap_err());
    assert_eq!(name, ErrorName::SourceUnavailable);
    assert!(text.contains("no commit 2222"), "{text}");

    repo.write("a", "a");
    repo.commit();
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    let (name, text) = fault(world.analyze(&repo.url(), &tree, None).await.unwrap_err());
    assert_eq!(name, ErrorName::SourceUnavailable);
    assert!(text.contains("is a tree"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let (name, text) = fault(world.analyze(&url, &"2".repeat(40), None).await.unwrap_err());
    assert_eq!(name, ErrorName::SourceUnavailable);
    assert!(text.contains("is not a git repository"), "{text}");

    let strict = World::allowing("https://git.example/", None);
    let (name, text) = fault(strict.analyze(&repo.url(), &"2".repeat(40), None).await.unwrap_err());
    assert_eq!(name, ErrorName::InvalidIntent);
    assert!(text.contains("PACT_ALLOWED_SOURCES"), "{text}");
}

#[tokio::test]
async fn settings_are_read_from_the_commit() {
    let Some(repo) = Repo::new() else { return };
    repo.write(".pact.toml", "[code]\nmax_cyclomatic = 7\n");
    let commit = repo.commit();
    // What lies in the folder does not count.
    repo.write(".pact.toml", "[code]\nmax_cyclomatic = 99\n");
    let world = World::new();
    let response = world.analyze(&repo.url(), &commit, None).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    let out = output(&response);
    assert_eq!(out.settings.code.max_cyclomatic, 7);
    assert_eq!(out.settings_path.as_deref(), Some(".pact.toml"));

    repo.write(".pact.toml", "[code]\nmax_cyclomatic = \"many\"\n");
    let commit = repo.commit();
    let response = world.analyze(&repo.url(), &commit, None).await.unwrap();
    assert_status(&response, StageStatus::Failed);
    let invalid = coded(&response, "config-invalid");
    assert_eq!(invalid[0].path.as_deref(), Some(".pact.toml"));
    assert_eq!(invalid[0].line, Some(2));
    let out = output(&response);
    // What cannot be read says nothing: who is told, for one, stays as it was.
    assert_eq!(out.settings.code.max_cyclomatic, 7);
    assert!(
        world.memory.has_recent(&out.source.key).await.unwrap(),
        "the source is there all the same"
    );
    let why = format!("pact.toml is not valid: {} (line 2); ", invalid[0].message);
    assert!(response.summary.contains(&why), "{}", response.summary);

    repo.write("pact.toml", "[code]\nmax_cyclomatic = 9\n");
    let commit = repo.commit();
    let response = world.analyze(&repo.url(), &commit, None).await.unwrap();
    assert_status(&response, StageStatus::Failed);
    assert!(coded(&response, "config-invalid")[0].message.contains("both pact.toml"));
}

#[tokio::test]
async fn submodules_pointers_and_unsafe_names_are_named() {
    let Some(repo) = Repo::new() else { return };
    repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    repo.write("a.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    repo.git(&["add", "-A"]);
    let id = "3".repeat(40);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},module")]);
    repo.git(&["commit", "-q", "-m", "x"]);
    let commit = repo.git(&["rev-parse", "HEAD"]);
    let world = World::new();
    let response = world.analyze(&repo.url(), &commit, None).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    assert_eq!(coded(&response, "submodule-left-out")[0].path.as_deref(), Some("module"));
    assert_eq!(coded(&response, "lfs-pointer")[0].path.as_deref(), Some("a.bin"));
    let folder = world.unpack(&output(&response).source).await;
    assert!(folder.path().join("a.bin").exists() && !folder.path().join("module").exists());
}

#[tokio::test]
async fn a_shallow_repository_on_this_machine_falls_back() {
    let Some(repo) = Repo::new() else { return };
    for text in ["1\n", "2\n", "3\n"] {
        repo.write("a.txt", text);
        repo.commit();
    }
    let base = repo.git(&["rev-parse", "HEAD~2"]);
    let head = repo.git(&["rev-parse", "HEAD"]);
    let folder = tempfile::tempdir().unwrap();
    let shallow = folder.path().join("shallow");
    let to = shallow.display().to_string();
    repo.git(&["clone", "-q", "--depth=1", &repo.url(), &to]);
    let world = World::new();
    let response = world.analyze(&format!("file://{to}"), &head, Some(&base)).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    assert!(response.summary.contains("shallow"), "{}", response.summary);
    assert!(response.fallback.expect("a fallback").description.contains("everything"));
}

#[tokio::test]
async fn a_partial_clone_is_named_and_not_tried_again() {
    let Some(repo) = Repo::new() else { return };
    repo.write("a.txt", "1\n");
    let head = repo.commit();
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let folder = tempfile::tempdir().unwrap();
    let partial = folder.path().join("partial");
    let to = partial.display().to_string();
    repo.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &repo.url(), &to]);
    let world = World::new();
    let error = world.analyze(&format!("file://{to}"), &head, None).await.unwrap_err();
    assert_eq!(error.name, ErrorName::ToolFailed, "{error}");
    assert!(error.message.contains("a.txt") && error.message.contains("--filter"), "{error}");
}
