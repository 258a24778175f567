//! What it means that a setup did not succeed: what was not to be had makes tests not checked, what
//! the commit got wrong makes them fail.

use pact_agent::text::truncated;
use pact_contract::{Finding, Severity, StageStatus, actions::RunTestsOutput, codes};

use crate::{capture::last_lines, cases::Listed, verdict::Judgement};

/// Signs that a server did not answer: the commit is not to blame. What the server does not have is
/// another matter.
const UNREACHABLE: &[&str] = &[
    // A proxy stands between, and says it: that of a build on one machine, for instance.
    "bad gateway",
    "connect tunnel failed",
    "server through proxy",
    "tunneling socket could not be established",
    "connect timeout",
    "connection broken",
    "connection refused",
    "connection reset",
    "connection timed out",
    "could not connect",
    "could not fetch specs from",
    "could not reach host",
    "could not resolve host",
    "couldn't resolve host",
    "dial tcp",
    "eai_again",
    "econnrefused",
    "econnreset",
    "enotfound",
    "etimedout",
    "failed to establish a new connection",
    "name or service not known",
    "network is unreachable",
    "no route to host",
    "nodename nor servname",
    "read timed out",
    "socket hang up",
    "temporary failure in name resolution",
    "tunnel connection failed",
    "unable to connect",
];
/// Signs that a program is not there.
const LACKING: &[&str] = &[
    "command not found",
    ": not found",
    "no module named venv",
    "ensurepip is not available",
    // Composer's and Bundler's words for extensions, and for a language of another version.
    "it is missing from your system",
    "does not satisfy that requirement",
    "your ruby version is",
];

/// The verdict on a suite whose setup did not succeed.
pub(crate) fn judge(tool: &str, command: &str, setup: &str, output: &str) -> Judgement {
    let lower = output.to_ascii_lowercase();
    let has = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    // Whoever cannot reach a server says so in many words; what they cannot do then follows from it.
    let excused = has(UNREACHABLE) || (has(LACKING) && !has(&["npm err", "npm error"]));
    let setup = first_line(setup);
    let (status, severity) = if excused {
        (StageStatus::Skipped, Severity::Medium)
    } else {
        (StageStatus::Failed, Severity::High)
    };
    let telling = telling(output);
    let said =
        telling.first().map(|line| format!(": {}", truncated(line, 200))).unwrap_or_default();
    let finding = Finding::new(
        codes::TEST_SETUP_FAILED,
        severity,
        truncated(&format!("`{setup}` did not succeed{said}"), 500),
    )
    .remedy(if excused {
        "make what the repository depends on reachable or cached here"
    } else {
        "make the command succeed with what is committed"
    })
    .evidence(if telling.is_empty() {
        last_lines(output, 20, 2_000)
    } else {
        evidence(&telling)
    });
    let output = RunTestsOutput {
        runner: tool.to_owned(),
        command: truncated(command, 500),
        evidence: "exit_code".to_owned(),
        ..RunTestsOutput::default()
    };
    let summary = if excused {
        format!("the tests were not run: `{setup}` did not succeed")
    } else {
        format!("the tests could not begin: `{setup}` did not succeed{said}")
    };
    Judgement { status, summary, findings: vec![finding], output, tests: Listed::default() }
}

fn first_line(text: &str) -> String {
    // A script is too long to be shown: what it does is in the log.
    if text.starts_with("sh -c ") {
        return "the installation of what it depends on".to_owned();
    }
    truncated(text.lines().next().unwrap_or_default(), 200)
}

/// The lines that say what is wrong.
fn telling(output: &str) -> Vec<String> {
    // What npm says of every error.
    const NOISE: &[&str] = &[
        "complete log of this run",
        "npm error code ",
        "npm err! code ",
        "npm error clean install",
        "npm error usage",
        "failed with errors in",
    ];
    const MOST: usize = 20;
    let mut found: Vec<String> = Vec::new();
    for line in output.lines() {
        let lower = line.to_ascii_lowercase();
        let is = [
            "error",
            "err!",
            "missing:",
            "invalid:",
            "conflict",
            "forbidden",
            "no matching",
            "not found",
        ]
        .iter()
        .any(|sign| lower.contains(sign));
        let shown = line
            .trim()
            .trim_start_matches("npm ERR! ")
            .trim_start_matches("npm error ")
            .trim_start_matches("ERROR: ");
        if is && !NOISE.iter().any(|noise| lower.contains(noise)) && !shown.is_empty() {
            found.push(truncated(shown, 300));
        }
        if found.len() == MOST {
            break;
        }
    }
    // What is missing says more than that something is.
    found.sort_by_key(|line| !(line.starts_with("Missing:") || line.starts_with("Invalid:")));
    found
}

fn evidence(lines: &[String]) -> String {
    truncated(&lines.join("\n"), 2_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_to_blame_only_for_what_is_its_own() {
        let npm = "npm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install packages when \
                   your package.json and package-lock.json are in sync. Please update your lock file \
                   with `npm install` before continuing.\nnpm error\nnpm error Missing: is-number@7.0.0 \
                   from lock file\nnpm error\nnpm error Clean install a project\n";
        let judged = judge("npm", "npm test", "npm ci", npm);
        assert_eq!(judged.status, StageStatus::Failed);
        assert_eq!(
            judged.summary,
            "the tests could not begin: `npm ci` did not succeed: Missing: is-number@7.0.0 from lock file"
        );
        let evidence = judged.findings[0].evidence.as_deref().unwrap_or_default();
        assert!(evidence.contains("package.json and package-lock.json"), "{evidence}");
        for (output, status) in [
            (
                "npm error code ENOTFOUND\nnpm error network request to https://r failed",
                StageStatus::Skipped,
            ),
            (
                "WARNING: Retrying after connection broken by NewConnectionError\nERROR: No matching distribution found for x",
                StageStatus::Skipped,
            ),
            ("ERROR: No matching distribution found for reqeusts", StageStatus::Failed),
            ("sh: 1: poetry: not found", StageStatus::Skipped),
            (
                "➤ YN0001: │ RequestError: getaddrinfo EAI_AGAIN registry.example",
                StageStatus::Skipped,
            ),
            ("Could not reach host index.example. Check your network", StageStatus::Skipped),
            (
                "Retrying fetcher due to error (2/4): Net::HTTPFatalError 502 \"Bad Gateway\"",
                StageStatus::Skipped,
            ),
            (
                "The \"https://r/zipball\" file could not be downloaded: Failed to open stream: Cannot \
                 connect to HTTPS server through proxy",
                StageStatus::Skipped,
            ),
            (
                "requires ext-iconv * -> it is missing from your system. Install",
                StageStatus::Skipped,
            ),
            ("Could not find gem 'reqeusts' in locally installed gems.", StageStatus::Failed),
            ("", StageStatus::Failed),
        ] {
            assert_eq!(judge("t", "c", "s", output).status, status, "{output}");
        }
        let yarn = "➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly \
                    forbidden.\n➤ YN0000: · Failed with errors in 0s 120ms\n";
        let judged = judge("yarn", "yarn test", "yarn install --immutable", yarn);
        assert!(
            judged.summary.contains("The lockfile would have been modified"),
            "{}",
            judged.summary
        );
    }
}
