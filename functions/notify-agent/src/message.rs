//! What is told about a run, the same for every channel.

use jiff::Timestamp;
use pact_contract::{
    ReleaseId, RunRequest, RunStatus,
    actions::AskApprovers,
    changes::ChangeSummary,
    run::{DeploymentStatus, Outcome, RuleOutcome},
};

use crate::past::{Pushed, Since, compare_link};

/// Most findings in a message.
const MAX_FINDINGS: usize = 5;
/// Most deployments in a message.
const MAX_DEPLOYMENTS: usize = 4;
/// What the link to a run's page says.
const OPEN_RUN: &str = "Open the run";

/// A message without a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// How the run ended, and of what.
    pub(crate) title: String,
    /// Why, in one sentence.
    pub(crate) reason: String,
    /// Names and values.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// What was found, the decisive first.
    pub(crate) findings: Vec<String>,
    /// The page that shows more.
    pub(crate) link: Option<String>,
    /// What that link says.
    pub(crate) link_text: &'static str,
    /// What tells it from every other message.
    pub(crate) id: String,
}

impl Message {
    /// What is told of how a run ended. Texts are in one line and bounded: they come from
    /// commits and from other programs.
    pub(crate) fn new(run: &RunRequest, outcome: &Outcome, now: Timestamp) -> Self {
        let commit = short(&run.commit);
        let mut facts = facts_of(run);
        let seconds = now.duration_since(run.started_at).as_secs();
        facts.push(("Duration", duration(u64::try_from(seconds).unwrap_or(0))));
        let mut deployments: Vec<_> = outcome.deployments.iter().collect();
        if deployments.len() > MAX_DEPLOYMENTS {
            // What needs somebody first.
            deployments.sort_by_key(|d| d.status == DeploymentStatus::Live);
        }
        for deployment in deployments.iter().take(MAX_DEPLOYMENTS) {
            let (name, place) = match deployment.environment.as_str() {
                "staging" => ("Staging", String::new()),
                "production" => ("Production", String::new()),
                other => ("Environment", format!("{other}: ")),
            };
            let stands = match deployment.status {
                DeploymentStatus::Pending => "is on its way",
                DeploymentStatus::Live => "is in effect",
                DeploymentStatus::Failed => "was not deployed",
                DeploymentStatus::RolledBack => "was taken back",
                DeploymentStatus::RollbackFailed => "could not be taken back",
            };
            let mut text = format!(
                "{place}{} {stands}",
                deployment.release.as_ref().map_or("no release", ReleaseId::as_str)
            );
            if let Some(previous) = &deployment.previous {
                text.push_str(&match deployment.status {
                    DeploymentStatus::Live => format!(", before it {previous}"),
                    DeploymentStatus::RolledBack => format!(", {previous} is in effect again"),
                    _ => String::new(),
                });
            }
            facts.push((name, text));
        }
        let rest: Vec<_> =
            deployments.iter().skip(MAX_DEPLOYMENTS).map(|d| d.environment.as_str()).collect();
        if !rest.is_empty() {
            facts.push(("Further", line(&rest.join(", "), 200)));
        }

        let mut findings = Vec::new();
        if let Some(fault) = &outcome.fault {
            let cause = fault.cause.as_deref().map(|c| format!(": {}", line(c, 200)));
            findings.push(format!(
                "{} stopped with {}{}",
                fault.state,
                line(&fault.error, 80),
                cause.unwrap_or_default()
            ));
        }
        let reasons = outcome.decision.iter().flat_map(|d| &d.reasons);
        for rule in reasons.filter(|r| r.required && r.outcome != RuleOutcome::Met) {
            let mut text = line(&rule.message, 200);
            if let Some(would_pass) = &rule.would_pass {
                text.push_str(&format!(" ({})", line(would_pass, 200)));
            }
            findings.push(text);
        }
        let more = findings.len().saturating_sub(MAX_FINDINGS);
        findings.truncate(MAX_FINDINGS);
        if more > 0 {
            findings.push(format!("and {more} more"));
        }

        Self {
            title: format!(
                "{}: {} {commit}",
                headline(outcome.status),
                line(run.repository.name.as_str(), 80)
            ),
            reason: line(&outcome.reason, 500),
            facts,
            findings,
            link: link_of(&run.url),
            link_text: OPEN_RUN,
            id: run.run_id.to_string(),
        }
    }

    /// What those are told who can answer whether a release goes to an environment, and when they are
    /// reminded of it. None of `since`: what would change is not known.
    pub(crate) fn asking(asked: &AskApprovers, since: Option<&Since>, until: Timestamp) -> Self {
        let AskApprovers { run, environment, release, timeout_minutes, people, loosened, .. } =
            asked;
        let repository = line(run.repository.name.as_str(), 80);
        let mut facts = facts_of(run);
        facts.push(("Until", format!("{until:.0}; no answer counts as no")));
        facts.push((
            "In effect",
            match since.map(|since| &since.live) {
                None => "not known now".to_owned(),
                Some(None) => "nothing yet".to_owned(),
                Some(Some((release, commit))) => format!("{release}, {}", short(commit)),
            },
        ));
        let live = since.and_then(|since| since.live.as_ref());
        let link = live.and_then(|(_, live)| compare_link(&run.repository.url, live, &run.commit));
        if let Some(link) = link {
            facts.push(("Compare", link));
        }
        facts.push(("Answer", format!("on the run's page, or `pactctl approve {}`", run.run_id)));
        let mut findings: Vec<String> =
            since.iter().flat_map(|since| &since.pushes).map(pushed).collect();
        if let Some(more) = since.map(|since| since.more).filter(|more| *more > 0) {
            findings.push(format!("and {more} pushes before"));
        }
        if let Some((first, more)) = loosened.split_first() {
            let more =
                if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
            findings.push(format!("with it you agree to looser rules: {}{more}", line(first, 200)));
        }
        let question = format!("May {release} of {repository} go to {environment}?");
        let reminder = asked.again.as_ref().is_some_and(|again| again.reminder);
        let (title, reason, suffix) = match reminder {
            true => (
                format!("Still waiting: {question}"),
                still_open(since.map(|since| since.agreed.as_slice()), people.unwrap_or(1)),
                "-reminder",
            ),
            false => (
                question,
                format!(
                    "The run waits for {timeout_minutes} minutes for {} to say yes or no.",
                    match people.unwrap_or(1) {
                        0 | 1 => "somebody".to_owned(),
                        many => format!("{many} people"),
                    }
                ),
                "",
            ),
        };
        Self {
            title,
            reason,
            facts,
            findings,
            link: link_of(&run.url),
            link_text: OPEN_RUN,
            // Mail servers drop what has the id of another message, such as that of the run's end.
            id: format!("{}-{environment}{suffix}", run.run_id),
        }
    }

    /// The message as plain text.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{}\n\n{}\n", self.title, self.reason);
        if !self.findings.is_empty() {
            out.push('\n');
            for finding in &self.findings {
                out.push_str(&format!("- {finding}\n"));
            }
        }
        out.push('\n');
        for (name, value) in &self.facts {
            out.push_str(&format!("{name}: {value}\n"));
        }
        if let Some(link) = &self.link {
            out.push_str(&format!("\n{link}\n"));
        }
        out
    }
}

/// The beginning of a commit's id.
fn short(commit: &str) -> String {
    commit.chars().filter(char::is_ascii_alphanumeric).take(10).collect()
}

/// What was pushed.
/// Who has answered when the time for it is nearly over.
fn still_open(agreed: Option<&[String]>, people: u32) -> String {
    let Some(agreed) = agreed else {
        return "There is no answer yet, and the time for it is nearly over.".to_owned();
    };
    if agreed.is_empty() {
        return "Nobody has said yes or no yet, and the time for it is nearly over.".to_owned();
    }
    let names: Vec<_> = agreed.iter().map(|name| line(name, 60)).collect();
    format!(
        "{} of {people} people have said yes ({}), and the time for it is nearly over.",
        agreed.len(),
        names.join(", ")
    )
}

fn facts_of(run: &RunRequest) -> Vec<(&'static str, String)> {
    let commit = short(&run.commit);
    let mut facts = vec![
        ("Repository", line(run.repository.name.as_str(), 100)),
        ("Branch", line(&run.branch, 100)),
        (
            "Commit",
            match &run.message {
                Some(message) => format!("{commit} {}", line(message, 120)),
                None => commit,
            },
        ),
    ];
    if let Some(author) = &run.author {
        facts.push(("Author", line(author, 100)));
    }
    facts
}

/// A page, where it is one.
pub(crate) fn link_of(url: &str) -> Option<String> {
    let http = url.starts_with("https://") || url.starts_with("http://");
    let plain = !url.chars().any(|c| c.is_whitespace() || c.is_control());
    (http && plain && url.len() <= 500).then(|| url.to_owned())
}

/// One push, in a line.
fn pushed(push: &Pushed) -> String {
    let mut text = short(&push.commit);
    if let Some(message) = &push.message {
        text.push_str(&format!(" {}", line(message, 120)));
    }
    if let Some(author) = &push.author {
        text.push_str(&format!(" ({})", line(author, 60)));
    }
    if let Some(ChangeSummary { files, added, deleted, .. }) = &push.changes {
        let files = if *files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        text.push_str(&format!(": {files}, +{added} −{deleted}"));
    }
    text
}

fn headline(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Queued => "Queued",
        RunStatus::Running => "Running",
        RunStatus::Succeeded => "Succeeded",
        RunStatus::Failed => "Failed",
        RunStatus::Rejected => "Rejected",
        RunStatus::Held => "Held for a person",
        RunStatus::RolledBack => "Rolled back",
        RunStatus::RollbackFailed => "Rollback failed, a person is needed",
        RunStatus::Cancelled => "Cancelled",
        RunStatus::TimedOut => "Timed out",
        RunStatus::Superseded => "Superseded",
    }
}

/// `text` in one line without control characters, at most `limit` characters long.
pub(crate) fn line(text: &str, limit: usize) -> String {
    // A generous cut first: the rest may be megabytes.
    let mut words = text.char_indices().take(limit * 4);
    let end = words.by_ref().last().map_or(0, |(i, c)| i + c.len_utf8());
    let clean: String = text
        .get(..end)
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c })
        .collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if clean.chars().count() <= limit {
        return clean;
    }
    let mut cut: String = clean.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Characters that turn text around or hide it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_bounded_line() {
        assert_eq!(line("a\r\nb\t c\u{202e}d", 20), "a b c d");
        assert_eq!(line("abcdef", 4), "abc…");
        assert_eq!(line(&"ä".repeat(1_000_000), 3), "ää…");
        assert_eq!(line("", 3), "");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(9), "9 s");
        assert_eq!(duration(134), "2 min 14 s");
        assert_eq!(duration(7_260), "2 h 1 min");
    }
}
