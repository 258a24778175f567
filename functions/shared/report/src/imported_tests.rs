//! SARIF of other scanners: what is read, and what hostile texts do.

use pact_contract::Severity;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::imported;

fn tree(path: &str) -> bool {
    matches!(path, "src/a.py" | "b c.py")
}

fn log(run: Value) -> String {
    json!({ "version": "2.1.0", "runs": [run] }).to_string()
}

#[test]
fn results_become_findings_with_severity_place_and_a_code_of_their_own() {
    let text = log(json!({
        "tool": { "driver": {
            "name": "Some Scanner", "version": "1.2",
            "rules": [
                { "id": "B602", "helpUri": "https://docs.example/b602",
                  "properties": { "security-severity": "9.1" } },
                { "id": "N1", "defaultConfiguration": { "level": "note" }, "help": { "text": "do this" },
                  "messageStrings": { "m": { "text": "{0} is {1}, {0" } } },
            ],
        } },
        "originalUriBaseIds": { "SRC": { "uri": "file:///home/x/shop/" } },
        "artifacts": [{ "location": { "uri": "b%20c.py" } }],
        "results": [
            { "ruleId": "B602", "ruleIndex": 0, "level": "note", "message": { "text": "a shell\u{7}" },
              "locations": [{ "physicalLocation": {
                  "artifactLocation": { "uri": "src/a.py", "uriBaseId": "SRC" },
                  "region": { "startLine": 3, "startColumn": 5 } } }, { "physicalLocation": null }] },
            { "ruleIndex": 1, "message": { "id": "m", "arguments": ["x", "y"] },
              "locations": [{ "physicalLocation": { "artifactLocation": { "index": 0 } } }] },
            { "ruleId": "no/such rule", "message": { "text": "m" }, "baselineState": "unchanged",
              "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "../../etc/passwd" } } }] },
            { "ruleId": "E", "level": "error", "message": { "text": "m" } },
            { "ruleId": "P", "kind": "pass", "message": { "text": "m" } },
            { "ruleId": "R", "kind": "review", "message": { "text": "m" } },
            { "ruleId": "S", "message": { "text": "m" }, "suppressions": [{ "kind": "inSource" }] },
            { "ruleId": "T", "message": { "text": "m" }, "suppressions": [{ "status": "rejected" }] },
        ],
    }));
    let read = imported(&text, &tree).expect("is read");
    let told: Vec<_> = read
        .results
        .iter()
        .map(|one| {
            let finding = &one.finding;
            (finding.code.to_string(), finding.severity, finding.place(), finding.message.clone())
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            ("sarif-some-scanner-B602", Severity::Critical, some("src/a.py:3:5"), "a shell "),
            ("sarif-some-scanner-N1", Severity::Low, some("b c.py"), "x is y, {0"),
            ("sarif-some-scanner-no-such-rule", Severity::Medium, None, "m"),
            ("sarif-some-scanner-E", Severity::High, None, "m"),
            ("sarif-some-scanner-R", Severity::Info, None, "m"),
            ("sarif-some-scanner-T", Severity::Medium, None, "m"),
        ]
        .map(|(code, severity, place, said)| (
            code.to_owned(),
            severity,
            place,
            said.to_owned()
        ))
    );
    assert_eq!(read.suppressed, 1);
    assert!(read.incomplete.is_empty());
    assert_eq!(read.results[0].finding.remedy.as_deref(), Some("see https://docs.example/b602"));
    assert_eq!(read.results[1].finding.remedy.as_deref(), Some("do this"));
    assert_eq!(read.results[0].finding.evidence.as_deref(), Some("found by Some Scanner 1.2"));
}

#[test]
fn a_fingerprint_stays_where_lines_move_and_tells_twins_apart() {
    let text = |line: u32| {
        let place = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": "src/a.py" }, "region": { "startLine": line } } }]);
        let one = json!({ "ruleId": "A", "message": { "text": "m" }, "locations": place });
        log(json!({ "tool": { "driver": { "name": "s" } }, "results": [one, one] }))
    };
    let prints = |line| -> Vec<String> {
        let read = imported(&text(line), &tree).expect("is read");
        read.results.into_iter().map(|one| one.fingerprint).collect()
    };
    assert_eq!(prints(3), prints(40));
    assert_ne!(prints(3)[0], prints(3)[1]);
}

#[test]
fn what_did_not_look_or_did_not_end_well_is_said() {
    let driver = json!({ "driver": { "name": "s" } });
    for (run, said) in [
        (json!({ "tool": driver }), "wrote no list of results"),
        (
            json!({ "tool": driver, "results": [], "invocations": [{ "executionSuccessful": false }] }),
            "did not end well",
        ),
        (
            json!({ "tool": driver, "results": [], "invocations": [{ "executionSuccessful": true,
                "toolExecutionNotifications": [{ "level": "error", "message": { "text": "no parser" } }] }] }),
            "met an error: no parser",
        ),
        (
            json!({ "tool": driver, "results": [], "externalPropertyFileReferences": { "results": [{}] } }),
            "in other files",
        ),
    ] {
        let read = imported(&log(run), &tree).expect("is read");
        assert!(read.incomplete.len() == 1 && read.incomplete[0].contains(said), "{read:?}");
    }
    let clean = log(json!({ "tool": driver, "results": [] }));
    assert!(imported(&clean, &tree).expect("is read").incomplete.is_empty());
    let none = imported("{\"version\": \"2.1.0\", \"runs\": []}", &tree).expect("is read");
    assert_eq!(none.incomplete.len(), 1);
}

#[test]
fn what_is_no_sarif_or_too_much_is_refused_with_the_reason() {
    let many = format!(
        "{{\"version\":\"2.1.0\",\"runs\":[{{\"results\":[{}{{}}]}}]}}",
        "{},".repeat(20_000)
    );
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    let large = format!("{{\"version\": \"{}\"}}", "a".repeat(17 * 1024 * 1024));
    for (text, said) in [
        ("", "EOF"),
        ("[]", "version"),
        ("{}", "it says no version"),
        ("{\"version\": \"2.0.0\", \"runs\": []}", "SARIF 2.0.0"),
        ("{\"version\": \"2.1.0\"}", "no runs"),
        (&many, "more than 20000"),
        // Depth is skipped without a stack of its own.
        (&deep, "EOF"),
        (&large, "larger than 16 MiB"),
    ] {
        let error = imported(text, &tree).expect_err("is refused");
        assert!(error.contains(said), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_path_leads_out_and_nothing_panics(
        uri in "(file:)?(//)?[/\\\\]{0,2}([.]{1,2}/|[a-c]/|%2e%2e/|%00|[A-Z]:){0,6}[a-z%./]{0,8}",
        line in any::<i64>(), rule in "\\PC{0,200}", said in "\\PC{0,80}", level in "\\PC{0,8}",
    ) {
        let text = log(json!({
            "tool": { "driver": { "name": rule, "rules": [{ "id": said }] } },
            "results": [{ "ruleId": rule, "level": level, "ruleIndex": line, "message": { "text": said },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri, "index": line },
                    "region": { "startLine": line, "startColumn": line } } }] }],
        }));
        let read = imported(&text, &tree).expect("is read");
        for one in read.results {
            let path = one.finding.path.unwrap_or_default();
            prop_assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path}");
            prop_assert!(one.finding.line != Some(0));
        }
    }
}
