//! The buildspec of a deed, and what its build hands over.
//!
//! 1. `pre_build` fetches the permit, which only the last deed that was begun has, and the release, whose
//!    digest it checks.
//! 2. `build` runs the commands in the release, one after another, until one does not succeed.
//! 3. `post_build` hands over which command was the last, how it ended, and the end of what it wrote.
//!
//! The permit has the role's credentials. Its address is signed, and the signature is in the command that
//! needs it and in no variable.

use pact_agent::buildspec::{Signed, TRANSFER, quote};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Variables that the commands find, besides [`ARTIFACT`].
pub(super) const VARIABLES: &[&str] = &[
    "PACT_REPOSITORY",
    "PACT_ENVIRONMENT",
    "PACT_RELEASE",
    "PACT_COMMIT",
    "PACT_ARTIFACT_SHA256",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    PERMIT,
    BUNDLE,
    RESULT,
];
/// Path of the release's archive.
pub(super) const ARTIFACT: &str = "PACT_ARTIFACT";
/// Where the role's credentials are.
pub(super) const CREDENTIALS: &[&str] =
    &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// Variables with addresses, without what they are signed with.
pub(super) const PERMIT: &str = "PACT_PERMIT_URL";
pub(super) const BUNDLE: &str = "PACT_BUNDLE_URL";
pub(super) const RESULT: &str = "PACT_RESULT_URL";

/// What of the output of a command is handed over, in bytes, and what is shown in the build's log.
const HANDED_OVER: u64 = 4 << 10;
const SHOWN: u64 = 1 << 20;
/// The largest result that is read, in bytes.
pub(super) const RESULT_BYTES: u64 = 64 << 10;
/// The exit code of `timeout` for what it had to end, and of what it had to kill.
const TIMED_OUT: [i32; 2] = [124, 137];

/// Everything that goes into a buildspec.
pub(super) struct Spec<'a> {
    pub(super) commands: &'a [Vec<String>],
    /// For all of them, in seconds.
    pub(super) seconds: u64,
    /// By which the permit is known.
    pub(super) token: &'a str,
    pub(super) permit: &'a Signed,
    pub(super) bundle: &'a Signed,
    /// Of the release's archive, in hexadecimal.
    pub(super) digest: &'a str,
    pub(super) result: &'a Signed,
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
        })
        .to_string()
    }

    fn fetch(&self) -> String {
        let (permit, bundle) = (quote(&self.permit.signature), quote(&self.bundle.signature));
        let (first, digest) = (quote(&first_line(self.token)), quote(self.digest));
        format!(
            r#": fetch the release
{TRANSFER}(
set -e
umask 077
mkdir -p pact release
get "${PERMIT}"{permit} pact/permit
head -n 1 pact/permit | grep -qxF -- {first} || {{ echo "this deed was overtaken by another" >&2; exit 75; }}
get "${BUNDLE}"{bundle} pact/release.tar.gz
printf '%s  pact/release.tar.gz\n' {digest} | sha256sum -c - >/dev/null
tar -xzmf pact/release.tar.gz -C release
)"#
        )
    }

    fn run(&self) -> String {
        let seconds = self.seconds;
        let mut text = format!(
            r#": run the commands
(
P=$PWD/pact
. "$P/permit" || exit 70
rm -f "$P/permit"
export {ARTIFACT}="$P/release.tar.gz"
cd release || exit 70
until=$(($(date +%s) + {seconds}))
run() {{
n=$1; shift
left=$((until - $(date +%s))); [ "$left" -gt 0 ] || left=1
timeout -k 5 "$left" "$@" >"$P/output" 2>&1 </dev/null
code=$?
tail -c {SHOWN} "$P/output"
tail -c {HANDED_OVER} "$P/output" >"$P/end"
printf '%s %s\n' "$n" "$code" >"$P/code"
return $code
}}
"#
        );
        for (number, command) in self.commands.iter().enumerate() {
            let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
            text.push_str(&format!("run {number} {} || exit $?\n", words.join(" ")));
        }
        text.push(')');
        text
    }

    fn hand_over(&self) -> String {
        let result = quote(&self.result.signature);
        format!(
            ": hand over how it ended\n{TRANSFER}[ ! -f pact/code ] || {{ cat pact/code pact/end \
             >pact/result && put \"${RESULT}\"{result} pact/result; }}"
        )
    }
}

/// The first line of a permit.
fn first_line(token: &str) -> String {
    format!("# permit {token}")
}

/// The permit of a deed, with these credentials.
pub(super) fn permit(token: &str, credentials: Option<[&str; 3]>) -> String {
    let mut text = first_line(token) + "\n";
    for (name, value) in CREDENTIALS.iter().zip(credentials.into_iter().flatten()) {
        text.push_str(&format!("export {name}={}\n", quote(value)));
    }
    text
}

/// What takes a permit's place when its deed is over.
pub(super) const REVOKED: &str = "# revoked\n";

/// How the commands of a deed ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// Which command was the last, from 0.
    pub(super) command: usize,
    /// Its exit code.
    pub(super) code: i32,
    /// The end of what it wrote.
    pub(super) output: String,
}

impl End {
    /// Reads what a build handed over; none where it is not that.
    pub(super) fn read(result: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(result);
        let (first, output) = text.split_once('\n')?;
        let (command, code) = first.split_once(' ')?;
        let output: String =
            output.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        Some(Self {
            command: command.parse().ok()?,
            code: code.parse().ok()?,
            output: output.trim_end().to_owned(),
        })
    }

    pub(super) fn is_well(&self) -> bool {
        self.code == 0
    }

    /// How it ended, for people: a fragment that follows the command.
    pub(super) fn said(&self, limit: u64) -> String {
        if TIMED_OUT.contains(&self.code) {
            return format!("was stopped when the {limit} seconds for its deed were over");
        }
        format!("ended with exit code {}", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_is_read_and_nonsense_is_not() {
        let end = End::read(b"1 7\nno \x1b[31mroom\n").expect("is read");
        assert_eq!(end, End { command: 1, code: 7, output: "no [31mroom".to_owned() });
        assert_eq!(end.said(5), "ended with exit code 7");
        assert!(End::read(b"0 124\n").expect("is read").said(5).contains("5 seconds"));
        for wrong in [&b""[..], b"0", b"0\n", b"x 0\n", b"0 y\n"] {
            assert_eq!(End::read(wrong), None);
        }
    }
}
