use pact_contract::{
    Finding, Severity,
    settings::{CodeSettings, CodeThresholds},
};

use super::{
    function::Function,
    judge::Touched,
    measure::functions,
    pairs::{Origin, Placed, origins},
};

fn measured(path: &str, text: &str) -> Vec<Function> {
    functions(path, text.as_bytes()).expect("is measured")
}

fn judged(function: &Function, before: Option<&Function>, limits: CodeThresholds) -> Vec<Finding> {
    let origin = if before.is_some() { Origin::Changed(0) } else { Origin::New };
    let thresholds = &limits;
    Touched { path: "a.rs", function, origin, before, table: "code", thresholds, is_suite: false }
        .findings()
}

fn branches(number: usize) -> String {
    format!("fn one(a: bool) {{\n{}}}\n", "    if a { b(); }\n".repeat(number))
}

#[test]
fn every_language_is_measured_and_values_are_as_expected() {
    let files = [
        ("a.rs", "fn second(a: bool) { if a { if b { c(); } } else if d { e(); } }\n"),
        (
            "a.py",
            "def second(a):\n    if a:\n        if b:\n            c()\n    elif d:\n        e()\n",
        ),
        ("a.js", "function second(a) { if (a) { if (b) { c(); } } else if (d) { e(); } }\n"),
        ("a.ts", "function second(a: X) { if (a) { if (b) { c(); } } else if (d) { e(); } }\n"),
        ("a.tsx", "function second(a: X) { if (a) { if (b) { c(); } } else if (d) { e(); } }\n"),
        (
            "a.go",
            "package a\nfunc second(a bool) {\n if a {\n if b {\n c() } } else if d {\n e() }\n}\n",
        ),
        (
            "A.java",
            "class A { void second(boolean a) { if (a) { if (b) { c(); } } else if (d) { e(); } } }\n",
        ),
    ];
    for (path, text) in files {
        let found = measured(path, text);
        let second = found.iter().find(|f| f.name.contains("second")).expect(path);
        let m = second.metrics;
        assert_eq!((m.cyclomatic, m.cognitive, m.nesting, m.parameters), (4, 4, 2, 1), "{path}");
    }
}

#[test]
fn a_name_says_what_it_is_in_and_nested_functions_are_apart() {
    let text = "class Shop:\n    def total(self, a, b):\n        def inner(c):\n            if c:\n                pass\n        return inner\n";
    let names: Vec<_> = measured("a.py", text).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["Shop.total", "Shop.total.inner"]);
    let found = measured("a.py", text);
    let total = found[0].metrics;
    assert_eq!((total.cyclomatic, total.nesting, total.parameters), (1, 0, 3));
}

#[test]
fn comments_and_blank_lines_are_no_length() {
    let text = "fn a() {\n    // one\n\n    b();\n    /* two */\n}\n";
    assert_eq!(measured("a.rs", text)[0].metrics.lines, 3);
}

#[test]
fn only_what_is_new_or_became_worse_is_charged() {
    let limits = CodeThresholds { max_cyclomatic: 5, ..CodeSettings::default().thresholds() };
    let function = |n| measured("a.rs", &branches(n)).remove(0);
    let (small, old, worse) = (function(2), function(9), function(10));
    assert_eq!(judged(&old, None, limits).len(), 1);
    assert!(judged(&old, Some(&old), limits).is_empty());
    assert!(judged(&old, Some(&worse), limits).is_empty());
    assert_eq!(judged(&worse, Some(&old), limits).len(), 1);
    assert_eq!(judged(&worse, Some(&small), limits).len(), 1);
    assert!(judged(&small, Some(&function(1)), limits).is_empty());
}

#[test]
fn one_line_or_line_breaks_more_make_nothing_longer() {
    let limits = CodeThresholds { max_function_lines: 4, ..CodeSettings::default().thresholds() };
    let function = |text: &str| measured("a.rs", text).remove(0);
    let calls = |n: usize| function(&format!("fn a() {{\n{}}}\n", "    b(1, 2);\n".repeat(n)));
    assert!(judged(&calls(9), Some(&calls(8)), limits).is_empty());
    assert_eq!(judged(&calls(10), Some(&calls(8)), limits).len(), 1);
    assert_eq!(judged(&calls(3), Some(&calls(2)), limits).len(), 1);
    let broken = function(&format!("fn a() {{\n{}}}\n", "    b(\n        1, 2);\n".repeat(8)));
    assert!(judged(&broken, Some(&calls(8)), limits).is_empty());
}

#[test]
fn what_is_above_a_threshold_says_value_threshold_and_remedy() {
    let limits = CodeThresholds { max_cyclomatic: 2, ..CodeSettings::default().thresholds() };
    let (old, new) = (measured("a.rs", &branches(4)), measured("a.rs", &branches(5)));
    let findings = judged(&new[0], None, limits);
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!(
        (finding.code.as_str(), finding.severity),
        ("complexity-cyclomatic", Severity::Medium)
    );
    assert_eq!(finding.message, "one has a cyclomatic complexity of 6; at most 2");
    let remedy = finding.remedy.as_deref().expect("a remedy");
    assert_eq!(remedy, "split the function, or raise code.max_cyclomatic in pact.toml");
    let worse = judged(&new[0], Some(&old[0]), limits).remove(0);
    assert_eq!(worse.message, "one has a cyclomatic complexity of 6; at most 2, it was 5");
    assert!(worse.remedy.is_some_and(|r| r.starts_with("bring it back to 5 or less")));
}

fn paired(before: &[(&str, &str)], after: &[(&str, Option<&str>, &str)]) -> Vec<Origin> {
    let old: Vec<_> =
        before.iter().flat_map(|(p, t)| measured(p, t).into_iter().map(|f| (*p, f))).collect();
    let new: Vec<_> =
        after.iter().flat_map(|(p, o, t)| measured(p, t).into_iter().map(|f| (*o, f))).collect();
    let old: Vec<_> =
        old.iter().map(|(path, function)| Placed { path: Some(path), function }).collect();
    let new: Vec<_> = new.iter().map(|(path, function)| Placed { path: *path, function }).collect();
    origins(&old, &new)
}

#[test]
fn a_function_is_found_again_wherever_it_went() {
    let one = branches(6);
    let other = "fn other(x: u8) { y(x); z(x, 1); }\n";
    let both = format!("{one}{other}");
    // Indented, in its file.
    let deep = format!("mod m {{\n{one}}}\n").replace('\n', "\n    ");
    assert_eq!(
        paired(&[("a.rs", &one)], &[("a.rs", Some("a.rs"), &one.replace("    ", "\t"))]),
        [Origin::Same(0)]
    );
    assert_eq!(paired(&[("a.rs", &one)], &[("a.rs", Some("a.rs"), &deep)]).len(), 1);
    // To a new file; both at once, in another order.
    assert_eq!(paired(&[("a.rs", &one)], &[("b.rs", None, &one)]), [Origin::Moved(0)]);
    let turned = format!("{other}{one}");
    assert_eq!(
        paired(&[("a.rs", &both)], &[("a.rs", Some("a.rs"), &turned)]),
        [Origin::Same(1), Origin::Same(0)]
    );
    // Under another name.
    let renamed = one.replace("fn one", "fn two");
    assert_eq!(
        paired(&[("a.rs", &one)], &[("a.rs", Some("a.rs"), &renamed)]),
        [Origin::Derived(0)]
    );
    // A copy is no move.
    let copied = format!("{one}{renamed}");
    assert_eq!(
        paired(&[("a.rs", &one)], &[("a.rs", Some("a.rs"), &copied)]),
        [Origin::Same(0), Origin::New]
    );
}
