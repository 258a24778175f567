//! Whether what an expression matched is a secret.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pact_contract::Severity;

use super::{
    rules::{Check, Rule},
    value::{
        base62, crc32, entropy, has_run, is_placeholder, is_template, is_well_known, looks_random,
    },
};

/// What is known from a file's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Full of hashes by nature.
    pub(crate) is_lock_file: bool,
    /// Tests and examples, where made-up keys are at home.
    pub(crate) is_test: bool,
}

/// What an expression matched, with its surroundings.
pub(crate) struct Candidate<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) secret: &'a str,
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
    /// The line before the secret.
    pub(crate) before: &'a str,
    /// The line after the secret.
    pub(crate) after: &'a str,
    /// The lines below.
    pub(crate) below: &'a [&'a str],
    pub(crate) place: Place,
}

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No secret.
    Nothing,
    /// A secret.
    Secret {
        severity: Severity,
        /// Appended to the message.
        note: &'static str,
    },
}

const LOCK_FILES: &[&str] = &[
    "bun.lock",
    "cargo.lock",
    "cargo.toml.orig",
    "composer.lock",
    "deno.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "go.work.sum",
    "gradle.lockfile",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.resolved",
    "packages.lock.json",
    "pdm.lock",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "podfile.lock",
    "poetry.lock",
    "pubspec.lock",
    "uv.lock",
    "yarn.lock",
];

const TEST_FOLDERS: &[&str] = &[
    "__fixtures__",
    "__mocks__",
    "__tests__",
    "bench",
    "benches",
    "demo",
    "demos",
    "e2e",
    "example",
    "examples",
    "fixture",
    "fixtures",
    "mock",
    "mocks",
    "sample",
    "samples",
    "spec",
    "specs",
    "test",
    "test-data",
    "test_data",
    "testdata",
    "testing",
    "tests",
];

impl Place {
    /// What `path` says.
    pub(crate) fn of(path: &str) -> Self {
        let set =
            path.rsplit_once('/').is_some_and(|(folders, _)| folders.split('/').any(is_test_set));
        let path = path.to_ascii_lowercase();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let stem = name.split('.').next().unwrap_or_default();
        let is_test = set
            || folders.split('/').any(|f| TEST_FOLDERS.contains(&f))
            || name.contains(".test.")
            || name.contains(".spec.")
            || ["test", "tests", "conftest"].contains(&stem)
            || stem.starts_with("test_")
            || stem.ends_with("_test")
            || stem.ends_with("_tests");
        Self { is_lock_file: LOCK_FILES.contains(&name), is_test }
    }
}

/// `integration-tests`, `load_test`, `Shop.Tests`, `dockerTest`: a name whose last word says so.
fn is_test_set(folder: &str) -> bool {
    let end = folder.strip_suffix('s').unwrap_or(folder);
    end.strip_suffix("Test")
        .is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_lowercase() || "-_.".contains(c)))
        || end.strip_suffix("test").is_some_and(|rest| rest.ends_with(['-', '_', '.']))
}

/// Judges a candidate.
pub(crate) fn judge(candidate: &Candidate<'_>) -> Verdict {
    let rule = candidate.rule;
    let secret = |severity, note| Verdict::Secret { severity, note };
    if rule.check == Some(Check::PrivateKey) {
        return match (key_material_follows(candidate), candidate.place.is_test) {
            (false, _) => Verdict::Nothing,
            (true, true) => secret(Severity::Medium, " in a test or an example"),
            (true, false) => secret(rule.severity, ""),
        };
    }
    if is_well_known(candidate.secret)
        || entropy(candidate.secret) < rule.entropy
        || !rule.general && rule.check != Some(Check::Url) && !stands_alone(candidate)
    {
        return Verdict::Nothing;
    }
    match rule.check {
        None => secret(rule.severity, ""),
        Some(Check::KeyId) if candidate.before.ends_with("Credential=") => {
            secret(Severity::Medium, " in a signed request")
        }
        Some(Check::KeyId) => secret(rule.severity, ""),
        Some(Check::Checksum) => match checksum_is_right(candidate.secret) {
            Some(true) | None => secret(rule.severity, ""),
            // Not as issued, so it cannot be used; but perhaps cut or altered by hand.
            Some(false) if candidate.place.is_test => {
                secret(Severity::Low, " (its checksum is wrong: it looks made up)")
            }
            Some(false) => secret(Severity::High, " (its checksum is wrong: altered or made up)"),
        },
        Some(Check::Jwt) if is_token_header(candidate.secret) => {
            let severity = if candidate.place.is_test { Severity::Low } else { rule.severity };
            secret(severity, "")
        }
        Some(Check::Url) => match url_severity(candidate) {
            Some(severity) => secret(severity, ""),
            None => Verdict::Nothing,
        },
        Some(Check::Assignment) if looks_random(candidate.secret) => {
            let severity = if candidate.place.is_test { Severity::Low } else { rule.severity };
            secret(severity, "")
        }
        Some(Check::Jwt | Check::Assignment | Check::PrivateKey) => Verdict::Nothing,
    }
}

/// Whether the secret is not a piece of a longer word.
fn stands_alone(candidate: &Candidate<'_>) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if candidate.after.bytes().next().is_some_and(is_word) {
        return false;
    }
    let mut before = candidate.before.bytes().rev();
    match before.next() {
        // `\n` and the like in a string.
        Some(b'n' | b'r' | b't') if before.next() == Some(b'\\') => true,
        Some(byte) => !is_word(byte),
        None => true,
    }
}

/// Whether a key follows its first line: an armour line alone is a constant of a parser.
fn key_material_follows(candidate: &Candidate<'_>) -> bool {
    let below = candidate.below.iter().take(8).copied();
    let mut longest = "";
    for line in std::iter::once(candidate.after).chain(below) {
        let line = line.get(..line.len().min(16 * 1024)).unwrap_or_default();
        // An escaped line break in a JSON or source string ends a run as a real one does.
        for piece in line.split("\\n").flat_map(|l| l.split("\\r")) {
            if piece.contains("-----END") {
                return is_key(longest);
            }
            for run in piece.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))) {
                if run.len() > longest.len() {
                    longest = run;
                }
            }
        }
    }
    is_key(longest)
}

fn is_key(run: &str) -> bool {
    run.len() >= 40 && !has_run(run, 12) && entropy(run) > 3.5 && !is_well_known(run)
}

/// Whether the last six characters are the CRC-32 of those after the prefix, in base 62; none
/// when the token has another length than the ones with a checksum.
fn checksum_is_right(token: &str) -> Option<bool> {
    let (_, body) = token.split_once('_')?;
    if body.len() != 36 {
        return None;
    }
    let (random, checksum) = body.split_at_checked(30)?;
    Some(base62(crc32(random.as_bytes())) == checksum)
}

/// Whether the first part is the header of a signed token.
fn is_token_header(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .is_some_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}

/// How much a password in an address matters: nothing on this machine or as a placeholder.
fn url_severity(candidate: &Candidate<'_>) -> Option<Severity> {
    let (password, host) = (candidate.secret, candidate.host.to_ascii_lowercase());
    if is_placeholder(password) || is_template(candidate.user) || is_template(&host) {
        return None;
    }
    let local = ["localhost", "127.", "0.0.0.0", "[", "10.", "192.168.", "172.17.", "host.docker"];
    let reserved = [".example", ".test", ".invalid", ".localhost", ".local", ".internal"];
    if local.iter().any(|l| host.starts_with(l))
        || reserved.iter().any(|r| host.ends_with(r))
        || [
            "example.com",
            "example.net",
            "example.org",
            "host.com",
            "hostname.com",
            "domain.com",
            "foo.com",
            "server.com",
            "bar.com",
        ]
        .iter()
        .any(|e| host == *e || host.ends_with(&format!(".{e}")))
        || password.eq_ignore_ascii_case(candidate.user)
    {
        return None;
    }
    if !host.contains('.') {
        // A name within a network of containers.
        return looks_random(password).then_some(Severity::Medium);
    }
    if candidate.rule.general && !looks_random(password) {
        return None;
    }
    let severity = candidate.rule.severity;
    Some(if candidate.place.is_test { severity.min(Severity::Medium) } else { severity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert!(Place::of("a/package-lock.json").is_lock_file);
        assert!(Place::of("Cargo.lock").is_lock_file);
        for path in ["tests/a.rs", "src/foo_test.go", "web/a.spec.ts", "x/testdata/key.pem"] {
            assert!(Place::of(path).is_test, "{path}");
        }
        for path in [
            "integration-test/app/src/main/resources/a.key",
            "sni-integration-tests/a.key",
            "src/dockerTest/resources/client.key",
            "Shop.Tests/a.pfx",
        ] {
            assert!(Place::of(path).is_test, "{path}");
        }
        for path in
            ["src/latest.rs", "contest/a.py", "config/production.env", "latests/a", "a/Attest/b"]
        {
            assert!(!Place::of(path).is_test, "{path}");
        }
    }
}
