//! The buildspec: what a build does, from the bundle to the results.
//!
//! 1. `pre_build` fetches the bundle from its presigned address and checks its digest.
//! 2. `build` runs the suites, several at a time; those that share a folder or a setup are in one lane,
//!    one after another. Its exit code is that of a suite that did not succeed: how it ended is said
//!    by the build service, not only by what is uploaded.
//! 3. `post_build` hands the output and the reports over, to a presigned address of one object.
//!
//! Where a second suite shares the build, the first one's results are handed over at the end of `build`
//! in any case, and `post_build` runs the second, if `build` succeeded, in a folder of its own, on a
//! checkout of its own, and hands its results over to another address. What the first one left running
//! in its groups of processes is ended before.
//!
//! What is handed over says of which build of which bundle it is: what a service mixed up is not taken
//! for what was asked for.
//!
//! The signatures of the addresses are in the commands that need them and in no variable: a test
//! that prints its environment prints none.

use pact_agent::buildspec::{Signed, TRANSFER, quote};
use serde_json::json;

use super::plan::Plan;
use crate::{
    runners::{reports, runner::Release},
    suites::{MODERN_YARN, REPORTS, Suite, TOOLS},
};

/// Variables of the build with the addresses, without what they are signed with.
pub(super) const BUNDLE: &str = "PACT_BUNDLE";
pub(super) const RESULTS: &str = "PACT_RESULTS";
pub(super) const NEXT_RESULTS: &str = "PACT_NEXT_RESULTS";
pub(super) const RELEASE: &str = "PACT_BUILT_";
/// The folder of the second of two suites.
const NEXT: &str = "next";
/// Longest output of one command that is handed over whole, in bytes.
const LOG: u64 = 64 << 20;
/// What of a longer one is kept of its beginning and of its end.
const LOG_HEAD: u64 = 8 << 20;
const LOG_TAIL: u64 = 48 << 20;
/// Most reports that a suite hands over.
const REPORT_FILES: usize = 2_100;
/// Most lanes at once.
const LANES: usize = 4;
/// What runs one command of a suite, and what sets up: their functions.
const FUNCTIONS: &str = r#"P=$PWD/pact; B=$PWD; S=$PWD/source
say() { printf '%s\n' "$*" >>"$P/steps"; }
say root "$(cd source && pwd -P)"
run() {
name=$1; limit=$2; shift 2
for program in mkfifo tee timeout "$1"; do
command -v "$program" >/dev/null 2>&1 || { say missing "$N" "${program##*/}"; return 127; }
done
log=$P/$N/$name.log; pipe=$P/$N/pipe; shown=$P/$N/shown
rm -f "$pipe" "$shown"; mkfifo "$pipe" "$shown" || return 70
if [ -n "$L" ] && command -v awk >/dev/null 2>&1; then
awk -v p="$L" '{ print p $0; fflush() }' <"$shown" & awk=$!
tee "$log" <"$pipe" >"$shown" & tee=$!
else
awk=; tee "$log" <"$pipe" & tee=$!
fi
exec 9>"$pipe"
begun=$(date +%s.%N)
sh -c 'echo $$ >>"$0"; exec timeout -k 5 "$@"' "$P/groups" "$limit" "$@" >&9 2>&1 9>&- </dev/null
code=$?
ended=$(date +%s.%N)
end="[exit code $code]"
printf '%s\n' "$end" >&9
exec 9>&-
n=0
while kill -0 $tee 2>/dev/null && ! tail -c 4096 "$log" | grep -qxF "$end" && [ $n -lt 200 ]; do
n=$((n + 1)); sleep 0.05
done
kill $tee 2>/dev/null; wait $tee 2>/dev/null; [ -z "$awk" ] || wait $awk
say end "$N" "$name" "$code" "$begun" "$ended"
return $code
}
tell() {
command -v "$1" >/dev/null 2>&1 || return 0
say tool "$N" "$1 $(timeout 20 "$@" 2>&1 </dev/null | head -n 1)"
}
bring() {
if [ "$3" = 0 ]; then command -v "$1" >/dev/null 2>&1 && return
else case $("$1" --version 2>/dev/null) in [2-9]* | [1-9][0-9]*) return ;; esac; fi
command -v npx >/dev/null 2>&1 || return
mkdir -p "$P/$N/bin"
printf '#!/bin/sh\nexec npx --yes %s "$@"\n' "$2" >"$P/$N/bin/$1"
chmod +x "$P/$N/bin/$1"; export PATH="$P/$N/bin:$PATH"
}
setup() {
name=setup$1; id=$2; limit=$3; dir=$4; shift 4
if [ -f "$P/done.$id" ]; then
read -r code first <"$P/done.$id"
[ "$code" = 0 ] || { cp "$P/$first.log" "$P/$N/$name.log"; say end "$N" "$name" "$code"; }
return "$code"
fi
(cd "$S/$dir" && run "$name" "$limit" "$@"); code=$?
printf '%s %s\n' "$code" "$N/$name" >"$P/done.$id"
return $code
}
"#;

/// Ends what commands left running in their groups of processes.
const END_ALL: &str = r#": end what was left running
(
while read -r group; do
case $group in '' | 0* | 1 | *[!0-9]*) continue ;; esac
kill -9 -- "-$group" 2>/dev/null
done <pact/groups
:
) 2>/dev/null || :"#;

/// Everything that goes into a buildspec.
#[derive(Clone, Copy)]
pub(super) struct Spec<'a> {
    pub(super) plan: &'a Plan,
    /// What tells its results from those of every other build.
    pub(super) of: &'a str,
    /// Time-out of a suite that has none of its own.
    pub(super) seconds: u64,
    pub(super) bundle: &'a Signed,
    pub(super) results: &'a Signed,
    /// The variable with its address.
    pub(super) variable: &'static str,
    /// Patterns of the coverage reports that are wanted.
    pub(super) coverage: &'a [String],
    /// The commit, for what is built.
    pub(super) commit: &'a str,
    /// Where what is built goes, one for each.
    pub(super) releases: &'a [Signed],
}

impl Spec<'_> {
    /// The buildspec: JSON is YAML. `then`: what follows in the same build.
    pub(super) fn text(&self, then: Option<&Self>) -> String {
        let (build, post_build) = match then {
            None => {
                (json!({ "commands": [self.run()] }), json!({ "commands": [self.hand_over()] }))
            }
            Some(then) => (
                json!({ "commands": [self.run()], "finally": [self.hand_over(), END_ALL] }),
                json!({ "commands": [then.follow()], "finally": [then.hand_over_next()] }),
            ),
        };
        json!({
            "version": 0.2,
            "phases": {
                "pre_build": { "commands": [self.fetch(then.is_some())] },
                "build": build,
                "post_build": post_build,
            },
            "cache": { "paths": ["/codebuild/cache/**/*"] },
        })
        .to_string()
    }

    /// Runs what follows, once what comes before has succeeded: the bundle was put aside for it, and
    /// is still the commit's, or nothing is run.
    fn follow(&self) -> String {
        let digest = &self.plan.digest;
        let run = self.run();
        format!(
            r#": run the tests that follow
(
[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ] || exit 0
cd {NEXT} || exit 70
rm -rf pact source || exit 70
mkdir pact source || exit 70
printf '%s  bundle.tar.gz
' {digest} | sha256sum -c - >/dev/null || exit 70
tar -xzmf bundle.tar.gz -C source || exit 70
{run}
)"#
        )
    }

    fn hand_over_next(&self) -> String {
        let text = self.hand_over();
        format!(
            ": what follows
(
[ -d {NEXT}/pact ] || exit 0
cd {NEXT} || exit 70
{text}
)"
        )
    }

    fn fetch(&self, twice: bool) -> String {
        let aside = if twice {
            format!(
                "mkdir {NEXT}
mv pact/bundle.tar.gz {NEXT}/bundle.tar.gz"
            )
        } else {
            "rm pact/bundle.tar.gz".to_owned()
        };
        let signature = quote(&self.bundle.signature);
        let digest = &self.plan.digest;
        // What is built is built of a tree of its own: no test has written there.
        let trees: String = (0..self.plan.releases.len())
            .map(|n| format!("mkdir release{n}\ntar -xzmf pact/bundle.tar.gz -C release{n}\n"))
            .collect();
        format!(
            r#": fetch the commit
{TRANSFER}(
set -e
mkdir -p pact source
get "${BUNDLE}"{signature} pact/bundle.tar.gz
printf '%s  pact/bundle.tar.gz\n' {digest} | sha256sum -c - >/dev/null
tar -xzmf pact/bundle.tar.gz -C source
{trees}{aside}
)"#
        )
    }

    fn run(&self) -> String {
        let suites = &self.plan.suites;
        let lanes = lanes(suites);
        let mut text = format!(": run the tests\n(\n{FUNCTIONS}say of {}\n", quote(self.of));
        for (number, suite) in suites.iter().enumerate() {
            text.push_str(&self.suite(number, suite));
        }
        for (number, release) in self.plan.releases.iter().enumerate() {
            text.push_str(&self.release(number, release));
        }
        let builds = (0..self.plan.releases.len()).map(|n| vec![suites.len() + n]);
        let lanes: Vec<Vec<usize>> = lanes.into_iter().chain(builds).collect();
        for (number, lane) in lanes.iter().enumerate() {
            text.push_str(&format!("lane{number}() {{\nr=0\n"));
            for suite in lane {
                let asked =
                    if *suite < suites.len() { format!("(tools{suite})\n") } else { String::new() };
                text.push_str(&format!(
                    "(suite{suite}) || r=$?\n{asked}collect{suite} | head -z -n {REPORT_FILES} | tar -cf - \
                     --null -T - 2>/dev/null | tar -xf - -C \"$P/{suite}/files\" 2>/dev/null\n"
                ));
            }
            text.push_str("return $r\n}\n");
        }
        if lanes.len() == 1 {
            text.push_str("lane0\n)");
            return text;
        }
        let numbers: Vec<_> = (0..lanes.len()).map(|lane| lane.to_string()).collect();
        text.push_str(&format!(
            "worker() {{\nc=0\nfor lane in {}; do\nmkdir \"$P/lane$lane\" 2>/dev/null || continue\n\
             lane$lane || c=$?\ndone\nexit $c\n}}\n\
             W=$(nproc 2>/dev/null || echo 2); [ \"$W\" -le {LANES} ] || W={LANES}\n\
             pids=; while [ \"$W\" -gt 0 ]; do worker & pids=\"$pids $!\"; W=$((W - 1)); done\n\
             c=0; for pid in $pids; do wait $pid || c=$?; done\nexit $c\n)",
            numbers.join(" ")
        ));
        text
    }

    /// The functions that build a release: its commands one after another, then what came of them.
    fn release(&self, number: usize, release: &Release) -> String {
        let own = self.plan.suites.len() + number;
        let commit = quote(self.commit);
        let mut text = format!(
            "suite{own}() {{\nN={own}; L='[build] '\nmkdir -p \"$P/$N/files\"\ncd \"$B/release{number}\" || \
             return 70\nexport PACT_COMMIT={commit}\n[ -w /codebuild/cache ] && mkdir -p \
             /codebuild/cache/release && export PACT_CACHE=/codebuild/cache/release\n"
        );
        let seconds = release.seconds.max(1);
        let last = release.commands.len().saturating_sub(1);
        for (step, command) in release.commands.iter().enumerate() {
            let name = if step == last { "test".to_owned() } else { format!("setup{step}") };
            let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
            text.push_str(&format!("run {name} {seconds} {} || return $?\n", words.join(" ")));
        }
        text.push_str(&format!(
            "find . -mindepth 1 -maxdepth 1 -printf '%P\\0' | sort -z | tar --sort=name --mtime=@0 \
             --owner=0 --group=0 --numeric-owner -czf \
             \"$B/release{number}.tar.gz\" --null -T - && touch \"$P/$N/built\"\n}}\n\
             collect{own}() {{ :; }}\n"
        ));
        text
    }

    /// The functions that run a suite, and list what it wrote.
    fn suite(&self, number: usize, suite: &Suite) -> String {
        let mut text = format!("suite{number}() {{\nN={number}");
        let label =
            if self.plan.suites.len() > 1 { format!("[{}] ", suite.name) } else { String::new() };
        // awk reads escapes in what it is given.
        text.push_str(&format!("; L={}\n", quote(&label.replace('\\', "/"))));
        text.push_str("mkdir -p \"$P/$N/files\" \"$P/$N/reports\"\n");
        let folder = quote(&suite.directory);
        text.push_str(&format!("cd \"$S\"/{folder} || {{ say directory $N; return 70; }}\n"));
        for (name, value) in &suite.environment {
            text.push_str(&format!("export {name}={}\n", quote(value)));
        }
        // What compilers keep from one build of the branch to the next.
        for (program, variable) in [("cargo", "CARGO_TARGET_DIR"), ("go", "GOCACHE")] {
            if suite.is_run_by(program) {
                text.push_str(&format!(
                    "[ -w /codebuild/cache ] && export {variable}=/codebuild/cache/{program}\n"
                ));
            }
        }
        if suite.is_run_by("bundle") {
            // Where gems of the system are, nothing can be written.
            text.push_str(
                "if [ -w /codebuild/cache ]; then export BUNDLE_PATH=/codebuild/cache/bundle\n\
                 else export BUNDLE_PATH=\"$P/$N/tools/bundle\"; fi\n",
            );
        }
        if let (Some(package), Some(program)) = (&suite.brought_by, suite.command.first()) {
            // A classic yarn refuses what the one after it is to install.
            let least = if package.starts_with(MODERN_YARN) { 2 } else { 0 };
            text.push_str(&format!("bring {} {} {least}\n", quote(program), quote(package)));
        }
        let seconds = suite.seconds.unwrap_or(self.seconds).max(1);
        for (step, setup) in suite.setup.iter().enumerate() {
            // The same setup of several suites is done once.
            let id = self.plan.suites.iter().flat_map(|suite| &suite.setup);
            let id = id.take_while(|other| *other != setup).count();
            let id = if setup.command.iter().any(|w| w.contains(TOOLS)) {
                format!("{number}.{step}")
            } else {
                id.to_string()
            };
            text.push_str(&format!(
                "setup {step} {id} {seconds} {} {} || return $?\n",
                quote(&setup.directory),
                words(&setup.command, number)
            ));
        }
        // From here on what is written is the suite's.
        text.push_str("touch \"$P/$N/stamp\"\n");
        let run = |command: &[String]| {
            let words = words(command, number);
            format!("run test {seconds} {words}\n")
        };
        let otherwise = suite.otherwise.as_ref();
        let otherwise = otherwise.map(|other| format!("say otherwise $N\n{}", run(other)));
        if suite.tool == "nextest" {
            let other = otherwise.unwrap_or_else(|| run(&suite.command));
            text.push_str(&format!(
                "if cargo nextest --version >/dev/null 2>&1; then\n{}else\n{other}fi\n",
                run(&suite.command)
            ));
        } else if suite.needs_pytest() {
            let other = match otherwise {
                Some(other) => other,
                None => format!(
                    "python3 -m venv --system-site-packages \"$P/$N/tools\" >\"$P/$N/setup0.log\" 2>&1 \
                     && timeout -k 5 {seconds} \"$P/$N/tools/bin/python\" -m pip install -q pytest \
                     >>\"$P/$N/setup0.log\" 2>&1 </dev/null || {{ say lacks $N pytest; return 127; }}\n\
                     PATH=\"$P/$N/tools/bin:$PATH\"\n{}",
                    run(&suite.command)
                ),
            };
            text.push_str(&format!(
                "if command -v python3 >/dev/null 2>&1 && ! python3 -c 'import pytest' >/dev/null 2>&1; then\n\
                 {other}else\n{}fi\n",
                run(&suite.command)
            ));
        } else {
            text.push_str(&run(&suite.command));
        }
        text.push_str("}\n");
        text.push_str(&tools(number, suite));
        text.push_str(&self.collect(number, suite));
        text
    }

    fn collect(&self, number: usize, suite: &Suite) -> String {
        let (mut patterns, coverage) = reports::patterns(&suite.reports, self.coverage);
        patterns.extend(coverage);
        let mut names: Vec<_> =
            patterns.iter().map(|p| format!("-name {}", quote(&file_name(p)))).collect();
        names.sort();
        names.dedup();
        let names = names.join(" -o ");
        // Patterns that are given may mean the whole repository.
        let start = match suite.directory.as_str() {
            folder if !folder.is_empty() && suite.reports.is_empty() => format!("source/{folder}"),
            _ => "source".to_owned(),
        };
        let mut others: Vec<_> = self
            .plan
            .suites
            .iter()
            .map(|other| format!("source/{}", other.directory))
            .filter(|other| other.starts_with(&format!("{start}/")) && *other != "source/")
            .filter(|_| suite.reports.is_empty())
            .map(|other| format!(" -o -path {}", quote(&other)))
            .collect();
        others.sort();
        others.dedup();
        let start = quote(&start);
        let others = others.concat();
        let mut text = format!(
            "collect{number}() {{\n[ -f \"$P/{number}/stamp\" ] || return 0\n\
             find {start} \\( -name node_modules -o -name .git{others} \\) -prune -o -type f -newer \
             \"$P/{number}/stamp\" \\( {names} \\) \\( -size -40000k -print0 -o -fprintf \
             \"$P/{number}/large\" 'large {number} %p\\n' \\)\n\
             head -n 20 \"$P/{number}/large\" >>\"$P/steps\" 2>/dev/null\n"
        );
        if suite.is_run_by("cargo") {
            text.push_str(&format!(
                "if [ -d /codebuild/cache/cargo/nextest ]; then find /codebuild/cache/cargo/nextest \
                 -name junit.xml -type f -newer \"$P/{number}/stamp\" -print0; fi\n"
            ));
        }
        text.push_str("}\n");
        text
    }

    fn hand_over(&self) -> String {
        let signature = quote(&self.results.signature);
        let variable = self.variable;
        let releases: String = self
            .releases
            .iter()
            .enumerate()
            .map(|(n, signed)| {
                let signature = quote(&signed.signature);
                let own = self.plan.suites.len() + n;
                // Only what its commands ended well for.
                format!(
                    "if [ -f pact/{own}/built ]; then put \"${RELEASE}{n}\"{signature} \
                     release{n}.tar.gz; fi\n"
                )
            })
            .collect();
        format!(
            r#": hand the results over
{TRANSFER}(
set -e
for f in pact/*/*.log; do
[ -f "$f" ] || continue
size=$(wc -c <"$f")
if [ "$size" -gt {LOG} ]; then
{{ head -c {LOG_HEAD} "$f"; printf '\n[... %s bytes left out ...]\n' $((size - {LOG_HEAD} - {LOG_TAIL})); tail -c {LOG_TAIL} "$f"; }} >"$f.short"
mv "$f.short" "$f"
fi
done
[ -f pact/steps ] || : >pact/steps
{{
printf '%s\0' pact/steps
find pact -path 'pact/*/tools*' -prune -o -type f -size -70000k \( -path 'pact/*/*.log' -o -path 'pact/*/files/*' -o -path 'pact/*/reports/*' \) -print0
}} >pact/list
tar -czf results.tar.gz --null -T pact/list 2>/dev/null
{releases}put "${variable}"{signature} results.tar.gz
)"#
        )
    }
}

/// The function that says which tools ran a suite, and their versions: asked afterwards, as a tool may
/// have to be installed first, and where it ran, as a folder may choose one.
fn tools(number: usize, suite: &Suite) -> String {
    let program = suite.command.first().and_then(|program| program.rsplit('/').next());
    let asked: &[&str] = match (program.unwrap_or_default(), suite.tool.as_str()) {
        ("cargo", _) => &["cargo -V", "rustc -V"],
        ("python" | "python3", _) => &["python3 -V"],
        // What it takes to start is a node: a third of a second for its own version is too much.
        ("node" | "npm" | "npx" | "pnpm" | "yarn", _) => &["node -v"],
        ("bun", _) => &["bun --version"],
        ("go", _) => &["go version"],
        ("mvn", _) => &["java -version", "mvn -v"],
        (_, "maven" | "gradle") => &["java -version"],
        ("bundle" | "rspec" | "rake" | "ruby", _) => &["ruby -v"],
        ("composer" | "php", _) | (_, "phpunit") => &["php -v"],
        ("dotnet", _) => &["dotnet --version"],
        ("make", _) => &["make -v"],
        ("ctest" | "cmake", _) => &["ctest --version"],
        _ => &[],
    };
    let mut text = format!("tools{number}() {{\nN={number}\n");
    text.push_str(&format!("cd \"$S\"/{} 2>/dev/null || return 0\n", quote(&suite.directory)));
    for command in asked {
        text.push_str(&format!("tell {command}\n"));
    }
    text.push_str("return 0\n}\n");
    text
}

/// Suites by their numbers, those in one lane together that share a folder or a setup.
fn lanes(suites: &[Suite]) -> Vec<Vec<usize>> {
    let mut lanes: Vec<Vec<usize>> = Vec::new();
    for (number, suite) in suites.iter().enumerate() {
        let shares = |other: &usize| {
            suites.get(*other).is_some_and(|other| {
                other.directory == suite.directory
                    || other.setup.iter().any(|setup| suite.setup.contains(setup))
            })
        };
        let (with, others): (Vec<_>, Vec<_>) =
            lanes.into_iter().partition(|lane| lane.iter().any(shares));
        lanes = others;
        let mut lane = with.concat();
        lane.push(number);
        lane.sort_unstable();
        lanes.push(lane);
    }
    lanes.sort();
    lanes
}

/// The last part of a pattern, as `find` understands it: at least what the pattern matches.
fn file_name(pattern: &str) -> String {
    let last = pattern.rsplit('/').next().unwrap_or(pattern);
    if last.is_empty() || last.contains(['{', '[', '!', '\\']) || last == "**" {
        return "*".to_owned();
    }
    last.to_owned()
}

/// Words of the shell, with the folders of a suite by its number.
fn words(command: &[String], number: usize) -> String {
    let word = |word: &String| {
        let of = |name: &str| format!("'\"$P/{number}/{name}\"'");
        quote(word).replace(REPORTS, &of("reports")).replace(TOOLS, &of("tools"))
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_names_that_match_as_much() {
        for (pattern, name) in [
            ("junit.xml", "junit.xml"),
            ("**/x/*.xml", "*.xml"),
            ("out/{a,b}.xml", "*"),
            ("r/**", "*"),
        ] {
            assert_eq!(file_name(pattern), name);
        }
    }

    fn suite(name: &str, directory: &str, command: &[&str]) -> Suite {
        Suite {
            name: name.to_owned(),
            tool: "configured".to_owned(),
            directory: directory.to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            ..Suite::default()
        }
    }

    #[test]
    fn signatures_are_in_the_commands_that_need_them_and_nothing_escapes_its_quotes() {
        let mut only = suite("unit", "it's", &["sh", "-c", "echo 'a' $HOME", "@reports@/x"]);
        only.environment = [("A".to_owned(), "x'y".to_owned())].into();
        let plan = Plan {
            suites: vec![only],
            unknown: Vec::new(),
            left_out: Vec::new(),
            digest: "00".to_owned(),
            releases: Vec::new(),
            without: None,
        };
        let bundle = Signed::new("https://s3.example/b?X-Amz-Signature=get");
        let results = Signed::new("https://s3.example/r?X-Amz-Signature=put");
        let coverage = ["*.info".to_owned()];
        let spec = Spec {
            plan: &plan,
            of: "a1",
            seconds: 9,
            bundle: &bundle,
            results: &results,
            variable: RESULTS,
            coverage: &coverage,
            commit: "c",
            releases: &[],
        };
        let text: serde_json::Value = serde_json::from_str(&spec.text(None)).expect("json");
        let command = |phase: &str| text["phases"][phase]["commands"][0].to_string();
        assert!(command("pre_build").contains("=get") && !command("pre_build").contains("=put"));
        assert!(!command("build").contains("X-Amz"));
        assert!(command("post_build").contains("=put"));
        // What follows signs its own, once it has run, and runs only after a success.
        let results = Signed::new("https://s3.example/n?X-Amz-Signature=next");
        let then = Spec { results: &results, variable: NEXT_RESULTS, ..spec };
        let text: serde_json::Value = serde_json::from_str(&spec.text(Some(&then))).expect("json");
        let command = |phase: &str, part: &str| text["phases"][phase][part].to_string();
        assert!(!command("build", "commands").contains("X-Amz"));
        assert!(command("build", "finally").contains("=put"));
        assert!(!command("post_build", "commands").contains("X-Amz"));
        assert!(command("post_build", "commands").contains("SUCCEEDING\\\" = 1 ] || exit 0"));
        assert!(command("post_build", "finally").contains("=next"));
        let run = spec.run();
        let words = r#"run test 9 'sh' '-c' 'echo '\''a'\'' $HOME' ''"$P/0/reports"'/x'"#;
        assert!(run.contains(words), "{run}");
        assert!(run.contains(r"export A='x'\''y'") && run.contains(r#"cd "$S"/'it'\''s'"#));
    }

    #[test]
    fn what_the_script_itself_lacks_is_no_failed_test() {
        let folder = tempfile::tempdir().expect("a folder");
        for below in ["source", "pact/0", "bin"] {
            std::fs::create_dir_all(folder.path().join(below)).expect("a folder");
        }
        let text = format!("{FUNCTIONS}N=0; L=\nrun test 5 true\n");
        let status = std::process::Command::new("/bin/sh")
            .args(["-c", &text])
            .current_dir(folder.path())
            .env("PATH", folder.path().join("bin"))
            .status();
        assert_eq!(status.expect("a shell").code(), Some(127));
        let steps = std::fs::read_to_string(folder.path().join("pact/steps")).expect("steps");
        assert!(steps.contains("missing 0 mkfifo\n"), "{steps}");
    }

    #[test]
    fn suites_that_share_a_folder_or_a_setup_are_in_one_lane() {
        let after = |mut suite: Suite, directory: &str| {
            let command = vec!["npm".to_owned(), "ci".to_owned()];
            suite.setup.push(crate::suites::Setup { directory: directory.to_owned(), command });
            suite
        };
        let suites = [
            suite("go", "", &["go"]),
            after(suite("a", "a", &["npm"]), ""),
            suite("api", "api", &["go"]),
            suite("npm", "", &["npm"]),
            after(suite("b", "b", &["npm"]), ""),
            after(suite("c", "c", &["npm"]), "c"),
        ];
        assert_eq!(lanes(&suites), [vec![0, 3], vec![1, 4], vec![2], vec![5]]);
    }
}
