//! What conditions say, and what hostile ones do.

use std::{sync::Arc, time::Instant};

use proptest::prelude::*;

use super::*;

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        branch: "release/1.2".to_owned(),
        tag: String::new(),
        trigger: "push".to_owned(),
        author: "ada@example.org".to_owned(),
        message: "feat!: drop it".to_owned(),
        labels: vec!["breaking".to_owned(), "area/db".to_owned()],
        paths: vec!["db/migrations/7.sql".to_owned(), "src/a.rs".to_owned()],
        files: 2,
        lines: 40,
        risk: 61,
    })
}

#[test]
fn conditions_speak_of_branch_paths_and_risk() {
    for (expression, expected) in [
        ("branch == 'main'", false),
        ("branch.startsWith(\"release/\") && risk > 60", true),
        ("paths.exists(p, p.endsWith('.rs'))", true),
        ("paths.all(p, p.endsWith('.rs'))", false),
        ("changes('db/**') || changes('infra/**')", true),
        ("changes('*.sql')", false),
        ("size(paths) > 1 && files == 2 && lines < 100", true),
        ("trigger in ['api', 'push'] && tag == ''", true),
        ("message.contains('!:') ? author.endsWith('@example.org') : false", true),
        ("'breaking' in labels", true),
        ("labels.exists(l, l.startsWith('area/')) && size(labels) == 2", true),
        ("'skip ci' in labels", false),
        ("paths.filter(p, p.startsWith('db/')).size() == 1", true),
    ] {
        assert_eq!(check(expression), Ok(()), "{expression}");
        assert_eq!(holds(expression, &facts()), Ok(expected), "{expression}");
    }
}

#[test]
fn what_cannot_be_used_is_said_with_the_reason() {
    let wide = format!("branch == '{}'", "a".repeat(500));
    let deep = format!("{}true{}", "(".repeat(30), ")".repeat(30));
    let signs = format!("{}true", "!".repeat(60));
    for (expression, said) in [
        ("", "must not be empty"),
        ("branch ==", "is no CEL"),
        ("brnach == 'main'", "speaks of \"brnach\", which there is not; there are author, branch"),
        (&wide, "longer than 500 bytes"),
        (&deep, "more than 20 brackets"),
        (&signs, "more than 40 of the signs"),
        ("paths.all(a, paths.all(b, a == b))", "a loop within a loop"),
    ] {
        let error = check(expression).expect_err(expression).to_string();
        assert!(error.contains(said), "{expression}: {error}");
        assert!(holds(expression, &facts()).is_err(), "{expression}");
    }
    for (expression, said) in [
        ("branch", "is no yes or no"),
        ("branch > 3", "cannot be evaluated"),
        ("nonsense(branch)", "cannot be evaluated"),
        ("changes('[')", "cannot be evaluated"),
        ("branch.matches('(a+)+')", "cannot be evaluated"),
        ("1 / 0 == 1", "cannot be evaluated"),
    ] {
        let error = holds(expression, &facts()).expect_err(expression).to_string();
        assert!(error.contains(said), "{expression}: {error}");
    }
}

#[test]
fn many_paths_cost_little_and_more_are_asked_for_by_globs() {
    let with = |count: usize| {
        let paths = (0..count).map(|n| format!("src/{n}.rs")).collect();
        Arc::new(Facts { paths, ..Facts::default() })
    };
    let started = Instant::now();
    let loops = ["paths.exists(p, p == 'x')"; 8].join(" || ");
    assert_eq!(holds(&loops, &with(MAX_PATHS)), Ok(false));
    assert_eq!(holds("changes('src/99999.rs')", &with(100_000)), Ok(true));
    let error = holds("paths.exists(p, p == 'x')", &with(MAX_PATHS + 1)).expect_err("too many");
    assert!(error.to_string().contains("at most 2000"), "{error}");
    // What compares every path with every other ends too, one way or the other.
    let squares = ["paths.exists(p, !(p in paths))"; 8].join(" || ");
    drop(holds(&squares, &with(MAX_PATHS)));
    assert!(started.elapsed() < 4 * TIME, "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_brings_the_program_down(
        parts in prop::collection::vec(prop::sample::select(vec![
            "branch", "paths", "risk", "(", ")", "[", "]", "{", "}", "!", "-", "?", ":", ".", ",", "'", "\"", "\\",
            ".all(p, ", ".map(p, ", "p", " && ", " || ", " == ", " in ", "1", "0x", "1u", "1e9", "b'", "r'", "has(", "é",
            "null", "true", "+", "*", "/", "%", "changes('", "@result", "__result__",
        ]), 0..30)
    ) {
        let text = parts.concat();
        drop(check(&text));
        drop(holds(&text, &facts()));
    }
}
