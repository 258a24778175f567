//! Reports of other scanners, and a repository's own rules.

use pact_contract::{
    PushIndex, Severity,
    changes::BeforeFile,
    settings::{LicenseSettings, SecuritySettings},
};

use super::*;

const ACTION: &str = "security.scan_vulnerabilities";

/// A report of one scanner with results in lines of `src/a.py`.
fn sarif(results: &[(&str, &str, u32)]) -> String {
    let results: Vec<Value> = results
        .iter()
        .map(|(rule, level, line)| {
            json!({ "ruleId": rule, "level": level, "message": { "text": format!("{rule} is bad") },
                "locations": [{ "physicalLocation": { "artifactLocation": { "uri": "src/a.py" },
                    "region": { "startLine": line } } }] })
        })
        .collect();
    let tool = json!({ "driver": { "name": "Lint" } });
    json!({ "version": "2.1.0", "runs": [{ "tool": tool, "results": results }] }).to_string()
}

/// A push that changed `changed`, each with the lines that it added, on a base that has `before`.
async fn push(
    files: &[(&str, &str)],
    changed: &[(&str, &[LineRange])],
    before: &[(&str, &str)],
    settings: (Value, SecuritySettings),
) -> Bench {
    let changes = changed.iter().map(|(path, lines)| change(path, lines)).collect::<Vec<_>>();
    let mut bench = Bench::with_changes(files, changes.clone()).await;
    let mut packer = Packer::new();
    let mut index = PushIndex { settings: Some(settings.1), ..PushIndex::default() };
    for (number, (path, content)) in before.iter().enumerate() {
        let blob = format!("b{number}");
        packer.add(&PushIndex::blob(&blob), EntryKind::File, content.as_bytes()).expect("packs");
        index.before.push(BeforeFile { path: (*path).to_owned(), blob });
    }
    let json = serde_json::to_vec(&index).expect("serialises");
    packer.add(PushIndex::FILE, EntryKind::File, &json).expect("packs");
    bench.memory.put("push", packer.finish().expect("completes")).await.expect("is kept");
    let set = ChangeSet {
        base: Some("ba5e".to_owned()),
        head: "c0ffee".to_owned(),
        files: changes,
        push_key: Some("push".to_owned()),
    };
    let set = serde_json::to_vec(&set).expect("serialises");
    bench.memory.put("changes", set.into()).await.expect("is kept");
    bench.settings = settings.0;
    bench
}

fn told(response: &ResponseEnvelope) -> Vec<(String, Severity)> {
    let findings = response.response.findings.iter();
    findings.map(|finding| (finding.code.to_string(), finding.severity)).collect()
}

const ALL: &[LineRange] = &[LineRange { start: 1, end: 99 }];
const CODE: &str = "x = 1\ny = 2\n";

#[tokio::test]
async fn what_another_scanner_found_now_blocks_and_what_it_found_before_does_not() {
    let settings = || (json!({ "sarif": ["lint.sarif"] }), SecuritySettings::default());
    let report = sarif(&[("OLD", "error", 1), ("NEW", "error", 2)]);
    let files = [("src/a.py", CODE), ("lint.sarif", report.as_str())];
    // The base had a report, with one of them, elsewhere in the file.
    let old = sarif(&[("OLD", "error", 70)]);
    let bench = push(&files, &[("lint.sarif", ALL)], &[("lint.sarif", &old)], settings()).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    assert_eq!(
        response.response.summary,
        "1 report of another scanner checked for dangerous code: 1 high, with what Lint found; 1 there before"
    );
    assert_eq!(
        told(&response),
        [
            ("sarif-lint-NEW".to_owned(), Severity::High),
            ("sarif-lint-OLD".to_owned(), Severity::Info),
        ]
    );
    let place = response.response.findings[0].place();
    assert_eq!(place.as_deref(), Some("src/a.py:2"));

    // The base had none: what counts is what the push touched.
    let second = [LineRange { start: 2, end: 2 }];
    let changed: &[(&str, &[LineRange])] = &[("src/a.py", &second), ("lint.sarif", ALL)];
    let response = push(&files, changed, &[], settings()).await.run(ACTION).await;
    assert_eq!(response.response.output["high"], 1);
    assert_eq!(response.response.findings[0].code, "sarif-lint-NEW");

    // A report that nobody renewed says nothing new.
    let response = push(&files, &[("src/a.py", ALL)], &[("src/a.py", "x = 0\n")], settings()).await;
    let response = response.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed, "{}", response.response.summary);
    assert_eq!(response.response.output["preexisting"], 2);
}

#[tokio::test]
async fn a_report_that_is_missing_or_cannot_be_read_is_not_a_clean_one() {
    let clean = sarif(&[]);
    for (files, said) in [
        (&[("src/a.py", CODE)][..], "security.sarif names it, and no file is there"),
        (&[("src/a.py", CODE), ("lint.sarif", "{")], "EOF while parsing"),
        (
            &[("src/a.py", CODE), ("lint.sarif", "{\"version\":\"2.1.0\",\"runs\":[]}")],
            "no scanner wrote into it",
        ),
    ] {
        let mut bench = Bench::new(files).await;
        bench.settings = json!({ "sarif": ["lint.sarif"] });
        let response = bench.run(ACTION).await;
        assert_eq!(status(&response), StageStatus::Skipped, "{files:?}");
        assert!(response.response.summary.contains(said), "{}", response.response.summary);
    }
    // That a commit does not name it any more counts from the next one.
    let base =
        SecuritySettings { sarif: vec!["lint.sarif".to_owned()], ..SecuritySettings::default() };
    let files = [("src/a.py", CODE)];
    let bench = push(&files, &[("src/a.py", ALL)], &[], (json!({}), base)).await;
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Skipped);
    let mut bench = Bench::new(&[("src/a.py", CODE), ("lint.sarif", &clean)]).await;
    bench.settings = json!({ "sarif": ["*.sarif"] });
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Passed);
}

const RULE: &str = "no-print = { severity = \"high\", title = \"print\", fix = \"log it\", call = \"print\", bad = [\"print(x)\"], good = [\"log(x)\"] }\n";

#[tokio::test]
async fn rules_of_the_repository_are_used_and_no_commit_loosens_them_by_its_own() {
    let code = "print(1)\nprint(2)  # pact:allow own-no-print: the program's output\n";
    let files = [("src/a.py", code), ("rules/python.toml", RULE)];
    let settings = || SecuritySettings {
        rules: vec!["rules/*.toml".to_owned()],
        licenses: LicenseSettings::default(),
        ..SecuritySettings::default()
    };
    let own = json!({ "rules": ["rules/*.toml"] });
    let mut bench = Bench::new(&files).await.on(&[], true).await;
    bench.settings = own.clone();
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    let finding = &response.response.findings[0];
    assert_eq!((finding.code.as_str(), finding.line), ("own-no-print", Some(1)));
    assert_eq!(finding.message, "print");
    assert!(
        finding.remedy.as_deref().is_some_and(|remedy| remedy.contains("own-no-print: REASON"))
    );
    assert_eq!(response.response.output["high"], 1, "the other one is allowed");

    // Taken out, or made to find nothing, it still judges this commit; and only once.
    let other =
        RULE.replace("\"print\", bad", "\"println\", bad").replace("print(x)", "println(x)");
    for (files, changed) in [
        (vec![("src/a.py", code)], "rules/python.toml"),
        (vec![("src/a.py", code), ("rules/python.toml", other.as_str())], "rules/python.toml"),
        (vec![("src/a.py", code), ("rules/python.toml", RULE)], "README.md"),
    ] {
        let changed: &[(&str, &[LineRange])] = &[("src/a.py", ALL), (changed, ALL)];
        let before: &[(&str, &str)] = match changed[1].0 {
            "README.md" => &[("src/a.py", code)],
            _ => &[("rules/python.toml", RULE), ("src/a.py", code)],
        };
        let bench = push(&files, changed, before, (own.clone(), settings())).await;
        let response = bench.run(ACTION).await;
        assert_eq!(response.response.output["high"], 1, "{files:?}: {:?}", response.response);
    }
}

#[tokio::test]
async fn rules_that_cannot_be_used_are_named_with_their_line_and_nothing_passes() {
    for (name, text, line, said) in [
        ("python.toml", "a = 1", Some(1), "invalid type"),
        ("python.toml", "\n[a]\nseverity = \"high\"", Some(2), "missing field"),
        ("cobol.toml", RULE, Some(1), "no language \"cobol\""),
        (
            "python.toml",
            "python-eval = { severity = \"high\", title = \"t\", fix = \"f\", call = \"x\", bad = [\"x()\"], good = [\"y\"] }",
            Some(1),
            "built-in rule of this name",
        ),
        (
            "python.toml",
            "a = { severity = \"high\", title = \"t\", fix = \"f\", line = \"(a{1000}){1000}\", bad = [\"x\"], good = [\"y\"] }",
            Some(1),
            "size limit",
        ),
        (
            "python.toml",
            "a = { severity = \"high\", title = \"t\", fix = \"f\", line = \"(\", bad = [\"x\"], good = [\"y\"] }",
            Some(1),
            "regex parse error",
        ),
    ] {
        let path = format!("rules/{name}");
        let mut bench = Bench::new(&[("src/a.py", CODE), (&path, text)]).await;
        bench.settings = json!({ "rules": ["rules"] });
        let response = bench.run(ACTION).await;
        assert_eq!(status(&response), StageStatus::Skipped, "{text}");
        let finding = &response.response.findings[0];
        assert_eq!((finding.code.as_str(), finding.line), ("own-rules-unreadable", line), "{text}");
        assert!(finding.message.contains(said), "{}", finding.message);
    }
}

#[test]
fn a_rule_is_held_to_its_own_examples() {
    assert_eq!(crate::check_rules("rules/python.toml", RULE), Ok(1));
    let wrong = RULE.replace("bad = [\"print(x)\"]", "bad = [\"echo(x)\"]");
    let faults = crate::check_rules("python.toml", &format!("\n{wrong}")).expect_err("is refused");
    assert_eq!(faults[0].line, Some(2));
    assert!(faults[0].message.contains("does not find its bad example \"echo(x)\""), "{faults:?}");
    let wrong = RULE.replace("good = [\"log(x)\"]", "good = [\"print(y)\"]");
    assert!(crate::check_rules("a.toml", &wrong).is_err());
    let named = RULE.replace("{ severity", "{ language = \"python\", severity");
    assert_eq!(crate::check_rules("team.toml", &named), Ok(1));
}

#[tokio::test]
async fn a_report_does_not_make_its_own_findings_old() {
    let report = sarif(&[("NEW", "error", 2)])
        .replace("\"ruleId\":\"NEW\"", "\"baselineState\":\"unchanged\",\"ruleId\":\"NEW\"");
    assert!(report.contains("unchanged"), "{report}");
    let files = [("src/a.py", CODE), ("lint.sarif", report.as_str())];
    let old = sarif(&[("OLD", "error", 1)]);
    let settings = (json!({ "sarif": ["lint.sarif"] }), SecuritySettings::default());
    let bench = push(&files, &[("lint.sarif", ALL)], &[("lint.sarif", &old)], settings).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    assert_eq!(told(&response), [("sarif-lint-NEW".to_owned(), Severity::High)]);
}
