//! One order of releases: the newest stays, back is a push of its own, and what nobody judged does
//! not stay.

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{
    gate::Gate,
    gateway::{Up, payload, up},
    get, text,
};

impl Up {
    /// Delivers a push of the branch from one commit to another; answers with its run.
    fn pushed(&self, repo: &Repo, delivery: &str, before: &str, after: &str) -> String {
        let (status, answer) = self.push(delivery, &payload(repo.path(), before, after));
        assert_eq!(status, 202, "{answer}");
        text(&answer, "/run_id").to_owned()
    }

    fn run(&self, id: &str) -> Value {
        let request = self.http.get(format!("{}/v1/runs/{id}", self.api)).bearer_auth(&self.token);
        request.send().expect("the gateway answers").json().expect("JSON")
    }

    /// Waits until the run is over.
    fn ended(&self, id: &str) -> Value {
        wait_for("the end of the run", 180, || {
            let run = self.run(id);
            (!["running", "queued"].contains(&text(&run, "/status"))).then_some(run)
        })
    }

    fn ends_as(&self, id: &str, status: &str) -> Value {
        let run = self.ended(id);
        assert_eq!(text(&run, "/status"), status, "{run:#}");
        run
    }

    /// Waits for the question of a run.
    fn asked(&self, id: &str) -> String {
        wait_for("the question", 120, || {
            let run = self.run(id);
            let callback = text(&run, "/approvals/0/callback");
            (!callback.is_empty()).then(|| callback.to_owned())
        })
    }

    fn approve(&self, callback: &str) {
        let answer = self
            .http
            .post(format!("{}/v1/callbacks/{callback}", self.api))
            .bearer_auth(&self.token)
            .json(&json!({ "approved": true, "by": "Grace" }))
            .send()
            .expect("the gateway answers");
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

/// Address of production, from a run that reached it.
fn production(run: &Value) -> String {
    let all = run["outcome"]["deployments"].as_array().expect("deployments");
    let one = all.iter().find(|d| d["environment"] == "production").expect("production");
    text(one, "/url").to_owned()
}

#[test]
fn a_newer_push_takes_the_place_of_one_whose_tests_run() {
    let (stack, repo, gate) = (Stack::new(), Repo::shop(), Gate::new());
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.write("test.sh", &gate.script()).write("app.py", "a = 1\n");
    let slow = repo.commit("Slow tests");
    repo.write("test.sh", "echo '1 passed'\n").write("app.py", "a = 2\n").write("version", "two");
    let fast = repo.commit("Fast tests");
    let up = up(&stack);
    let older = up.pushed(&repo, "d-1", &first, &slow);
    gate.wait(1);
    let newer = up.pushed(&repo, "d-2", &slow, &fast);
    // After the answer.
    let run = up.ends_as(&older, "superseded");
    assert!(text(&run, "/outcome/reason").contains(&newer), "{run:#}");
    // Its tests are not left behind.
    gate.gone(60);
    let run = up.ends_as(&newer, "succeeded");
    assert_eq!(get(&production(&run)).as_deref(), Some("two"));
    assert_eq!(text(&up.run(&older), "/status"), "superseded");
}

#[test]
fn pushed_back_and_forward_again_each_comes_into_effect() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.write("app.py", "a = 2\n").write("version", "two");
    let second = repo.commit("Two");
    let up = up(&stack);
    let zero = "0".repeat(40);
    let mut runs = Vec::new();
    for (number, (before, after, version)) in (1..).zip([
        (&zero, &first, "one"),
        (&first, &second, "two"),
        (&second, &first, "one"),
        (&first, &second, "two"),
    ]) {
        let delivery = format!("d-{number}");
        let id = up.pushed(&repo, &delivery, before, after);
        let run = up.ends_as(&id, "succeeded");
        assert_eq!(get(&production(&run)).as_deref(), Some(version), "push {number}");
        assert_eq!(up.pushed(&repo, &delivery, before, after), id, "the same delivery");
        assert!(!runs.contains(&id), "push {number} is a run of its own");
        runs.push(id);
    }
    assert_eq!(up.executions(), 4);
}

#[test]
fn an_approval_that_comes_late_does_not_put_the_older_over_the_newer() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    let careful = format!("{settings}\n[environments.production.approval]\ntimeout_minutes = 5\n");
    repo.write("pact.toml", &careful);
    let base = repo.commit("Ask before production");
    repo.write("app.py", "a = 1\n").write("version", "older");
    let older = repo.commit("Older");
    repo.write("app.py", "a = 2\n").write("version", "newer");
    let newer = repo.commit("Newer");
    let up = up(&stack);
    let first = up.pushed(&repo, "d-1", &base, &older);
    let late = up.asked(&first);
    let second = up.pushed(&repo, "d-2", &older, &newer);
    let early = up.asked(&second);
    up.approve(&early);
    let run = up.ends_as(&second, "succeeded");
    up.approve(&late);
    let outdated = up.ends_as(&first, "superseded");
    let reason = text(&outdated, "/outcome/reason");
    assert!(reason.contains("was pushed before"), "{reason}");
    assert_eq!(get(&production(&run)).as_deref(), Some("newer"));
}

#[test]
fn what_a_cancelled_run_was_watching_is_taken_back_and_may_be_tried_again() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.write("app.py", "a = 2\n").write("version", "good");
    let good = repo.commit("Good");
    // A longer watch is stricter: it counts at once. What is there before is measured as long.
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    repo.write("pact.toml", &settings.replace("seconds = 1\n", "seconds = 30\n"));
    repo.write("app.py", "a = 3\n").write("version", "watched");
    let watched = repo.commit("Watched");
    let up = up(&stack);
    let id = up.pushed(&repo, "d-1", &first, &good);
    let url = production(&up.ends_as(&id, "succeeded"));
    assert_eq!(get(&url).as_deref(), Some("good"));

    let id = up.pushed(&repo, "d-2", &good, &watched);
    wait_for("the watched release", 120, || {
        (get(&url).as_deref() == Some("watched")).then_some(())
    });
    let cancel = || {
        let body = json!({ "by": "Grace", "reason": "it answers 500" }).to_string();
        let request = up.http.post(format!("{}/v1/runs/{id}/cancel", up.api));
        request.bearer_auth(&up.token).body(body).send().expect("an answer").status()
    };
    // While the release is being put into effect, a cancellation is refused.
    wait_for("the cancellation", 60, || cancel().is_success().then_some(()));
    let run = up.ends_as(&id, "cancelled");
    let reason = text(&run, "/outcome/reason");
    assert!(reason.contains("Grace") && reason.contains("it answers 500"), "{reason}");
    assert_eq!(get(&url).as_deref(), Some("good"), "the release before is back");
    let stages = stack.pactctl(&["runs", "show", &id, "--json"]).json();
    let finished = text(&run, "/finished_at").to_owned();
    for stage in stages["stages"].as_array().into_iter().flatten() {
        let ended = text(stage, "/finished_at");
        let told = text(stage, "/state").starts_with("Notify");
        assert!(told || ended <= finished.as_str(), "{stage:#} after {finished}");
    }
}
