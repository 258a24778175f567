//! A disk that is full: it is said which folder it is and what to do, and what was taken goes on then.

use std::{fs::File, io::Write as _, path::PathBuf, process::Command};

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::Value;

use crate::text;

/// A small disk of its own under a folder, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may mount nothing.
    fn small(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&folder).expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&folder)
            .output();
        mount.is_ok_and(|said| said.status.success()).then(|| Self(folder))
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join("fill")).expect("a file");
        while file.write_all(&[0; 4_096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("fill")).expect("the file");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let umount = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(umount.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_is_named_with_what_to_do_and_runs_go_on_when_there_is_room() {
    let (stack, repo) = (Stack::new(), Repo::new());
    let Some(disk) = Disk::small(stack.data()) else {
        eprintln!("not checked: nothing can be mounted here");
        return;
    };
    repo.write("app.py", "a = 1\n").commit("One");
    let path = repo.path().to_string_lossy().into_owned();
    assert!(stack.pactctl(&["repos", "list"]).code == Some(0), "the folder is made");

    // Nothing begins on it.
    disk.fill();
    for command in
        [&["run", &path][..], &["up", "--port", "0", "--aws-port", "0"], &["runs", "list"]]
    {
        let said = stack.pactctl(command);
        assert_eq!(said.code, Some(2), "{said:?}");
        for words in ["the disk is full", &stack.data().to_string_lossy(), "free some space"] {
            assert!(said.stderr.contains(words), "{command:?}: no {words:?} in {}", said.stderr);
        }
    }
    disk.free();

    // One that fills up while a stack is up: it says so by itself, to whoever asks, and to who is refused.
    let (up, endpoints) = stack.up();
    let health = || -> (u16, Value) {
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{}/health", text(&endpoints, "/api"))).send();
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.json().expect("JSON"))
    };
    disk.fill();
    let said = wait_for("the stack to notice", 20, || {
        let (status, said) = health();
        (status == 503 && said.pointer("/disk/full").is_some()).then_some(said)
    });
    let full = text(&said, "/disk/full");
    assert!(full.contains(&*stack.data().to_string_lossy()) && full.contains("left"), "{full}");
    assert!(up.errors().contains("the disk is full"), "{}", up.errors());
    let refused = stack.pactctl(&["run", &path]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("the disk is full"), "{refused:?}");

    disk.free();
    wait_for("the stack to be well", 20, || (health().0 == 200).then_some(()));
    assert!(up.errors().contains("there is room in"), "{}", up.errors());
    let done = stack.pactctl(&["run", &path]);
    assert_eq!(done.code, Some(0), "{done:?}");
    drop(up);
    drop(disk);
}
