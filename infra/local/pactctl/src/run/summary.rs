//! A run in a few lines that a tired person understands.

use std::fmt::Write;

use console::style;
use pact_contract::{
    Decision, Deployment, EnvironmentName, Finding, ReleaseId, StageStatus,
    cause::excerpt,
    run::{DeploymentStatus, NotificationRecord, RuleOutcome},
    shift::walked,
};

use super::{
    report::{Report, Stage},
    waits::Waits,
};
use crate::term;

/// Findings that are listed for each stage.
const FINDINGS: usize = 5;
/// Lines of a finding's evidence: those that speak.
pub(crate) const EVIDENCE: usize = 12;

/// The text; `data` is the option that finds the run again.
pub(crate) fn text(report: &Report, data: &str) -> String {
    let mut out = String::new();
    write(&mut out, report, data).unwrap_or_default();
    out
}

fn write(out: &mut String, report: &Report, data: &str) -> std::fmt::Result {
    writeln!(out)?;
    // The decision below says what the gate says.
    let decided = |s: &Stage| report.decision.is_some() && s.action == "quality.evaluate_gate";
    for stage in report.stages.iter().filter(|s| is_bad(s) && !decided(s)) {
        bad_stage(out, stage, &format!("{data} {}", report.run_id))?;
    }
    if let Some(decision) = &report.decision {
        write_decision(out, decision, report.reason.as_deref())?;
    }
    // What goes on has not said yet what it deployed; its stages above do.
    if report.status.is_final() || !report.deployments.is_empty() {
        write_deployments(out, &report.deployments)?;
    }
    write_notifications(out, &report.notifications)?;
    write_loosened(out, report)?;
    write_end(out, report)?;
    let again = format!("pactctl runs show{data} {} · pactctl up{data}", report.run_id);
    writeln!(out, "{}", style(again).dim())
}

/// What its commit loosens, and how that comes to count.
fn write_loosened(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(loosened) = &report.loosened else { return Ok(()) };
    writeln!(out, "{} {}", style("Rules").bold(), term::plain(&loosened.sentence))?;
    writeln!(out, "  {} `{}`", style("to agree:").cyan(), term::plain(&loosened.command))
}

/// How the run ended and why, with the lines that say it and what would mend it: what is read first
/// stands last.
fn write_end(out: &mut String, report: &Report) -> std::fmt::Result {
    let status = report.status.as_str().replace('_', " ");
    let reason = report.reason.as_deref().unwrap_or("no reason was recorded");
    let said = match &report.cause {
        Some(cause) => term::plain(&cause.sentence),
        None => without_status(&term::plain(reason), &status).to_owned(),
    };
    writeln!(
        out,
        "\n{} in {}: {said}",
        term::run_style(report.status).apply_to(&status),
        term::duration(report.duration_ms),
    )?;
    if let Some(how) = report.waits.as_ref().and_then(Waits::how) {
        writeln!(out, "  {how}")?;
    }
    let Some(cause) = &report.cause else { return Ok(()) };
    for line in &cause.excerpt.lines {
        writeln!(out, "  {} {}", style("|").dim(), term::plain(line))?;
    }
    if let Some(remedy) = &cause.remedy {
        writeln!(out, "  {} {}", style("mend:").cyan(), term::plain(remedy))?;
    }
    writeln!(out, "  {} {}", style("by:").cyan(), term::plain(&cause.who))
}

/// `reason` without the status in front, which is said already.
fn without_status<'a>(reason: &'a str, status: &str) -> &'a str {
    match reason.split_once(": ") {
        Some((first, rest)) if first.eq_ignore_ascii_case(status) => rest,
        _ => reason,
    }
}

/// What mattered to the gate; what it neither saw nor needed is one line.
fn write_decision(out: &mut String, decision: &Decision, reason: Option<&str>) -> std::fmt::Result {
    // The run's reason is the last line; most often it is the gate's.
    let summary = match decision.summary.as_str() {
        summary if reason == Some(summary) => String::new(),
        summary => format!(" {}", style(term::plain(summary)).dim()),
    };
    let verdict = decision.verdict.as_str().replace('_', " ");
    writeln!(out, "{} {verdict}{summary}", style("Decision").bold())?;
    let (aside, rules): (Vec<_>, Vec<_>) =
        decision.reasons.iter().partition(|r| r.outcome == RuleOutcome::NotChecked && !r.required);
    for rule in rules {
        let mark = match rule.outcome {
            RuleOutcome::Met => style("✓").green(),
            RuleOutcome::NotMet if rule.required => style("✗").red(),
            RuleOutcome::NotMet => style("✗").yellow(),
            RuleOutcome::NotChecked => style("–").yellow(),
        };
        writeln!(out, "  {mark} {:<24} {}", rule.rule, term::plain(&rule.message))?;
        if let Some(pass) = &rule.would_pass {
            writeln!(out, "    {} {}", style("would pass:").cyan(), term::plain(pass))?;
        }
    }
    if !aside.is_empty() {
        let names: Vec<_> = aside.iter().map(|r| r.rule.as_str()).collect();
        let line = format!("– not checked, not needed: {}", names.join(", "));
        writeln!(out, "  {}", style(line).dim())?;
    }
    writeln!(out)
}

/// What an environment belongs to, for people.
fn wave(of: Option<&EnvironmentName>) -> String {
    of.map_or_else(String::new, |name| format!("(wave of {name}) "))
}

fn write_deployments(out: &mut String, deployments: &[Deployment]) -> std::fmt::Result {
    let none = if deployments.is_empty() { " nothing was deployed" } else { "" };
    writeln!(out, "{}{none}", style("Deployments").bold())?;
    for deployment in deployments {
        let (status, before) = match (deployment.status, &deployment.previous) {
            (DeploymentStatus::Pending, _) => ("pending", String::new()),
            (DeploymentStatus::Live, Some(p)) => ("live", format!("; before: {p}")),
            (DeploymentStatus::Live, None) => ("live", String::new()),
            (DeploymentStatus::Failed, _) => ("failed", String::new()),
            (DeploymentStatus::RolledBack, Some(p)) => {
                ("rolled back", format!("; {p} answers again"))
            }
            (DeploymentStatus::RolledBack, None) => ("rolled back", "; nothing was before".into()),
            (DeploymentStatus::RollbackFailed, _) => ("rollback failed", String::new()),
        };
        let steps = match walked(&deployment.weights) {
            steps if steps.is_empty() => steps,
            steps => format!(" ({steps})"),
        };
        writeln!(
            out,
            "  {:<11} {}{} {status}{}{before} {}",
            deployment.environment,
            wave(deployment.wave_of.as_ref()),
            deployment.release.as_ref().map_or("nothing", ReleaseId::as_str),
            steps,
            deployment.url.as_deref().unwrap_or_default(),
        )?;
    }
    Ok(())
}

/// What the detail of a channel says that the settings do not have.
const UNSET: &str = "the repository's settings have no";

fn write_notifications(out: &mut String, notifications: &[NotificationRecord]) -> std::fmt::Result {
    for sent in notifications.iter().filter(|n| n.sent) {
        writeln!(out, "{} {}: {}", style("Told").bold(), sent.channel, term::plain(&sent.detail))?;
    }
    // A channel that nobody configured tells nobody, and there is nothing to be mended.
    let (unset, failed): (Vec<_>, Vec<_>) = notifications
        .iter()
        .filter(|n| n.is_missed())
        .partition(|n| n.detail.contains(UNSET) && !n.detail.contains("not known"));
    for missed in failed {
        let line = format!("Not sent: {}: {}", missed.channel, term::plain(&missed.detail));
        writeln!(out, "{} (kept in the run's outbox)", style(line).yellow())?;
    }
    if !unset.is_empty() && !notifications.iter().any(|n| n.sent) {
        let names: Vec<_> = unset.iter().map(|n| format!("[notify.{}]", n.channel)).collect();
        let line = format!("Nobody is told: pact.toml has none of {}", names.join(", "));
        writeln!(out, "{}", style(line).dim())?;
    }
    Ok(())
}

fn is_bad(stage: &Stage) -> bool {
    matches!(stage.status, StageStatus::Failed | StageStatus::Error)
}

/// `run` is how the run is named to a command.
fn bad_stage(out: &mut String, stage: &Stage, run: &str) -> std::fmt::Result {
    let (mark, colour) = term::stage_mark(stage.status);
    writeln!(
        out,
        "{} {}: {}",
        colour.apply_to(mark),
        style(stage.state.title()).bold(),
        term::plain(&stage.summary)
    )?;
    for finding in stage.findings.iter().take(FINDINGS) {
        write_finding(out, finding, EVIDENCE)?;
    }
    let more = stage.findings_total.saturating_sub(FINDINGS);
    if more > 0 {
        let line = format!("and {more} more: `pactctl runs show --all{run}`");
        writeln!(out, "    {}", style(line).dim())?;
    }
    writeln!(out)
}

/// A finding with its place, so many lines of its evidence, and what would make it go away.
pub(crate) fn write_finding(out: &mut String, finding: &Finding, lines: usize) -> std::fmt::Result {
    let place = finding.place().map(|p| format!("{} ", style(term::plain(&p)).cyan()));
    writeln!(
        out,
        "    {}{} {}",
        place.unwrap_or_default(),
        term::plain(&finding.message),
        style(format!("[{} {}]", finding.severity.as_str(), finding.code)).dim()
    )?;
    if let Some(evidence) = &finding.evidence {
        let shown = excerpt(evidence, lines);
        let left_out = |n: usize| {
            style(format!("| … {n} more {}", if n == 1 { "line" } else { "lines" })).dim()
        };
        if shown.before > 0 {
            writeln!(out, "      {}", left_out(shown.before))?;
        }
        for line in &shown.lines {
            writeln!(out, "      {} {}", style("|").dim(), term::plain(line))?;
        }
        if shown.after > 0 {
            writeln!(out, "      {}", left_out(shown.after))?;
        }
    }
    if let Some(remedy) = &finding.remedy {
        writeln!(out, "      {} {}", style("→").cyan(), term::plain(remedy))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use pact_contract::testing::failed_runs;

    use super::*;

    #[test]
    fn the_status_is_said_once() {
        assert_eq!(without_status("Rejected: no: x", "rejected"), "no: x");
        assert_eq!(without_status("Rolled back: x", "rolled back"), "x");
        assert_eq!(without_status("staging: x", "failed"), "staging: x");
        assert_eq!(without_status("x", "failed"), "x");
    }

    #[test]
    fn channels_that_nobody_configured_are_no_failure_to_tell() {
        let said = |details: &[(&str, bool, &str)]| {
            let all: Vec<_> = details
                .iter()
                .map(|(channel, sent, detail)| NotificationRecord {
                    channel: (*channel).to_owned(),
                    sent: *sent,
                    detail: (*detail).to_owned(),
                })
                .collect();
            let mut out = String::new();
            write_notifications(&mut out, &all).expect("is written");
            console::strip_ansi_codes(&out).into_owned()
        };
        let unset = |channel| (channel, false, "the repository's settings have no [notify.x]");
        assert_eq!(
            said(&[unset("email"), unset("jira")]),
            "Nobody is told: pact.toml has none of [notify.email], [notify.jira]\n"
        );
        assert_eq!(
            said(&[unset("email"), ("slack", false, "it answered with 500")]),
            "Not sent: slack: it answered with 500 (kept in the run's outbox)\n\
             Nobody is told: pact.toml has none of [notify.email]\n"
        );
        assert_eq!(said(&[unset("email"), ("slack", true, "#shop")]), "Told slack: #shop\n");
    }

    #[test]
    fn a_canary_says_its_steps() {
        let live = Deployment {
            weights: vec![10, 50, 100],
            ..Deployment::new(
                &"production".parse().expect("a name"),
                &"r2".parse().expect("a name"),
                DeploymentStatus::Live,
            )
        };
        let mut out = String::new();
        write_deployments(&mut out, &[live]).expect("is written");
        assert!(out.contains("r2 live (10 % → 50 % → all)"), "{out}");
    }

    #[test]
    fn the_last_lines_say_thing_place_message_remedy_and_who_for_twelve_kinds() {
        let all = failed_runs(Timestamp::UNIX_EPOCH);
        assert_eq!(all.len(), 12);
        let mut ends = String::new();
        for sample in all {
            let report = Report::new(sample.run, sample.stages, Vec::new());
            let cause = report.cause.clone().expect("a cause");
            let text = console::strip_ansi_codes(&text(&report, "")).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(15)..].join("\n");
            for wanted in [&cause.sentence, &cause.who].into_iter().chain(&cause.excerpt.lines) {
                assert!(
                    last.contains(wanted.as_str()),
                    "{}: {wanted} is not in\n{last}",
                    sample.name
                );
            }
            assert!(last.contains(cause.remedy.as_deref().expect("a remedy")), "{last}");
            let from = last.find(&format!("{} in ", report.status.as_str().replace('_', " ")));
            ends.push_str(&format!("{}\n", &last[from.expect("the end")..]));
        }
        insta::assert_snapshot!(ends);
    }
}
