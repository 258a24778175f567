//! What test tools leave behind and print, as a build of its own each: cases that are data beside the
//! repository. `PACT_CASES` names their folder.
#![expect(clippy::expect_used, reason = "what a test needs is there, or the test fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a key is null")]

mod bench;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use bench::Bench;

/// Builds at once: most of the time each waits for its processes to begin and to end.
const AT_ONCE: usize = 4;

/// The files below a folder, with their paths in it.
fn files(folder: &Path, below: &str, found: &mut Vec<(String, Vec<u8>)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        match fs::read(entry.path()) {
            Ok(content) => found.push((path, content)),
            Err(_) => files(&entry.path(), &path, found),
        }
    }
}

/// What is wrong with what became of one case.
async fn faults(folder: PathBuf, name: String, case: Value) -> Vec<String> {
    let mut left = Vec::new();
    files(&folder.join("files"), "", &mut left);
    let printed = fs::read(folder.join("output.txt")).unwrap_or_default();
    // A stale report is committed; all others are written by the command.
    let stale = name.starts_with("stale");
    let mut packed = vec![("output.txt".to_owned(), printed)];
    let source = |path: &str| path.ends_with(".js");
    packed.extend(left.into_iter().map(|(path, content)| {
        if stale || source(&path) { (path, content) } else { (format!("r/{path}"), content) }
    }));
    // What the tools name as a place.
    if let Some(place) = case["expect"]["place"].as_str() {
        let (path, _) = place.split_once(':').expect("a path and a line");
        packed.push((path.to_owned(), b"\n".repeat(20)));
    }
    let packed: Vec<(&str, Vec<u8>)> =
        packed.iter().map(|(path, content)| (path.as_str(), content.clone())).collect();
    let command =
        format!("if [ -d r ]; then cp -r r/. .; fi; cat output.txt; exit {}", case["exit_code"]);
    let settings = json!({
        "unit": {
            "runner": { "kind": "codebuild", "command": ["sh", "-c", command] },
            "timeout_seconds": 60,
        }
    });
    let bench = Bench::new(&[]).await;
    let answer = bench.unit(&packed, settings).await;
    let response = answer.response;
    let said = format!("{}: {:?}\n{}", response.summary, response.findings, bench.log().await);
    let mut wrong = Vec::new();
    let mut check = |what: &str, is: Value, expected: &Value| {
        if is != *expected {
            wrong.push(format!("{name}: {what} is {is}, not {expected}: {said}"));
        }
    };
    let expected = case["expect"].as_object().expect("what is right");
    for (what, expected) in expected {
        let output = &response.output[what];
        match what.as_str() {
            "status" if expected.as_str().is_some_and(|e| e.starts_with("not passed")) => {
                let passed = response.status == pact_contract::StageStatus::Passed;
                check("passed", passed.into(), &false.into());
            }
            "status" => check(what, json!(response.status), expected),
            "total" | "failed" | "skipped" | "flaky" => check(what, output.clone(), expected),
            "place" => {
                let place = response.findings.iter().find_map(pact_contract::Finding::place);
                check(what, json!(place), expected);
            }
            "finding" => {
                let text = format!("{:?}", response.findings);
                for part in ["name", "message"].map(|part| expected[part].as_str()) {
                    let there = text.contains(part.expect("a text"));
                    check(part.unwrap_or_default(), there.into(), &true.into());
                }
            }
            "must_not" => {
                let shown = |c: char| !c.is_control() || c == '\n' || c == '\t';
                let texts =
                    response.findings.iter().map(|f| format!("{}{:?}", f.message, f.evidence));
                let clean = texts.chain([response.summary.clone()]).all(|text| {
                    text.chars().all(shown) && !text.contains("root:") && !text.contains("\\u{1b}")
                });
                check(what, clean.into(), &true.into());
            }
            _ => {}
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_tool_says_is_understood() {
    let Some(cases) = std::env::var_os("PACT_CASES") else {
        eprintln!("skipped: PACT_CASES names no folder of cases");
        return;
    };
    let folder = PathBuf::from(cases).join("tests/reports");
    let expected = fs::read(folder.join("expected.json")).expect("the cases");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    let (mut running, mut wrong) = (JoinSet::new(), Vec::new());
    let (mut number, only) = (0, std::env::var("PACT_CASE").ok());
    for (name, case) in expected.as_object().expect("cases") {
        if case["expect"].get("changed").is_some() || only.as_ref().is_some_and(|o| o != name) {
            continue;
        }
        while running.len() >= AT_ONCE {
            wrong.extend(running.join_next().await.expect("one").expect("it ends"));
        }
        number += 1;
        running.spawn(faults(folder.join(name), name.clone(), case.clone()));
    }
    wrong.extend(running.join_all().await.concat());
    eprintln!("{number} cases");
    assert!(number > 0 && wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

/// What runs each of the suites, and how it is run; without a command as the agent finds out.
const SUITES: &[(&str, &str, &[&str])] = &[
    (
        "mocha",
        "npm",
        &[
            "",
            "npx mocha",
            "npx mocha --reporter tap",
            "npx mocha --reporter xunit",
            "npx mocha --reporter json",
            "npx mocha --reporter dot",
        ],
    ),
    (
        "node-test",
        "node",
        &[
            "",
            "node --test",
            "node --test --test-reporter=junit",
            "node --test --test-reporter=tap",
        ],
    ),
    (
        "vitest",
        "npm",
        &["", "npx vitest run", "npx vitest run --reporter=junit", "npx vitest run --reporter=tap"],
    ),
    ("ava", "npm", &["", "npx ava", "npx ava --tap"]),
    ("go", "go", &["", "go test ./...", "go test -v ./...", "go test -json ./..."]),
    ("cargo", "cargo", &["", "cargo test --no-fail-fast"]),
    ("nextest-retries", "cargo-nextest", &["", "cargo nextest run --no-fail-fast"]),
];
/// Those that need nothing from elsewhere.
const OFFLINE: &[&str] = &["node-test", "go", "cargo", "nextest-retries"];

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// What the tools that are here write, run as the agent finds out.
#[tokio::test(flavor = "multi_thread")]
async fn suites_of_installed_tools_are_found_and_counted() {
    let here =
        SUITES.iter().filter(|(name, program, _)| OFFLINE.contains(name) && installed(program));
    real_suites(here.map(|(name, _, commands)| (*name, commands.get(..1).unwrap_or_default())))
        .await;
}

/// What the tools of today write, by their own reporters.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches what it runs from the registries"]
async fn suites_of_real_tools_are_counted() {
    let only = std::env::var("PACT_CASE").ok();
    let wanted = SUITES.iter().filter(|(name, program, _)| {
        only.as_deref().is_none_or(|only| only == *name) && installed(program)
    });
    real_suites(wanted.map(|(name, _, commands)| (*name, *commands))).await;
}

async fn real_suites<'s>(suites: impl Iterator<Item = (&'s str, &'s [&'s str])>) {
    let Some(cases) = std::env::var_os("PACT_CASES") else {
        eprintln!("skipped: PACT_CASES names no folder of cases");
        return;
    };
    let folder = PathBuf::from(cases).join("tests/suites");
    let expected = fs::read(folder.join("expected.json")).expect("the cases");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    let mut wrong = Vec::new();
    for (name, commands) in suites {
        let mut found = Vec::new();
        files(&folder.join(name), "", &mut found);
        let found: Vec<(&str, Vec<u8>)> =
            found.iter().map(|(path, content)| (path.as_str(), content.clone())).collect();
        for command in commands {
            let bench = Bench::new(&[]).await;
            let node = found.iter().any(|(path, _)| *path == "package.json");
            let tool = if name == "node-test" { "" } else { name };
            let install = format!("npm install --silent --no-audit --no-fund --no-save {tool} && ");
            let line = if node { install + command } else { (*command).to_owned() };
            let settings = if command.is_empty() && (tool.is_empty() || !node) {
                json!({})
            } else {
                let line = if command.is_empty() { line + "npm test" } else { line };
                json!({ "unit": {
                    "runner": { "kind": "codebuild", "command": ["sh", "-c", line] },
                    "timeout_seconds": 200,
                }})
            };
            let response = bench.unit(&found, settings).await.response;
            eprintln!("{name} `{command}`: {}", response.summary);
            let mut faults = Vec::new();
            for (what, right) in expected[name]["expect"].as_object().expect("what is right") {
                let is = if what == "status" {
                    json!(response.status)
                } else {
                    response.output[what].clone()
                };
                // Of two ways to count either is right.
                let either = right.as_str().is_some_and(|text| {
                    text.split(|c: char| !c.is_ascii_digit()).any(|part| *part == *is.to_string())
                });
                if is != *right && !either {
                    faults.push(format!("{what} is {is}, not {right}"));
                }
            }
            if !faults.is_empty() {
                let log = bench.log().await;
                wrong.push(format!("{name} `{command}`: {}\n{log}", faults.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
