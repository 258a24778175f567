//! The rules by their own examples, and what no rule is about.

use super::{rules::RuleSet, *};

fn rules() -> &'static Rules {
    static RULES: std::sync::OnceLock<Rules> = std::sync::OnceLock::new();
    RULES.get_or_init(|| Rules::new().expect("the rules are valid"))
}

fn codes(language: Language, text: &str) -> Vec<String> {
    let scan = rules().scan("src/a", language, text, |_| true, |_| true);
    for finding in &scan.findings {
        assert!(finding.remedy.is_some() && finding.line.is_some());
    }
    scan.findings.into_iter().map(|f| f.code.to_string()).collect()
}

#[test]
fn every_rule_finds_its_bad_examples_and_none_of_its_good_ones() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (language, text) in FILES {
        for rule in RuleSet::parse(text).expect("valid").rules {
            count += 1;
            for bad in &rule.bad {
                let found = codes(*language, bad);
                if !found.contains(&rule.code.to_string()) {
                    wrong.push(format!("{} misses {bad:?}: {found:?}", rule.code));
                }
            }
            for good in &rule.good {
                if codes(*language, good).contains(&rule.code.to_string()) {
                    wrong.push(format!("{} finds {good:?}", rule.code));
                }
            }
        }
    }
    assert!(count >= 150, "{count}");
    assert!(wrong.is_empty(), "{} wrong of {count} rules:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sql_is_found_however_the_text_is_put_together() {
    let text = "\
def f(c, x):
    c.execute(f\"SELECT * FROM t WHERE a = {x}\")
    c.execute(\"SELECT * FROM t WHERE a = %s\" % x)
    c.execute(\"SELECT * FROM t WHERE a = {}\".format(x))
    c.execute(\"SELECT * FROM t \" f\"WHERE a = {x}\")
    c.execute(\"SELECT * FROM t WHERE a = \" + x)
    query = f\"DELETE FROM t WHERE a = {x}\"
    c.execute(query)
    c.execute((\"SELECT * FROM t \"
               \"WHERE a = \" + x))
";
    let scan = rules().scan("a.py", Language::Python, text, |_| true, |_| true);
    let lines: Vec<_> = scan.findings.iter().map(|f| (f.code.as_str(), f.line)).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 8, 9].map(|l| ("python-sql-text", Some(l))));
}

#[test]
fn names_are_followed_inside_their_function_only() {
    let text = "def f():\n    q = 'SELECT ' + x\n\ndef g(c, q):\n    c.execute(q)\n";
    assert_eq!(codes(Language::Python, text), [""; 0]);
    let text = "Q = 'SELECT 1'\ndef g(c):\n    c.execute(Q + ' FROM t')\n";
    assert_eq!(codes(Language::Python, text), [""; 0]);
}

#[test]
fn deep_and_long_texts_end() {
    let open = "[".repeat(20_000) + &"]".repeat(20_000);
    let call = "f(".repeat(20_000) + &")".repeat(20_000);
    let line = format!("x = \"{}\"", "a".repeat(900 * 1024));
    let many = format!("eval(x)\n{}", "y = f(1)\n".repeat(220_000));
    for (text, count) in [(open, 0), (call, 0), (line, 0), (many, 1)] {
        for language in [Language::Python, Language::JavaScript] {
            assert_eq!(codes(language, &text).len(), count);
        }
    }
}

#[test]
fn only_added_lines_count_and_a_comment_allows() {
    let text = "eval(a)\neval(b)\neval(\n  c)\n# pact:allow python-eval: checked above\neval(d)\neval(e)  # pact:allow python-eval, safe\n";
    let scan =
        rules().scan("a.py", Language::Python, text, |line| line != 1 && line != 3, |_| true);
    let lines: Vec<_> = scan.findings.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(lines, [(Some(2), Some(1)), (Some(4), None)]);
    assert_eq!(scan.allowed, 2);
    let scan = rules().scan("tests/a.py", Language::Python, text, |line| line == 2, |_| true);
    assert_eq!(scan.findings[0].severity, Severity::Medium);
}

#[test]
fn long_lines_are_no_place_to_hide() {
    let packed = format!("{};eval(a)\n", "x=1;".repeat(10_000));
    let scan = rules().scan("dist/a.py", Language::Python, &packed, |_| true, |_| true);
    let found: Vec<_> = scan.findings.iter().map(|f| (f.code.as_str(), f.severity)).collect();
    assert_eq!(found, [("python-eval", Severity::High)]);
}

#[test]
fn comments_and_strings_are_no_code() {
    for (language, text) in [
        (Language::Python, "# eval(x)\ns = \"eval(x)\"\n\"\"\"\neval(x)\n\"\"\"\n"),
        (
            Language::JavaScript,
            "// eval(x)\n/* eval(x) */\nconst s = 'eval(x)', t = `eval(x)`, r = /eval(x)/;\n",
        ),
        (Language::Php, "<?php // eval($x);\n# eval($x);\n$s = 'eval($x)';\n"),
        (
            Language::Rust,
            "// c.execute(&format!(\"DELETE FROM t {}\", x))\nfn f<'a>(x: &'a str) {}\n",
        ),
    ] {
        assert_eq!(codes(language, text), [""; 0], "{text}");
    }
}

#[test]
fn languages_are_told_by_name_and_content() {
    for (path, text, language) in [
        ("a.py", "", Some(Language::Python)),
        ("a.tsx", "", Some(Language::JavaScript)),
        ("Dockerfile.prod", "", Some(Language::Dockerfile)),
        ("run", "#!/usr/bin/env bash\n", Some(Language::Shell)),
        ("k.yaml", "apiVersion: v1\nkind: Pod\n", Some(Language::Kubernetes)),
        ("t.yaml", "AWSTemplateFormatVersion: '2010-09-09'\n", Some(Language::CloudFormation)),
        (".github/workflows/a.yml", "on: push\n", Some(Language::Actions)),
        ("b.yaml", "a: 1\n", None),
        ("a.md", "", None),
    ] {
        assert_eq!(Language::of(path, text), language, "{path}");
        assert!(language.is_none() || Language::possible(path), "{path}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_is_analysed_without_a_panic(
        parts in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::prelude::Just("eval("), proptest::prelude::Just(")"), proptest::prelude::Just("\""),
                proptest::prelude::Just("'"), proptest::prelude::Just("`"), proptest::prelude::Just("${"),
                proptest::prelude::Just("f\"{"), proptest::prelude::Just("import a as "), proptest::prelude::Just("from x import ("),
                proptest::prelude::Just("\n"), proptest::prelude::Just("x = "), proptest::prelude::Just(" + "),
                proptest::prelude::Just("c.execute("), proptest::prelude::Just("SELECT "), proptest::prelude::Just("é€"),
                proptest::prelude::Just("\"\"\""), proptest::prelude::Just("{"), proptest::prelude::Just("}"), proptest::prelude::Just("/*"),
                proptest::prelude::Just("require('"), proptest::prelude::Just("::"), proptest::prelude::Just("->"), proptest::prelude::Just("\\"),
            ],
            0..60,
        )
    ) {
        let text = parts.concat();
        for (language, _) in Language::ALL {
            codes(*language, &text);
        }
    }
}

/// Prints what the rules find in every file below a folder, a line each:
/// `PACT_SAST_CORPUS=<folder> cargo test -p pact-security-agent corpus -- --ignored --nocapture`.
#[test]
#[ignore = "reads the folder that PACT_SAST_CORPUS names"]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the result")]
fn corpus_findings_by_place() {
    let Some(root) = std::env::var_os("PACT_SAST_CORPUS") else {
        println!("skipped: PACT_SAST_CORPUS is not set");
        return;
    };
    let analysis = crate::measured::Analysis::new().expect("the rules are valid");
    let mut open = vec![std::path::PathBuf::from(root)];
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    while let Some(path) = open.pop() {
        let kind = std::fs::symlink_metadata(&path).expect("a path");
        if kind.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("a folder").flatten().map(|e| e.path()));
        } else if kind.is_file() && kind.len() < 4 << 20 {
            let content = std::fs::read(&path).expect("a file");
            let path = path.to_string_lossy();
            let Some((language, found)) = analysis.file(&path, &content) else { continue };
            *lines.entry(language).or_default() += content.split(|b| *b == b'\n').count();
            for one in found {
                println!("{path}:{}\t{}\t{}", one.line, one.severity, one.code);
            }
        }
    }
    eprintln!("{lines:?} lines");
}
