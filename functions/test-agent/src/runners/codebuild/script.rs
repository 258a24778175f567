//! The buildspec: what a build does, from the bundle to the results.
//!
//! 1. `pre_build` fetches the bundle from its presigned address and checks its digest.
//! 2. `build` runs the suite. Its exit code is the build's: how it ended is said by the build
//!    service, not only by what is uploaded.
//! 3. `post_build` hands the output and the reports over, to a presigned address of one object.
//!
//! The signatures of both addresses are in the commands that need them and in no variable: a test
//! that prints its environment prints none.

use serde_json::json;

use super::plan::{Plan, REPORTS};

/// Variables of the build with the addresses, without what they are signed with.
pub(super) const BUNDLE: &str = "PACT_BUNDLE";
pub(super) const RESULTS: &str = "PACT_RESULTS";
/// Longest output of one command that is handed over whole, in bytes.
const LOG: u64 = 64 << 20;
/// What of a longer one is kept of its beginning and of its end.
const LOG_HEAD: u64 = 8 << 20;
const LOG_TAIL: u64 = 48 << 20;
/// Gets an address into a file, and puts a file to an address, by what an image has for it: that of
/// AWS has curl, a machine of one's own perhaps another.
const TRANSFER: &str = r#"has() { command -v "$1" >/dev/null 2>&1; }
none() { echo "this environment has none of curl, wget and python3 to fetch the commit and to hand the results over with" >&2; return 127; }
get() {
if has curl; then curl -fsS --retry 3 --max-time 900 -o "$2" "$1"
elif has wget; then wget -nv -t 3 -T 900 -O "$2" "$1"
elif has python3; then python3 -c 'import shutil, sys, urllib.request as r
with r.urlopen(sys.argv[1], timeout=900) as a, open(sys.argv[2], "wb") as f: shutil.copyfileobj(a, f)' "$1" "$2"
else none; fi
}
put() {
if has curl; then curl -fsS --retry 3 --max-time 900 -o /dev/null -T "$2" "$1"
elif has wget; then wget -nv -t 3 -T 900 -O /dev/null --method=PUT --body-file="$2" "$1"
elif has python3; then python3 -c 'import os, sys, urllib.request as r
with open(sys.argv[2], "rb") as f: r.urlopen(r.Request(sys.argv[1], f, {"Content-Length": str(os.path.getsize(sys.argv[2]))}, method="PUT"), timeout=900).read()' "$1" "$2"
else none; fi
}
"#;
/// Most reports that are handed over.
const REPORT_FILES: usize = 2_100;

/// A presigned address.
pub(super) struct Signed {
    /// Without its signature.
    pub(super) address: String,
    /// `?` and the rest.
    pub(super) signature: String,
}

impl Signed {
    pub(super) fn new(url: &str) -> Self {
        let (address, signature) = url.split_once('?').unwrap_or((url, ""));
        Self { address: address.to_owned(), signature: format!("?{signature}") }
    }
}

/// Everything that goes into a buildspec.
pub(super) struct Spec<'a> {
    pub(super) plan: &'a Plan,
    pub(super) seconds: u64,
    pub(super) bundle: &'a Signed,
    pub(super) results: &'a Signed,
    /// Patterns of the reports that are wanted.
    pub(super) patterns: &'a [String],
}

impl Spec<'_> {
    /// The buildspec: JSON is YAML.
    pub(super) fn text(&self) -> String {
        json!({
            "version": 0.2,
            "phases": {
                "pre_build": { "commands": [self.fetch()] },
                "build": { "commands": [self.run()] },
                "post_build": { "commands": [self.hand_over()] },
            },
            "cache": { "paths": ["/codebuild/cache/**/*"] },
        })
        .to_string()
    }

    fn fetch(&self) -> String {
        let signature = quote(&self.bundle.signature);
        let digest = &self.plan.digest;
        format!(
            r#": fetch the commit
{TRANSFER}(
set -e
mkdir -p pact/reports source
get "${BUNDLE}"{signature} pact/bundle.tar.gz
printf '%s  pact/bundle.tar.gz\n' {digest} | sha256sum -c - >/dev/null
tar -xzmf pact/bundle.tar.gz -C source
rm pact/bundle.tar.gz
touch pact/stamp
)"#
        )
    }

    fn run(&self) -> String {
        let plan = self.plan;
        let mut exports = String::new();
        for (name, value) in &plan.environment {
            exports.push_str(&format!("export {name}={}\n", quote(value)));
        }
        let cargo = if plan.is_cargo() {
            "[ -w /codebuild/cache ] && export CARGO_TARGET_DIR=/codebuild/cache/cargo\n"
        } else {
            ""
        };
        let seconds = self.seconds;
        let setup = plan.setup.as_ref().map_or_else(String::new, |setup| {
            format!("run setup {seconds} {} || exit $?\n", words(setup))
        });
        let test = format!("run test {seconds} {}\n", words(&plan.command));
        let test = if plan.needs_pytest() {
            let other = plan.without_pytest.as_ref().map_or_else(
                || "say lacks pytest\nexit 127\n".to_owned(),
                |other| format!("say tool unittest\nrun test {seconds} {}\n", words(other)),
            );
            format!("if python3 -c 'import pytest' >/dev/null 2>&1; then\n{test}else\n{other}fi\n")
        } else {
            test
        };
        // Without `.`, which some shells keep in PWD.
        let directory = match plan.directory.trim_start_matches("./") {
            "" | "." => "source".to_owned(),
            below => format!("source/{below}"),
        };
        let directory = quote(&directory);
        format!(
            r#": run the tests
(
P=$PWD/pact
say() {{ printf '%s\n' "$*" >>"$P/steps"; }}
say root "$(cd source && pwd -P)"
cd {directory} || {{ say directory; exit 70; }}
run() {{
name=$1; limit=$2; shift 2
if ! command -v "$1" >/dev/null 2>&1; then say missing "$1"; return 127; fi
rm -f "$P/pipe"; mkfifo "$P/pipe" || return 70
tee "$P/$name.log" <"$P/pipe" & tee=$!
exec 9>"$P/pipe"
begun=$(date +%s.%N)
timeout -k 5 "$limit" "$@" >&9 2>&1 9>&- </dev/null
code=$?
ended=$(date +%s.%N)
end="[exit code $code]"
printf '%s\n' "$end" >&9
exec 9>&-
n=0
while kill -0 $tee 2>/dev/null && ! tail -c 4096 "$P/$name.log" | grep -qxF "$end" && [ $n -lt 200 ]; do
n=$((n + 1)); sleep 0.05
done
kill $tee 2>/dev/null; wait $tee 2>/dev/null
say end "$name" "$code" "$begun" "$ended"
return $code
}}
{cargo}{exports}{setup}{test})"#
        )
    }

    fn hand_over(&self) -> String {
        let signature = quote(&self.results.signature);
        let names: Vec<_> =
            self.patterns.iter().map(|p| format!("-name {}", quote(&file_name(p)))).collect();
        let mut names = names;
        names.sort();
        names.dedup();
        let names = names.join(" -o ");
        let reports = REPORTS.trim_start_matches("../");
        format!(
            r#": hand the results over
{TRANSFER}(
set -e
for f in pact/setup.log pact/test.log; do
[ -f $f ] || continue
size=$(wc -c <$f)
if [ "$size" -gt {LOG} ]; then
{{ head -c {LOG_HEAD} $f; printf '\n[... %s bytes left out ...]\n' $((size - {LOG_HEAD} - {LOG_TAIL})); tail -c {LOG_TAIL} $f; }} >$f.short
mv $f.short $f
fi
done
[ -f pact/steps ] || : >pact/steps
{{
for f in pact/steps pact/setup.log pact/test.log; do [ -f $f ] && printf '%s\0' $f; done
find {reports} -type f -size -40000k -print0
find source -name node_modules -prune -o -name .git -prune -o -type f -newer pact/stamp -size -40000k \( {names} \) -print0
if [ -d /codebuild/cache/cargo/nextest ]; then find /codebuild/cache/cargo/nextest -name junit.xml -type f -newer pact/stamp -print0; fi
}} | head -z -n {REPORT_FILES} >pact/list
tar -czf results.tar.gz --null -T pact/list 2>/dev/null
put "${RESULTS}"{signature} results.tar.gz
)"#
        )
    }
}

/// The last part of a pattern, as `find` understands it: at least what the pattern matches.
fn file_name(pattern: &str) -> String {
    let last = pattern.rsplit('/').next().unwrap_or(pattern);
    if last.is_empty() || last.contains(['{', '[', '!', '\\']) || last == "**" {
        return "*".to_owned();
    }
    last.to_owned()
}

/// Words of the shell.
fn words(command: &[String]) -> String {
    command.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// A word of the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
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

    #[test]
    fn signatures_are_in_the_commands_that_need_them_and_nothing_escapes_its_quotes() {
        let plan = Plan {
            tool: "configured".to_owned(),
            setup: None,
            command: ["sh", "-c", "echo 'a' $HOME"].map(str::to_owned).to_vec(),
            without_pytest: None,
            directory: "it's".to_owned(),
            environment: [("A".to_owned(), "x'y".to_owned())].into(),
            digest: "00".to_owned(),
        };
        let bundle = Signed::new("https://s3.example/b?X-Amz-Signature=get");
        let results = Signed::new("https://s3.example/r?X-Amz-Signature=put");
        let spec = Spec {
            plan: &plan,
            seconds: 9,
            bundle: &bundle,
            results: &results,
            patterns: &["*.xml".to_owned()],
        };
        let text: serde_json::Value = serde_json::from_str(&spec.text()).expect("json");
        let command = |phase: &str| text["phases"][phase]["commands"][0].to_string();
        assert!(command("pre_build").contains("=get") && !command("pre_build").contains("=put"));
        assert!(!command("build").contains("X-Amz"));
        assert!(command("post_build").contains("=put"));
        assert!(spec.run().contains(r"run test 9 'sh' '-c' 'echo '\''a'\'' $HOME'"));
        assert!(
            spec.run().contains(r"export A='x'\''y'")
                && spec.run().contains(r"cd 'source/it'\''s'")
        );
    }
}
