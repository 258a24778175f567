//! Secrets and static analysis.

use super::*;
use crate::report::MAX_FINDINGS;

const SECRETS: &str = "security.validate_secrets";
const CODE: &str = "security.scan_vulnerabilities";

/// Has the form of an access key; put together here, so that it is in no file.
fn key() -> String {
    ["AKIA", "Q7ZT4LMX", "9VR2PKWE"].concat()
}

#[tokio::test]
async fn a_secret_in_an_added_line_fails_and_is_nowhere_in_the_records() {
    let content = format!("import os\nid = '{}'\n", key());
    let bench = Bench::new(&[("app/settings.py", &content)]).await;
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.summary, "1 changed file checked: 1 critical");
    let finding = &response.response.findings[0];
    assert_eq!(finding.code, "secret-aws-access-key");
    assert_eq!(finding.place().as_deref(), Some("app/settings.py:2:7"));
    assert_eq!(finding.evidence.as_deref(), Some("AKIA… (20 characters)"));
    let kept =
        format!("{:?} {:?}", bench.memory.stages(), bench.memory.log(&"r1".parse().unwrap()));
    assert!(!kept.contains(&key()) && kept.contains("secret-aws-access-key"));
}

#[tokio::test]
async fn old_lines_deleted_and_binary_files_do_not_count() {
    let content = format!("id = '{}'\nnew = 1\n", key());
    let mut binary = change("b.bin", &[LineRange { start: 1, end: 9 }]);
    binary.binary = true;
    let mut deleted = change("d.py", &[]);
    deleted.kind = ChangeKind::Deleted;
    let changes = vec![change("a.py", &[LineRange { start: 2, end: 2 }]), binary, deleted];
    let files = [("a.py", content.as_str()), ("b.bin", &content), ("unchanged.py", &content)];
    let response = Bench::with_changes(&files, changes).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.output["checked"], 1);
    assert_eq!(response.response.summary, "1 changed file checked: nothing found");
}

#[tokio::test]
async fn ignored_paths_and_allowed_lines_pass_but_the_latter_leave_a_trace() {
    let content = format!("id = '{}'\n", key());
    let mut bench = Bench::new(&[("tests/fixtures/a/b.py", &content)]).await;
    assert_eq!(status(&bench.run(SECRETS).await), StageStatus::Failed);
    bench.settings = json!({ "ignore": ["tests/fixtures"] });
    assert_eq!(status(&bench.run(SECRETS).await), StageStatus::Passed);

    let content = format!("# pact:allow-secret, revoked in May\n{content}");
    let response = Bench::new(&[("a.py", &content)]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.findings[0].code, "secret-allowed");
}

#[tokio::test]
async fn general_findings_alone_do_not_fail() {
    let content = format!("{} = \"{}\"\n", "client_secret", "q7Zt4LmX9vR2pKwE8sYh");
    let response = Bench::new(&[("a.py", &content)]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.output["medium"], 1);
}

#[tokio::test]
async fn findings_and_files_are_bounded() {
    let line = format!("{} ", key()).repeat(10);
    let content = format!("{line}\n").repeat(300);
    let big = "x\n".repeat(3 * 1024 * 1024);
    let bench = Bench::new(&[("a.txt", &content), ("big.txt", &big)]).await;
    let response = bench.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.output["critical"], 3_000);
    assert_eq!(response.response.output["info"], 1);
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
    let response = Bench::new(&[("a.py", content)]).await.run(CODE).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert_eq!(response.response.findings[0].code, "finding-allowed");
}
