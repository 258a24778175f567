//! What people read on a terminal is obeyed by none: whatever a commit, a name, a reason or a file says.

use std::collections::BTreeSet;

use pact_e2e::{Finished, Repo, Stack, wait_for};

use crate::text;

/// Writes from right to left, clears the screen in two ways, rings, and blinks, which nothing here does.
const ODD: &str = "x\u{202e}y\u{2066}\u{200f}\u{1b}[2J\u{9b}2J\u{7}\u{1b}[5mz";
/// The same as far as it can be part of a path or of a branch.
const NAMED: &str = "x\u{202e}y\u{2066}z";

/// What a terminal would obey: everything but line feeds, tabs, and the colours of this program.
fn obeyed(text: &str) -> Option<String> {
    let mut rest = text.to_owned();
    for colours in ["0", "1", "2", "31", "32", "33", "36"] {
        rest = rest.replace(&format!("\u{1b}[{colours}m"), "");
    }
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let at = rest.find(|c: char| turns(c) || (c.is_control() && !matches!(c, '\n' | '\t')))?;
    let from = rest[..at].char_indices().rev().take(60).last().map_or(0, |(at, _)| at);
    Some(format!("{:?}", rest[from..].chars().take(120).collect::<String>()))
}

/// A shop of which everything that can be odd is, and that asks before production.
fn odd_shop() -> Repo {
    let repo = Repo::shop();
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    let more = format!(
        "\n[environments.production.approval]\ntimeout_minutes = 5\n[[waivers]]\ncode = \"x\"\n\
         owner = \"{NAMED}\"\nreason = \"{NAMED}\"\nexpires = \"2099-01-01\"\n"
    );
    repo.write("pact.toml", &format!("{settings}{more}"));
    repo.write("odd.txt", ODD).write("test.sh", "cat odd.txt; echo; echo '1 passed'\n");
    repo.write(&format!("{NAMED}.py"), &format!("def f(:\n    return '{NAMED}'\n"));
    repo.write(&format!("{NAMED}/package-lock.json"), &format!("{{\"{NAMED}\": "));
    repo.write(&format!("{NAMED}.env"), &format!("PASSWORD = \"hunter2-{NAMED}-8c1f0e7d9a3b\"\n"));
    repo.git(&["checkout", "-q", "-b", &format!("try/{NAMED}")]);
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-q", "--author", &format!("Eve {NAMED} <eve@example.org>"), "-m", ODD]);
    repo
}

/// Runs commands in both ways, without colours and with them, and keeps which they were.
struct Bench {
    plain: Stack,
    known: BTreeSet<String>,
}

impl Bench {
    fn does(&mut self, name: &str, args: &[&str]) -> Finished {
        let all: Vec<&str> = name.split(' ').chain(args.iter().copied()).collect();
        self.known.insert(name.replace(' ', "-"));
        for colours in ["0", "1"] {
            let said =
                self.plain.pactctl_with(&[("CLICOLOR_FORCE", colours), ("NO_COLOR", "")], &all);
            for text in [&said.stdout, &said.stderr] {
                assert_eq!(obeyed(text), None, "{all:?}");
            }
            if colours == "1" {
                return said;
            }
        }
        unreachable!("there are two ways")
    }
}

#[test]
fn no_command_prints_what_a_terminal_obeys() {
    let (stack, repo) = (Stack::new(), odd_shop());
    let path = repo.path().to_string_lossy().into_owned();
    let url = format!("file://{path}");
    let (mut up, _) = stack.up();
    let mut bench = Bench { plain: stack, known: BTreeSet::new() };

    // A run that fails in every way that quotes something, and one that asks and is refused.
    let failed = bench.does("run", &[&path]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let good = Repo::shop();
    let settings = std::fs::read_to_string(good.path().join("pact.toml")).expect("settings");
    good.write(
        "pact.toml",
        &format!("{settings}\n[environments.production.approval]\ntimeout_minutes = 5\n"),
    );
    good.write("test.sh", &format!("printf '%s' '{NAMED}'; echo; echo '1 passed'\n"));
    good.git(&["add", "-A"]);
    good.git(&["commit", "-q", "--author", &format!("Eve {NAMED} <e@example.org>"), "-m", ODD]);
    let good_path = good.path().to_string_lossy().into_owned();
    let asks = bench.plain.start(&["run", &good_path]);
    wait_for("the question", 60, || {
        bench.plain.pactctl(&["runs", "list"]).stdout.contains("waits for an answer").then_some(())
    });
    bench.does("runs list", &[]);
    bench.does("runs show", &[]);
    bench.does("approve", &["--by", ODD, "--reason", ODD]);
    let ended = asks.wait();
    assert_eq!((ended.code, obeyed(&ended.stdout), obeyed(&ended.stderr)), (Some(0), None, None));
    bench.does("run", &[&good_path, "--json", "--on-purpose", NAMED, "--branch", NAMED]);

    let list = bench.plain.pactctl(&["runs", "list", "--json"]).json();
    let runs: Vec<String> = list["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| text(run, "/run_id").to_owned())
        .collect();
    for json in [&[][..], &["--json"]] {
        for run in &runs {
            for name in
                ["runs show", "runs tests", "runs log", "runs cost", "runs watch", "gate explain"]
            {
                bench.does(name, &[&[run.as_str()], json].concat());
            }
            bench.does("logs", &[&[run.as_str()], json].concat());
        }
        for name in
            ["runs list", "environments list", "tokens list", "repos list", "incidents list"]
        {
            bench.does(name, json);
        }
        bench.does("gate try", &[&[path.as_str()], json].concat());
        bench.does("environments history", &[&["production"], json].concat());
        bench.does("doctor", &[&[path.as_str()], json].concat());
        bench.does("validate", &[&[path.as_str()], json].concat());
        bench.does("secrets scan", &[&[path.as_str()], json].concat());
        bench.does("secrets scan", &[&[path.as_str(), "--history"], json].concat());
    }
    for run in &runs {
        for name in ["runs sarif", "runs summary", "runs verify"] {
            bench.does(name, &[run]);
        }
        bench.does("runs show", &[run, "--all"]);
    }
    bench.does("rollback", &["production", "--reason", ODD, "--by", ODD]);

    // What people name.
    for json in [&[][..], &["--json"]] {
        let owner = [NAMED, "--scope", "read"];
        let made = bench.does("tokens add", &[&owner, json].concat());
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    let tokens = bench.plain.pactctl(&["tokens", "list", "--json"]).json();
    bench.does("tokens revoke", &[text(&tokens, "/tokens/0/id")]);
    bench.does("repos add", &["acme/odd", &format!("https://example.org/{NAMED}"), "--by", NAMED]);
    bench.does("repos add", &["acme/odder", &url, "--branch", NAMED, "--by", NAMED]);
    for name in
        ["repos show", "repos policy", "repos pulls", "repos rotate", "repos token", "repos remove"]
    {
        bench.does(name, &["acme/odder"]);
    }
    for name in ["incidents show", "incidents acknowledge", "incidents close"] {
        bench.does(name, &["nothing", "--by", NAMED][..if name.ends_with("show") { 1 } else { 3 }]);
    }
    bench.does("sign-in", &["--by", NAMED]);

    // Files of theirs, and mistakes that quote what was typed.
    let series = format!("{NAMED}.csv");
    repo.write(&series, &format!("2026-01-01T00:00:00Z,{NAMED}\n"));
    bench.does("detect", &[&format!("{path}/{series}")]);
    bench.does("init", &[&path, "--print"]);
    bench.does("sbom", &[&path]);
    bench.does("secrets score", &[&path]);
    bench.does("advisories update", &[&format!("{path}/{NAMED}")]);
    repo.write("pact.toml", &format!("\"{NAMED}\" = 1\ntemplate = \"{NAMED}\"\n"));
    let wrong = bench.does("validate", &[&path]);
    assert!(wrong.stderr.contains("\\u{202e}"), "{wrong:?}");
    for name in ["explain", "runs show", "runs watch", "completions", "validate", "tokens revoke"] {
        assert_eq!(bench.does(name, &[ODD]).code, Some(2), "{name}");
    }
    bench.does("man", &[&format!("{path}/{NAMED}")]);
    bench.does("env", &[]);
    bench.does("agents", &[]);

    // The stack's own lines, once it has ended.
    up.signal("INT");
    let mut said = up.errors();
    while let Some(line) = up.line().filter(|line| !line.is_empty()) {
        said.push_str(&line);
    }
    assert_eq!(obeyed(&said), None);
    assert!(said.contains("succeeded"), "{said}");
    bench.does("down", &[]);

    // There is no command that was left out.
    let pages = bench.plain.data().join("man");
    let written = bench.plain.pactctl(&["man", &pages.to_string_lossy()]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let pages = std::fs::read_dir(&pages).expect("pages").flatten();
    let names: BTreeSet<String> = pages
        .filter_map(|page| {
            let name = page.file_name().to_string_lossy().into_owned();
            Some(name.strip_prefix("pactctl-")?.strip_suffix(".1")?.to_owned())
        })
        .collect();
    let leaf = |name: &&String| !names.iter().any(|other| other.starts_with(&format!("{name}-")));
    let left_out: Vec<_> = names
        .iter()
        .filter(leaf)
        .filter(|name| !bench.known.contains(*name) && *name != "up" && !name.ends_with("help"))
        .collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}
