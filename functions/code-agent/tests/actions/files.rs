use pact_agent::ports::Artifacts;
use pact_contract::{
    StageStatus,
    actions::{CheckQualityOutput, SyntaxFile, SyntaxResult, ValidateSyntaxOutput},
};
use serde_json::json;

use super::harness::{Repo, World, assert_status, coded, output};

const SYNTAX: &str = "code.validate_syntax";
const QUALITY: &str = "code.check_quality";

#[tokio::test]
async fn only_changed_files_are_parsed_and_errors_fail() {
    let Some(repo) = Repo::new() else { return };
    repo.write("old.rs", "fn broken( {\n");
    repo.write("gone.py", "def (\n");
    let base = repo.commit();
    let world = World::new();
    std::fs::remove_file(repo.path().join("gone.py")).unwrap();
    repo.write("ok.rs", "fn fine() {}\n");
    repo.write("ok.yml", "a: !Ref b\n");
    repo.write("notes.xyz", "?\n");
    let response = world.check(SYNTAX, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Passed);
    let out: ValidateSyntaxOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((out.checked, out.invalid, out.unsupported), (2, 0, 1));

    repo.write("src/bad.py", "def a():\n    return 1\n\ndef b(:\n    pass\n");
    repo.write("broken/x.json", "{\n");
    let settings = json!({ "ignore": ["broken/"] });
    let response = world.check(SYNTAX, &repo, Some(&base), settings).await;
    assert_status(&response, StageStatus::Failed);
    let errors = coded(&response, "syntax-error");
    assert_eq!(errors[0].place().as_deref().map(|p| p.starts_with("src/bad.py:4:")), Some(true));
    assert!(errors.iter().all(|f| f.path.as_deref() == Some("src/bad.py")));
    assert!(response.summary.contains("src/bad.py:4"), "{}", response.summary);
}

#[tokio::test]
async fn what_was_not_parsed_is_said() {
    let Some(repo) = Repo::new() else { return };
    repo.write("a.txt", "x\n");
    let base = repo.commit();
    let world = World::new();
    let response = world.check(SYNTAX, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Skipped);
    assert!(response.summary.contains("no file changed"), "{}", response.summary);

    repo.write("main.hs", "main = 1\n");
    let response = world.check(SYNTAX, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Skipped);
    assert!(response.summary.contains("Haskell") && response.not_applicable, "{response:#?}");

    repo.write("big.json", format!("[{}1]", "1,".repeat(600_000)));
    repo.write("fixtures/bad.go", "package\n");
    let response = world.check(SYNTAX, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Skipped);
    assert!(!response.not_applicable, "what is too large to be parsed is missed");
    assert_eq!(coded(&response, "syntax-not-checked")[0].path.as_deref(), Some("big.json"));
    assert_eq!(coded(&response, "syntax-unsure")[0].path.as_deref(), Some("fixtures/bad.go"));
    let out: ValidateSyntaxOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((out.checked, out.invalid, out.unsure, out.unsupported), (0, 0, 1, 2));
}

#[tokio::test]
async fn every_changed_file_is_listed_with_what_is_known_of_it() {
    let Some(repo) = Repo::new() else { return };
    repo.write("gone.py", "x = 1\n");
    let base = repo.commit();
    std::fs::remove_file(repo.path().join("gone.py")).unwrap();
    repo.write("bin/tool", "#!/usr/bin/env python3\nprint(1)\n");
    repo.write("bad.ts", "let = = 1;\n");
    repo.write("vendor/lib.js", "let = = 1;\n");
    repo.write("site.yaml.j2", "a: {{ b }}\n");
    repo.write("generated/x.rs", "fn (\n");
    repo.write("logo.png", b"\x89PNG\0\0");
    repo.write("notes.hs", "main = 1\n");
    let world = World::new();
    let settings = json!({ "ignore": ["generated/"] });
    let response = world.check(SYNTAX, &repo, Some(&base), settings).await;
    assert_status(&response, StageStatus::Failed);
    let out: ValidateSyntaxOutput = serde_json::from_value(response.output).unwrap();
    let list = world.memory.get(out.files_key.as_deref().unwrap()).await.unwrap().unwrap();
    let list: Vec<SyntaxFile> = serde_json::from_slice(&list).unwrap();
    let rows: Vec<_> = list.iter().map(|f| (f.path.as_str(), f.result)).collect();
    assert_eq!(
        rows,
        [
            ("bad.ts", SyntaxResult::Broken),
            ("bin/tool", SyntaxResult::Parsed),
            ("generated/x.rs", SyntaxResult::Ignored),
            ("gone.py", SyntaxResult::Deleted),
            ("logo.png", SyntaxResult::NotKnown),
            ("notes.hs", SyntaxResult::NotKnown),
            ("site.yaml.j2", SyntaxResult::Unsure),
            ("vendor/lib.js", SyntaxResult::Unsure),
        ]
    );
    let ignored = list[2].reason.as_deref().unwrap();
    assert!(ignored.contains("code.ignore") && ignored.contains("generated/"), "{ignored}");
}

#[tokio::test]
async fn only_functions_that_changed_are_measured() {
    let Some(repo) = Repo::new() else { return };
    let body = |n: usize| "    if a { b(); }\n".repeat(n);
    let file = |old: usize, new: usize| {
        format!("fn old(a: bool) {{\n{}}}\n\nfn new(a: bool) {{\n{}}}\n", body(old), body(new))
    };
    repo.write("a.rs", file(40, 1));
    let base = repo.commit();
    let world = World::new();
    repo.write("a.rs", file(40, 3));
    let response = world.check(QUALITY, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Passed);
    let out: CheckQualityOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((out.functions, out.max_cyclomatic, out.above_threshold), (1, 4, 0));

    repo.write("a.rs", file(40, 30));
    let response = world.check(QUALITY, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Failed);
    let finding = coded(&response, "complexity-cyclomatic")[0];
    assert_eq!(finding.line, Some(44));
    assert!(finding.message.starts_with("new has a cyclomatic complexity of 31"), "{finding:?}");
    assert_eq!(coded(&response, "complexity-cognitive").len(), 1);
    let settings = json!({ "max_cyclomatic": 50, "max_cognitive": 50, "max_function_lines": 10 });
    let response = world.check(QUALITY, &repo, Some(&base), settings).await;
    assert_eq!(coded(&response, "function-length").len(), 1);
    let settings = json!({ "ignore": ["*.rs"] });
    let response = world.check(QUALITY, &repo, Some(&base), settings).await;
    assert_status(&response, StageStatus::Skipped);
}

#[tokio::test]
async fn a_moved_file_is_not_charged_for_its_old_lines() {
    let Some(repo) = Repo::new() else { return };
    let long = format!("fn old(a: bool) {{\n{}}}\n", "    if a { b(); }\n".repeat(60));
    repo.write("a.rs", &long);
    let base = repo.commit();
    repo.git(&["mv", "a.rs", "b.rs"]);
    let response = World::new().check(QUALITY, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Passed);
    assert!(response.summary.contains("no function changed"), "{}", response.summary);
}

fn waiver(code: &str, path: &str) -> serde_json::Value {
    json!({
        "code": code, "path": path, "owner": "ada", "reason": "on purpose",
        "expires": "9999-12-31",
    })
}

#[tokio::test]
async fn a_broken_file_that_somebody_answers_for_counts_for_nothing() {
    let Some(repo) = Repo::new() else { return };
    repo.write("ok.py", "x = 1\n");
    let base = repo.commit();
    let world = World::new();
    repo.write("ok.py", "x = 2\n");
    repo.write("samples/a.py", "def (\n");
    repo.write("samples/b.py", "def (\n");
    let waivers = json!([waiver("syntax-error", "samples/a.py")]);
    let response = world.check_with(SYNTAX, &repo, Some(&base), json!({}), waivers).await;
    assert_status(&response, StageStatus::Failed);
    assert!(response.summary.contains("samples/b.py"), "{}", response.summary);
    assert!(response.summary.contains("waived by ada until 9999-12-31: on purpose"));
    let out: ValidateSyntaxOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((out.checked, out.invalid), (2, 1));
    let waivers = json!([waiver("syntax-error", "samples")]);
    let response = world.check_with(SYNTAX, &repo, Some(&base), json!({}), waivers).await;
    assert_status(&response, StageStatus::Passed);
    let out: ValidateSyntaxOutput = serde_json::from_value(response.output.clone()).unwrap();
    assert_eq!((out.checked, out.invalid), (1, 0));
    assert!(coded(&response, "syntax-error").iter().all(|f| f.waived.is_some()));
}

#[tokio::test]
async fn a_function_that_somebody_answers_for_is_not_above_its_threshold() {
    let Some(repo) = Repo::new() else { return };
    repo.write("a.py", "x = 1\n");
    let base = repo.commit();
    let world = World::new();
    let branches = (0..20).map(|n| format!("    if x == {n}:\n        return {n}\n"));
    repo.write("a.py", format!("def f(x):\n{}", branches.collect::<String>()));
    let codes = ["complexity-cyclomatic", "complexity-cognitive"];
    let response = world.check(QUALITY, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Failed);
    assert!(response.findings.iter().all(|f| codes.contains(&f.code.as_str())), "{response:#?}");
    let waivers = json!(codes.map(|code| waiver(code, "a.py")));
    let response = world.check_with(QUALITY, &repo, Some(&base), json!({}), waivers).await;
    assert_status(&response, StageStatus::Passed);
    let out: CheckQualityOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((out.functions, out.complex, out.above_threshold), (1, 0, 0));
}

/// Who changes one line of a large repository does not wait for all of it.
#[tokio::test]
async fn what_changed_is_read_without_the_whole_source() {
    let Some(repo) = Repo::new() else { return };
    repo.write("a.rs", "fn a() {}\n");
    repo.write("old.py", "def old(:\n");
    let base = repo.commit();
    repo.write("a.rs", "fn a() {\n    b(\n}\n");
    repo.write("same/a.rs", "fn a() {\n    b(\n}\n");
    repo.write("c.py", "def c(d):\n    return d\n");
    let commit = repo.commit();
    let world = World::new();
    let analyzed = world.analyze(&repo.url(), &commit, Some(&base)).await.unwrap();
    let analyzed = output(&analyzed);
    // Whoever opened it would find it damaged.
    world.memory.put(&analyzed.source.key, "no bundle".into()).await.unwrap();
    let parameters = json!({
        "source": analyzed.source, "changes_key": analyzed.changes_key, "settings": {},
    });
    let response = world.send(SYNTAX, parameters.clone()).await.unwrap();
    let out: ValidateSyntaxOutput = serde_json::from_value(response.output.clone()).unwrap();
    assert_eq!((out.checked, out.invalid), (3, 2), "{}", response.summary);
    let mut paths: Vec<_> =
        coded(&response, "syntax-error").iter().filter_map(|f| f.path.clone()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths, ["a.rs", "same/a.rs"]);
    let response = world.send(QUALITY, parameters).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    let out: CheckQualityOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((out.new, out.functions), (2, 3), "{}", response.summary);
}
