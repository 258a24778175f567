//! Pure refactorings of real code charge nobody, and a worsening that is planted is found.

use std::path::{Path, PathBuf};

use pact_contract::{StageStatus, actions::CheckQualityOutput};
use serde_json::{Value, json};

use crate::harness::{Repo, World, assert_status};

const QUALITY: &str = "code.check_quality";

/// Everything that can be charged is above these.
fn lowest() -> Value {
    let thresholds = json!({
        "max_cyclomatic": 1, "max_cognitive": 1, "max_function_lines": 1,
        "max_nesting": 1, "max_parameters": 1, "max_duplicate_tokens": 60,
    });
    let mut settings = thresholds.clone();
    settings["tests"] = thresholds;
    settings
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Code of other languages, each with functions that are above every threshold.
const OTHERS: &[(&str, &str)] = &[
    (
        "web/cart.ts",
        "export function total(items: Item[], tax: number): number {\n  let sum = 0;\n  for (const item of items) {\n    if (item.count > 0) {\n      sum += item.price * item.count;\n    } else if (item.gift) {\n      sum += 1;\n    }\n  }\n  return sum * (1 + tax);\n}\n\nexport class Cart {\n  add(item: Item, count: number) {\n    if (this.has(item)) {\n      if (count > 1) {\n        this.log(`more of ${item}`);\n      }\n    }\n  }\n}\n",
    ),
    (
        "app/prices.py",
        "class Prices:\n    def load(self, path, strict):\n        for line in open(path):\n            if strict and not line.strip():\n                raise ValueError(line)\n            while line:\n                line = line[1:]\n        return path\n\n\ndef discount(price, rate):\n    if price > 100:\n        if rate:\n            return price * rate\n    return price\n",
    ),
    (
        "cmd/serve.go",
        "package main\n\nfunc serve(port int, debug bool) error {\n\tfor i := 0; i < port; i++ {\n\t\tif debug {\n\t\t\tif i > 10 {\n\t\t\t\treturn nil\n\t\t\t}\n\t\t}\n\t}\n\treturn nil\n}\n",
    ),
    (
        "src/Shop.java",
        "class Shop {\n    int count(int a, int b) {\n        for (int i = 0; i < a; i++) {\n            if (i > b) {\n                if (b > 0) {\n                    return i;\n                }\n            }\n        }\n        return a;\n    }\n}\n",
    ),
];

/// A repository of this project's own sources, and those of [`OTHERS`].
fn seeded() -> Option<(Repo, Vec<String>)> {
    let repo = Repo::new()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let mut paths = Vec::new();
    for (n, file) in found.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        let text = std::fs::read_to_string(file).unwrap();
        // What a macro is given, or makes, is no function yet.
        if text.contains("proptest! {") || text.contains("macro_rules! ") {
            continue;
        }
        let path = format!("code/m{n}/{}", file.file_name().unwrap().to_string_lossy());
        repo.write(&path, text);
        paths.push(path);
    }
    for (path, text) in OTHERS {
        repo.write(path, text);
        paths.push((*path).to_owned());
    }
    Some((repo, paths))
}

fn read(repo: &Repo, path: &str) -> String {
    std::fs::read_to_string(repo.path().join(path)).unwrap()
}

/// Functions of Rust at the left margin: first and last line.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |line: &str| {
        ["fn ", "pub fn ", "pub(crate) fn ", "async fn "].iter().any(|word| line.starts_with(word))
    };
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        if begins(line)
            && let Some(end) = (n + 1..lines.len()).find(|end| lines[*end] == "}")
            && !lines[n + 1..end].iter().any(|line| begins(line))
        {
            found.push((n, end));
        }
    }
    found
}

/// One refactoring of a file; what it was, or none when the file has nothing for it.
fn refactor(repo: &Repo, paths: &mut [String], dice: &mut Dice) -> Option<&'static str> {
    let n = dice.below(paths.len());
    let path = paths[n].clone();
    let text = read(repo, &path);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let comment = if path.ends_with(".py") { "#" } else { "//" };
    match dice.below(6) {
        0 => {
            let to = format!("moved/f{}/{}", dice.below(1_000_000), path.rsplit('/').next()?);
            std::fs::create_dir_all(repo.path().join(&to).parent()?).unwrap();
            std::fs::rename(repo.path().join(&path), repo.path().join(&to)).unwrap();
            paths[n] = to;
            Some("moved a file")
        }
        1 => {
            for line in &mut lines {
                let inner = line.trim_start();
                let indent = line.len() - inner.len();
                let by = if line.starts_with('\t') { "    " } else { " " };
                *line = format!("{}{inner}", by.repeat(indent * 2));
            }
            repo.write(&path, lines.join("\n") + "\n");
            Some("indented a file")
        }
        2 => {
            // A comment at the end of a line that ends a statement or opens a block.
            let open: Vec<usize> = (0..lines.len())
                .filter(|n| [";", "{", "):"].iter().any(|end| lines[*n].ends_with(end)))
                .filter(|n| !lines[*n].contains('"'))
                .collect();
            let at = *open.get(dice.below(open.len()))?;
            lines[at].push_str(&format!(" {comment} looked at"));
            repo.write(&path, lines.join("\n") + "\n");
            Some("touched a line")
        }
        3 => {
            let at = lines.iter().position(|line| line.ends_with(';') && !line.contains('"'))?;
            lines.insert(at + 1, String::new());
            repo.write(&path, lines.join("\n") + "\n");
            Some("inserted a blank line")
        }
        4 => {
            let found = functions(&text);
            let (start, end) = *found.get(dice.below(found.len()))?;
            let taken: Vec<String> = lines.drain(start..=end).collect();
            let other = (0..paths.len())
                .map(|k| (k + dice.below(paths.len())) % paths.len())
                .find(|k| *k != n && paths[*k].ends_with(".rs"))?;
            let to = paths[other].clone();
            let target = format!("{}\n{}\n", read(repo, &to), taken.join("\n"));
            repo.write(&to, target);
            repo.write(&path, lines.join("\n") + "\n");
            Some("moved a function to another file")
        }
        _ => {
            let found = functions(&text);
            let (start, end) = *found.get(dice.below(found.len()))?;
            let taken: Vec<String> = lines.drain(start..=end).collect();
            lines.push(String::new());
            lines.extend(taken);
            repo.write(&path, lines.join("\n") + "\n");
            Some("moved a function within its file")
        }
    }
}

#[tokio::test]
async fn pure_refactorings_charge_nobody() {
    let Some((repo, mut paths)) = seeded() else { return };
    let mut base = repo.commit();
    let mut dice = Dice(0x1234_5678_9ABC_DEF1);
    let mut made = 0;
    while made < 200 {
        let mut what = Vec::new();
        while what.len() < 10 {
            what.extend(refactor(&repo, &mut paths, &mut dice));
        }
        made += what.len();
        let response = World::new().check(QUALITY, &repo, Some(&base), lowest()).await;
        assert_status(&response, StageStatus::Passed);
        assert!(response.findings.is_empty(), "{what:?}: {:#?}", response.findings);
        base = repo.git(&["rev-parse", "HEAD"]);
    }
}

#[tokio::test]
async fn functions_on_one_line_are_told_apart_wherever_they_go() {
    let Some(repo) = Repo::new() else { return };
    let function = "fn ends(text: &str) -> bool {\n    text.split(' ').any(|t| t.ends_with('s') && t.starts_with(|c: char| c == 'a'))\n}\n";
    repo.write("a.rs", format!("fn stays() {{}}\n\n{function}"));
    repo.write("b.rs", "fn other() {}\n");
    let base = repo.commit();
    repo.write("a.rs", "fn stays() {}\n");
    repo.write("b.rs", format!("fn other() {{}}\n\n{function}"));
    let response = World::new().check(QUALITY, &repo, Some(&base), lowest()).await;
    assert_status(&response, StageStatus::Passed);
}

/// Text that makes the function that a line opens worse.
fn worsening(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap() {
        "py" => "if strict_now:\n    if strict_too:\n        worse()\n",
        "go" => "if strictNow {\n\tif strictToo {\n\t\tworse()\n\t}\n}\n",
        _ => "if (strictNow) {\n    if (strictToo) {\n        worse();\n    }\n}\n",
    }
}

#[tokio::test]
async fn a_planted_worsening_is_found_in_all() {
    let Some((repo, paths)) = seeded() else { return };
    let mut base = repo.commit();
    let mut dice = Dice(0xFEDC_BA98_7654_3211);
    let (mut planted, mut tried) = (0, 0);
    while planted < 60 {
        tried += 1;
        assert!(tried < 2_000, "only {planted} could be planted");
        // Every other time one of the other languages.
        let path = if tried % 4 == 0 {
            OTHERS[dice.below(OTHERS.len())].0.to_owned()
        } else {
            paths[dice.below(paths.len())].clone()
        };
        let text = read(&repo, &path);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let heads = ["fn ", "def ", "func ", "function ", "int count", "add(item"];
        let places: Vec<usize> = (0..lines.len())
            .filter(|n| heads.iter().any(|head| lines[*n].trim_start().starts_with(head)))
            .filter(|n| lines[*n].ends_with('{') || lines[*n].ends_with(':'))
            .collect();
        let Some(at) = places.get(dice.below(places.len())).copied() else { continue };
        let inner = lines.get(at + 1).map_or(0, |line| line.len() - line.trim_start().len());
        let indent = lines[at + 1][..inner].to_owned();
        let new = worsening(&path).lines().map(|line| format!("{indent}{line}"));
        lines.splice(at + 1..at + 1, new.collect::<Vec<_>>());
        repo.write(&path, lines.join("\n") + "\n");
        planted += 1;
        let response = World::new().check(QUALITY, &repo, Some(&base), lowest()).await;
        let found = response.findings.iter().any(|finding| {
            finding.path.as_deref() == Some(&path)
                && finding.code.as_str().starts_with("complexity")
        });
        assert!(found, "{path}:{}: {}: {:#?}", at + 1, response.summary, response.findings);
        base = repo.git(&["rev-parse", "HEAD"]);
    }
}

#[tokio::test]
async fn every_function_that_was_touched_is_listed_with_both_measures() {
    let Some(repo) = Repo::new() else { return };
    let function = |name: &str, branches: usize| {
        format!("fn {name}(a: bool) {{\n{}}}\n\n", "    if a { b(); }\n".repeat(branches))
    };
    repo.write("a.rs", function("better", 9) + &function("worse", 20) + &function("moves", 4));
    let base = repo.commit();
    repo.write("a.rs", function("better", 2) + &function("worse", 25) + &function("fresh", 1));
    repo.write("b.rs", function("moves", 4));
    let world = World::new();
    let response = world.check(QUALITY, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Failed);
    let output: CheckQualityOutput = serde_json::from_value(response.output).unwrap();
    assert_eq!((output.new, output.moved, output.better, output.worse), (1, 1, 1, 1));
    assert_eq!((output.functions, output.complex), (3, 1));
    use pact_agent::ports::Artifacts;
    let list = world.memory.get(&output.functions_key.unwrap()).await.unwrap().unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let worse = list.as_array().unwrap().iter().find(|f| f["name"] == "worse").unwrap();
    assert_eq!(worse["before"]["cyclomatic"], 21);
    assert_eq!(worse["now"]["cyclomatic"], 26);
    let moves = list.as_array().unwrap().iter().find(|f| f["name"] == "moves").unwrap();
    assert_eq!((&moves["state"], &moves["from"]), (&json!("moved"), &json!("a.rs: moves")));
}

#[tokio::test]
async fn tests_have_their_own_thresholds_and_what_is_generated_has_none() {
    let Some(repo) = Repo::new() else { return };
    let body = |branches: usize| {
        format!("fn a(a: bool) {{\n{}}}\n", "    if a { b(); }\n".repeat(branches))
    };
    let base = repo.commit();
    repo.write("src/a.rs", body(18));
    repo.write("tests/a.rs", body(19).replace("b()", "c()"));
    repo.write("src/b.rs", format!("// @generated\n{}", body(50).replace("b()", "d()")));
    let response = World::new().check(QUALITY, &repo, Some(&base), json!({})).await;
    let paths: Vec<_> = response.findings.iter().filter_map(|f| f.path.as_deref()).collect();
    assert_eq!(paths, ["src/a.rs"], "{:#?}", response.findings);
    assert!(response.summary.contains("1 generated or vendored file not judged"));
    let settings = json!({ "tests": { "max_cyclomatic": 3 } });
    let response = World::new().check(QUALITY, &repo, Some(&base), settings).await;
    let found = response.findings.iter().find(|f| f.path.as_deref() == Some("tests/a.rs")).unwrap();
    assert!(found.remedy.as_deref().unwrap().contains("code.tests.max_cyclomatic"), "{found:?}");
}

#[tokio::test]
async fn what_was_taken_out_of_an_old_function_is_not_new_and_a_copy_is_repeated() {
    let Some(repo) = Repo::new() else { return };
    let body: String = (0..30).map(|n| format!("    if a{n} {{ call{n}(a, {n}); }}\n")).collect();
    repo.write("a.rs", format!("fn whole(a: u8) {{\n{body}    rest(a);\n}}\n"));
    let base = repo.commit();
    repo.write(
        "a.rs",
        format!(
            "fn whole(a: u8) {{\n    part(a);\n    rest(a);\n}}\n\nfn part(a: u8) {{\n{body}}}\n"
        ),
    );
    let response = World::new().check(QUALITY, &repo, Some(&base), json!({})).await;
    assert_status(&response, StageStatus::Passed);
    repo.write("b.rs", format!("fn copy(a: u8) {{\n{body}}}\n"));
    let base = repo.git(&["rev-parse", "HEAD"]);
    let response = World::new().check(QUALITY, &repo, Some(&base), json!({})).await;
    let found = response.findings.iter().find(|f| f.code == "duplicate-code").unwrap();
    assert_eq!(found.path.as_deref(), Some("b.rs"));
    assert!(found.message.contains("a.rs:"), "{found:?}");
}
