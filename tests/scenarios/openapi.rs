//! The HTTP API keeps what its document says, whatever it is sent: tried by a program that reads the
//! document and makes requests of it, right ones and wrong ones.

use std::process::Command;

use pact_e2e::{Repo, Stack};

use crate::gateway::{payload, up};

#[test]
fn what_the_document_says_holds() {
    if Command::new("schemathesis").arg("--version").output().is_err() {
        eprintln!("skipped: nothing was made of the OpenAPI document, there is no `schemathesis`");
        return;
    }
    // Every host is set up: what is not answers 503, as the document says.
    let stack = Stack::new().with("PACT_GITLAB_TOKEN", "a-token-of-gitlab-0123");
    let repo = Repo::new();
    repo.write("a.json", "{}");
    let before = repo.commit("First");
    repo.write("a.json", "{\"a\": 1}");
    let after = repo.commit("Second");
    let up = up(&stack);
    // So that something can be found.
    let (status, answer) = up.push("one", &payload(repo.path(), &before, &after));
    assert_eq!(status, 202, "{answer}");

    let tried = Command::new("schemathesis")
        .args(["run", &format!("{}/v1/openapi.json", up.api)])
        .args(["--header", &format!("Authorization: Bearer {}", up.token)])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1"])
        // Schemas are looser than what is taken: no pattern of theirs knows each branch that git
        // refuses. And wrong credentials are slowed down, as another scenario shows.
        .args(["--exclude-checks", "positive_data_acceptance,ignored_auth"])
        .args(["--generation-database", "none", "--no-color"])
        .current_dir(repo.path())
        .output()
        .expect("it can be run");
    let said = String::from_utf8_lossy(&tried.stdout);
    assert!(tried.status.success(), "{said}{}", String::from_utf8_lossy(&tried.stderr));
}
