//! The single tests of a run are kept, and shown by the command line, the page and the API.

use pact_e2e::{Repo, Stack};
use serde_json::Value;

use crate::{stage, text};

/// Writes a report with a test that failed, one that passed at last, and two that passed.
const SCRIPT: &str = r#"cat >junit.xml <<'END'
<testsuite name="cart">
<testcase name="sums" time="0.012" file="t.sh"><failure message="expected 3, got 4"/></testcase>
<testcase name="rounds" time="0.2"><flakyFailure message="once"/></testcase>
<testcase name="slow" time="7.5"/>
<testcase name="&lt;b&gt;quick" time="0.001"/>
</testsuite>
END
exit 1
"#;

fn names(list: &Value) -> Vec<&str> {
    let tests = list["tests"].as_array().into_iter().flatten();
    tests.map(|test| text(test, "/name")).collect()
}

#[test]
fn the_single_tests_of_a_run_are_listed_with_status_time_attempts_and_message() {
    let stack = Stack::new();
    let (up, endpoints) = stack.up();
    let repo = Repo::new();
    repo.write("pact.toml", "[tests.unit]\ncommand = [\"sh\", \"t.sh\"]\ntimeout_seconds = 60\n");
    repo.write("t.sh", SCRIPT);
    repo.commit("Tests");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let run = text(&report, "/run_id").to_owned();
    assert!(stage(&report, "RunUnitTests")["output"]["tests_key"].is_string(), "{report:#}");

    // As people see it, of the stack that is up.
    let shown = stack.pactctl(&["runs", "tests"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in ["1 failed, 1 flaky, 2 passed", "expected 3, got 4", "t.sh", "2 attempts", "7.5 s"]
    {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    let list = |arguments: &[&str]| -> Value {
        let shown = stack.pactctl(&[&["runs", "tests", &run, "--json"], arguments].concat());
        assert_eq!(shown.code, Some(0), "{shown:?}");
        shown.json()["stages"][0].clone()
    };
    assert_eq!(names(&list(&["--failed"])), ["sums"]);
    assert_eq!(names(&list(&["--slowest", "2"])), ["slow", "rounds"]);
    assert_eq!(names(&list(&["--text", "ROUND"])), ["rounds"]);

    // The same by the page and the API.
    let http = reqwest::blocking::Client::new();
    let token = stack.secrets()["api_token"].clone();
    let get = |path: String| {
        let request = http.get(format!("{}{path}", text(&endpoints, "/api")));
        let answer = request.bearer_auth(token.as_str().expect("a token")).send();
        answer.and_then(reqwest::blocking::Response::text).expect("an answer")
    };
    let page = get(format!("/runs/{run}/tests"));
    assert!(page.contains("expected 3, got 4") && page.contains("&lt;b&gt;quick"), "{page}");
    let answer = get(format!("/api/runs/{run}/tests?order=slowest&limit=1"));
    let answer: Value = answer.parse().expect("JSON");
    assert_eq!(names(&answer), ["slow"], "{answer:#}");
    assert_eq!((&answer["total"], &answer["next"]), (&4.into(), &1.into()), "{answer:#}");
    up.signal("TERM");
    assert_eq!(up.wait().code, Some(0));
    // And of the stack that is down.
    assert_eq!(names(&list(&[])), ["sums", "rounds", "slow", "<b>quick"]);
}
