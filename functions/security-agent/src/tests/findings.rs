//! Secrets and static analysis.

use super::*;
use crate::report::MAX_FINDINGS;
use pact_contract::Severity;

const SECRETS: &str = "security.validate_secrets";
const CODE: &str = "security.scan_vulnerabilities";

/// Has the form of an access key; put together here, so that it is in no file.
fn key() -> String {
    ["AKIA", "Q7ZT4LMX", "3VR2PKWE"].concat()
}

#[tokio::test]
async fn a_secret_in_an_added_line_fails_and_is_nowhere_in_the_records() {
    let content = format!("import os\nid = '{}'\n", key());
    let bench = Bench::new(&[("app/settings.py", &content)]).await;
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.summary, "1 changed file checked for secrets: 1 critical");
    let finding = &response.response.findings[0];
    assert_eq!(finding.code, "secret-aws-access-key");
    assert_eq!(finding.place().as_deref(), Some("app/settings.py:2:7"));
    assert_eq!(finding.evidence.as_deref(), Some("AKIA… (20 characters)"));
    let kept =
        format!("{:?} {:?}", bench.memory.stages(), bench.memory.log(&"r1".parse().unwrap()));
    assert!(!kept.contains(&key()) && kept.contains("secret-aws-access-key"));
}

#[tokio::test]
async fn what_somebody_answers_for_is_listed_and_stops_nothing_until_the_day_after() {
    let content = format!("id = '{}'\n", key());
    let mut bench =
        Bench::new(&[("handbook/keys.md", &content), ("app/settings.py", &content)]).await;
    let waiver = |path: Option<&str>, expires: &str| {
        json!({
            "code": "secret-aws-access-key", "path": path, "owner": "ada",
            "reason": "the sample of the handbook", "expires": expires,
        })
    };
    bench.waivers = json!([waiver(Some("handbook"), "9999-12-31")]);
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed, "one of them is elsewhere");
    assert_eq!(
        response.response.summary,
        "2 changed files checked for secrets: 1 critical; 1 waived by ada until 9999-12-31: the sample \
         of the handbook"
    );
    bench.waivers = json!([waiver(None, "9999-12-31")]);
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    let finding = &response.response.findings[0];
    assert!(finding.message.starts_with("waived by ada until 9999-12-31"), "{finding:?}");
    assert_eq!(finding.waived.as_ref().expect("is waived").severity, Severity::Critical);
    bench.waivers = json!([waiver(None, "2026-01-01")]);
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert!(response.response.findings[0].message.contains("it was waived by ada until 2026"));
}

#[tokio::test]
async fn deleted_and_unchanged_files_do_not_count_and_attributes_hide_nothing() {
    let content = format!("id = '{}'\n", key());
    let mut binary = change("b.bin", &[]);
    binary.binary = true;
    let mut deleted = change("d.py", &[]);
    deleted.kind = ChangeKind::Deleted;
    let files = [("b.bin", content.as_str()), ("unchanged.py", &content)];
    let response = Bench::with_changes(&files, vec![deleted.clone()]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.summary, "0 changed files checked for secrets: nothing found");
    let response = Bench::with_changes(&files, vec![binary, deleted]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.output["checked"], 1);
}

#[tokio::test]
async fn ignored_paths_and_allowed_lines_pass_but_the_latter_leave_a_trace() {
    let content = format!("id = '{}'\n", key());
    let mut bench = Bench::new(&[("tests/fixtures/a/b.py", &content)]).await;
    assert_eq!(status(&bench.run(SECRETS).await), StageStatus::Failed);
    bench.settings = json!({ "ignore": ["tests/fixtures"] });
    assert_eq!(status(&bench.run(SECRETS).await), StageStatus::Passed);

    let content = format!("id = '{}'  # pact:allow-secret revoked in May\n", key());
    let own = Bench::new(&[("a.py", &content)]).await.on(&[], true).await;
    let response = own.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    let allowed = response.response.findings.iter().find(|f| f.code == "secret-allowed");
    assert!(allowed.expect("a trace").message.ends_with("revoked in May"));
}

#[tokio::test]
async fn general_findings_fail_outside_tests_only() {
    let content = format!("{} = \"{}\"\n", "client_secret", "q7Zt4LmX9vR2pKwE8sYh");
    let response = Bench::new(&[("a.py", &content)]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    let response = Bench::new(&[("tests/a.py", &content)]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.output["low"], 1);
}

#[tokio::test]
async fn findings_are_bounded() {
    let line = format!("{} ", key()).repeat(10);
    let content = format!("{line}\n").repeat(300);
    let bench = Bench::new(&[("a.txt", &content)]).await;
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.output["critical"], 3_000);
    assert_eq!(response.response.findings_total, MAX_FINDINGS + 1);
}

#[tokio::test]
async fn dangerous_code_in_an_added_line_fails() {
    let files = [
        ("a.py", "import os\nos.system('rm ' + name)\n"),
        ("b.ts", "const x: string = eval(input);\n"),
        ("c.md", "eval(x)\n"),
    ];
    let response = Bench::new(&files).await.run(CODE).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.output["checked"], 2);
    let places: Vec<_> =
        response.response.findings.iter().map(|f| (f.code.as_str(), f.place())).collect();
    assert_eq!(
        places,
        [
            ("python-os-system", Some("a.py:2:1".to_owned())),
            ("javascript-eval", Some("b.ts:1:19".to_owned())),
        ]
    );
}

#[tokio::test]
async fn code_without_rules_is_not_checked_rather_than_passed() {
    let response = Bench::new(&[("a.md", "text")]).await.run(CODE).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    let content = "os.system(x)  # pact:allow python-os-system: x is a constant\n";
    let own = Bench::new(&[("a.py", content)]).await.on(&[], true).await;
    let response = own.run(CODE).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.findings[0].code, "finding-allowed");
}
