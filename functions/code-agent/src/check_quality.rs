//! `code.check_quality`: complexity and length of the functions that changed.

use std::{collections::HashMap, sync::atomic::AtomicBool};

use big_code_analysis::{FuncSpace, LANG, Metric, MetricsOptions, Source, SpaceKind, analyze};
use pact_agent::{AgentError, Call, Outcome, bundle, ports::Artifacts};
use pact_contract::{
    ChangeSet, FileChange, Finding, LineRange, Severity, StageStatus,
    actions::{CheckQuality, CheckQualityOutput},
    codes,
    settings::CodeSettings,
};

use crate::{ignore::Ignore, languages, limits::MAX_FILE, work};

/// Most findings of one answer.
const MAX_FINDINGS: usize = 500;
/// Longest function name that is shown.
const MAX_NAME: usize = 80;
/// Code that nobody here wrote by hand.
const NOT_OURS: &[&str] =
    &["node_modules", "vendor", "third_party", "*.min.js", "*.pb.go", "*_pb2.py", "*.generated.*"];

/// Carries the action out.
pub(crate) async fn run(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: CheckQuality = call.parameters()?;
    let changes = bundle::change_set(artifacts, &parameters.changes_key).await?;
    let source = bundle::fetch(artifacts, &parameters.source).await?;
    let settings = parameters.settings;
    let ours = Ignore::new(&settings.ignore)?;
    let foreign = Ignore::new(NOT_OURS)?;
    work::blocking(move |stop| {
        let ignored = |path: &str| ours.covers(path) || foreign.covers(path);
        measure(&changes, &source, &settings, ignored, stop)
    })
    .await
}

/// A function that changed.
struct Function {
    name: String,
    lines: LineRange,
    cyclomatic: u32,
    cognitive: u32,
}

impl Function {
    fn length(&self) -> u32 {
        self.lines.end.saturating_sub(self.lines.start) + 1
    }
}

fn measure(
    changes: &ChangeSet,
    source: &[u8],
    settings: &CodeSettings,
    ignored: impl Fn(&str) -> bool,
    stop: &AtomicBool,
) -> Result<Outcome, AgentError> {
    let wanted: HashMap<&str, &FileChange> = changes
        .files
        .iter()
        .filter(|f| f.is_readable() && language(&f.path).is_some() && !ignored(&f.path))
        .map(|f| (f.path.as_str(), f))
        .collect();
    if wanted.is_empty() {
        return Ok(Outcome::nothing_to_check(
            "no changed file is in a language whose functions are measured",
        ));
    }
    let files = bundle::read_files(source, MAX_FILE, |path| wanted.contains_key(path))?;
    work::check(stop)?;
    let measured = work::each(&files, stop, |(path, content)| {
        let lines = wanted.get(path.as_str()).map_or(&[][..], |file| &file.added_lines);
        functions(path, content, lines)
    })?;
    if files.is_empty() {
        return Ok(Outcome::skipped("every changed file is larger than 1 MiB or a link"));
    }

    let mut output = CheckQualityOutput::default();
    let mut findings = Vec::new();
    let (mut unmeasured, mut complex) = (0, 0);
    for ((path, _), functions) in files.iter().zip(measured) {
        let functions = match functions {
            Ok(functions) => functions,
            Err(reason) => {
                unmeasured += 1;
                let text = format!("the file cannot be measured: {reason}");
                findings.push(
                    Finding::new(codes::QUALITY_NOT_CHECKED, Severity::Info, text)
                        .at(path, None, None),
                );
                continue;
            }
        };
        output.functions += functions.len();
        for function in &functions {
            output.max_cyclomatic = output.max_cyclomatic.max(function.cyclomatic);
            output.max_cognitive = output.max_cognitive.max(function.cognitive);
            let above = judged(path, function, settings);
            output.above_threshold += above.len();
            complex += usize::from(!above.is_empty());
            findings.extend(above);
        }
    }
    if unmeasured == files.len() {
        return Ok(Outcome::skipped("no changed file can be measured").with_findings(findings));
    }
    let (status, summary) = if output.above_threshold > 0 {
        let findings = match output.above_threshold {
            1 => "1 finding".to_owned(),
            n => format!("{n} findings"),
        };
        let are = if complex == 1 { "is" } else { "are" };
        let all = functions_of(output.functions);
        let text = format!("{complex} of {all} {are} above a threshold ({findings})");
        (StageStatus::Failed, text)
    } else if output.functions == 0 {
        let files = match files.len() {
            1 => "the changed file".to_owned(),
            n => format!("the {n} changed files"),
        };
        (StageStatus::Passed, format!("no function changed in {files}"))
    } else {
        let are = if output.functions == 1 { "is" } else { "are" };
        let text = format!("{} {are} within the thresholds", functions_of(output.functions));
        (StageStatus::Passed, text)
    };
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(MAX_FINDINGS);
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

fn functions_of(number: usize) -> String {
    if number == 1 {
        "1 changed function".to_owned()
    } else {
        format!("{number} changed functions")
    }
}

fn language(path: &str) -> Option<LANG> {
    match languages::of(path)? {
        "Go" => Some(LANG::Go),
        "Java" => Some(LANG::Java),
        "JavaScript" => Some(LANG::Javascript),
        "Python" => Some(LANG::Python),
        "Rust" => Some(LANG::Rust),
        "TypeScript" if path.to_ascii_lowercase().ends_with(".tsx") => Some(LANG::Tsx),
        "TypeScript" => Some(LANG::Typescript),
        _ => None,
    }
}

/// The functions of a file that share a line with `changed`.
fn functions(path: &str, content: &[u8], changed: &[LineRange]) -> Result<Vec<Function>, String> {
    let Some(language) = language(path) else { return Ok(Vec::new()) };
    let options = MetricsOptions::default()
        .with_only(&[Metric::Cyclomatic, Metric::Cognitive])
        // `?` hands an error on; it is no branch that a reader has to follow.
        .with_count_cyclomatic_try(false);
    let root = analyze(Source::new(language, content), options).map_err(|e| e.to_string())?;
    let text: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    let mut found = Vec::new();
    let mut open: Vec<&FuncSpace> = vec![&root];
    while let Some(space) = open.pop() {
        open.extend(&space.spaces);
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let lines = LineRange { start: narrow(space.start_line), end: narrow(space.end_line) };
        let is_changed = || changed.iter().any(|range| has_code(&text, *range, lines));
        if space.kind != SpaceKind::Function || !is_changed() {
            continue;
        }
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        found.push(Function {
            name: space.name.clone().unwrap_or_else(|| "<anonymous>".to_owned()),
            lines,
            cyclomatic: narrow(space.metrics.cyclomatic.cyclomatic()),
            cognitive: narrow(space.metrics.cognitive.cognitive()),
        });
    }
    found.sort_by_key(|function| function.lines);
    Ok(found)
}

/// Whether lines of `function` that are in `changed` have more than comments: who mends a typing
/// error beside old code is not asked to rewrite the code.
fn has_code(text: &[&[u8]], changed: LineRange, function: LineRange) -> bool {
    let start = changed.start.max(function.start).max(1) as usize;
    let end = changed.end.min(function.end) as usize;
    let lines = text.get(start - 1..end.min(text.len())).unwrap_or_default();
    lines.iter().any(|line| {
        let line = line.trim_ascii();
        let starts = |with: &[u8]| line.starts_with(with);
        !(line.is_empty()
            || starts(b"//")
            || starts(b"/*")
            || starts(b"* ")
            || line == b"*"
            || starts(b"*/")
            || starts(b"# "))
    })
}

/// Whether the length of the function says nothing: a suite of tests holds its tests.
fn is_suite(path: &str, function: &Function) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let in_tests = name.contains(".test.")
        || name.contains(".spec.")
        || path
            .split('/')
            .rev()
            .skip(1)
            .any(|f| ["__tests__", "spec", "test", "tests"].contains(&f));
    in_tests
        && matches!(languages::of(path), Some("JavaScript" | "TypeScript"))
        && function.name.starts_with('<')
}

fn judged(path: &str, function: &Function, settings: &CodeSettings) -> Vec<Finding> {
    let rules = [
        (
            codes::COMPLEXITY_CYCLOMATIC,
            "a cyclomatic complexity of",
            function.cyclomatic,
            settings.max_cyclomatic,
            "code.max_cyclomatic",
        ),
        (
            codes::COMPLEXITY_COGNITIVE,
            "a cognitive complexity of",
            function.cognitive,
            settings.max_cognitive,
            "code.max_cognitive",
        ),
        (
            codes::FUNCTION_LENGTH,
            "a length in lines of",
            function.length(),
            settings.max_function_lines,
            "code.max_function_lines",
        ),
    ];
    let name = pact_agent::text::truncated(&function.name, MAX_NAME);
    rules
        .into_iter()
        .filter(|(_, _, value, threshold, _)| value > threshold)
        .filter(|(code, ..)| *code != codes::FUNCTION_LENGTH || !is_suite(path, function))
        .map(|(code, what, value, threshold, setting)| {
            let severity =
                if value > threshold.saturating_mul(2) { Severity::Medium } else { Severity::Low };
            Finding::new(code, severity, format!("{name} has {what} {value}; at most {threshold}"))
                .at(path, Some(function.lines.start), None)
                .remedy(format!("split the function, or raise {setting} in pact.toml"))
                .evidence(format!("value {value}, threshold {threshold}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRANCHES: &str = "if a { 1; }\n";

    fn rust(branches: usize) -> String {
        format!("fn first() {{}}\n\nfn second(a: bool) {{\n{}}}\n", BRANCHES.repeat(branches))
    }

    #[test]
    fn only_functions_that_share_a_line_with_the_change_are_measured() {
        let text = rust(3);
        let range = |start, end| [LineRange { start, end }];
        let names = |changed: &[LineRange]| -> Vec<String> {
            let found = functions("a.rs", text.as_bytes(), changed).expect("is measured");
            found.into_iter().map(|f| f.name).collect()
        };
        assert_eq!(names(&range(5, 5)), ["second"]);
        assert_eq!(names(&range(1, 9)), ["first", "second"]);
        assert!(names(&range(2, 2)).is_empty() && names(&[]).is_empty());
    }

    #[test]
    fn a_changed_comment_is_no_changed_function() {
        let text = "fn a() {\n    // a typing eror\n\n    one();\n}\n";
        let range = |line| [LineRange { start: line, end: line }];
        let count = |line| functions("a.rs", text.as_bytes(), &range(line)).expect("is").len();
        assert_eq!([count(1), count(2), count(3), count(4)], [1, 0, 0, 1]);
    }

    #[test]
    fn a_suite_of_tests_may_be_long_and_a_function_may_not() {
        let settings = CodeSettings { max_function_lines: 3, ..CodeSettings::default() };
        let all = [LineRange { start: 1, end: 100 }];
        let findings = |path: &str, text: &str| {
            let found = functions(path, text.as_bytes(), &all).expect("is measured");
            found.iter().map(|f| judged(path, f, &settings).len()).sum::<usize>()
        };
        let suite = "describe('a', () => {\n  it();\n  it();\n  it();\n});\n";
        assert_eq!(findings("src/a.test.ts", suite), 0);
        assert_eq!(findings("src/a.ts", suite), 1);
        assert_eq!(findings("src/a.test.ts", "function f() {\n  a();\n  a();\n  a();\n}\n"), 1);
    }

    #[test]
    fn every_language_is_measured_and_values_are_as_expected() {
        let files = [
            ("a.rs", rust(3)),
            ("a.py", "def second(a):\n    if a:\n        pass\n    if a:\n        pass\n    if a:\n        pass\n".into()),
            ("a.js", "function second(a) { if (a) {} if (a) {} if (a) {} }\n".into()),
            ("a.ts", "function second(a: X) { if (a) {} if (a) {} if (a) {} }\n".into()),
            ("a.tsx", "function second(a: X) { if (a) {} if (a) {} if (a) {} }\n".into()),
            ("a.go", "package a\nfunc second(a bool) {\n if a {}\n if a {}\n if a {}\n}\n".into()),
            ("A.java", "class A { void second(boolean a) { if (a) {} if (a) {} if (a) {} } }\n".into()),
        ];
        let all = [LineRange { start: 1, end: 100 }];
        for (path, text) in files {
            let found = functions(path, text.as_bytes(), &all).expect("is measured");
            let second = found.iter().find(|f| f.name.contains("second")).expect(path);
            assert_eq!((second.cyclomatic, second.cognitive), (4, 3), "{path}");
        }
    }

    #[test]
    fn what_is_above_a_threshold_says_value_threshold_and_remedy() {
        let settings = CodeSettings { max_cyclomatic: 2, ..CodeSettings::default() };
        let all = [LineRange { start: 1, end: 100 }];
        let found = functions("a.rs", rust(5).as_bytes(), &all).expect("is measured");
        let findings: Vec<_> = found.iter().flat_map(|f| judged("a.rs", f, &settings)).collect();
        assert_eq!(findings.len(), 1, "{findings:?}");
        let finding = &findings[0];
        assert_eq!(finding.code, "complexity-cyclomatic");
        assert_eq!(finding.severity, Severity::Medium);
        assert_eq!(finding.line, Some(3));
        assert!(finding.message.contains('6') && finding.message.contains('2'), "{finding:?}");
        assert!(finding.remedy.as_deref().is_some_and(|r| r.contains("code.max_cyclomatic")));
    }
}
