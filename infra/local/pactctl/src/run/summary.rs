//! A run in a few lines that a tired person understands.

use std::fmt::Write;

use console::style;
use pact_contract::{
    Finding, StageStatus,
    run::{RuleOutcome, RuleResult, title},
};

use super::report::{Report, Stage};
use crate::term;

/// Findings that are listed for each stage.
const FINDINGS: usize = 5;

/// The text; `data` is the option that finds the run again.
pub(crate) fn text(report: &Report, data: &str) -> String {
    let mut out = String::new();
    write(&mut out, report, data).unwrap_or_default();
    out
}

fn write(out: &mut String, report: &Report, data: &str) -> std::fmt::Result {
    writeln!(out)?;
    for stage in report.stages.iter().filter(|s| is_bad(s)) {
        bad_stage(out, stage)?;
    }
    if let Some(decision) = &report.decision {
        writeln!(
            out,
            "{} {} {}",
            style("Decision").bold(),
            decision.verdict.as_str(),
            style(term::plain(&decision.summary)).dim()
        )?;
        let aside = |r: &RuleResult| r.outcome == RuleOutcome::NotChecked && !r.required;
        for rule in decision.reasons.iter().filter(|r| !aside(r)) {
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
        let aside: Vec<_> =
            decision.reasons.iter().filter(|r| aside(r)).map(|r| r.rule.as_str()).collect();
        if !aside.is_empty() {
            let list = aside.join(", ");
            writeln!(out, "  {}", style(format!("– not checked, not needed: {list}")).dim())?;
        }
        writeln!(out)?;
    }
    if report.deployments.is_empty() {
        writeln!(out, "{} nothing was deployed", style("Deployments").bold())?;
    } else {
        writeln!(out, "{}", style("Deployments").bold())?;
    }
    for deployment in &report.deployments {
        let status = format!("{:?}", deployment.status);
        let status = title(&status).to_lowercase();
        let previous = match (&deployment.previous, status.as_str()) {
            (Some(previous), "rolled back") => format!("; {previous} answers again"),
            (Some(previous), _) => format!("; before: {previous}"),
            (None, _) => String::new(),
        };
        writeln!(
            out,
            "  {:<11} {} {status}{previous} {}",
            deployment.environment,
            deployment.release,
            deployment.url.as_deref().unwrap_or_default(),
        )?;
    }
    let unsent: Vec<_> =
        report.notifications.iter().filter(|n| !n.sent).map(|n| n.channel.as_str()).collect();
    for sent in report.notifications.iter().filter(|n| n.sent) {
        writeln!(out, "{} {}: {}", style("Told").bold(), sent.channel, term::plain(&sent.detail))?;
    }
    if !unsent.is_empty() {
        let list = unsent.join(", ");
        writeln!(out, "{}", style(format!("Not sent: {list} (kept in the run's outbox)")).dim())?;
    }
    writeln!(
        out,
        "\n{} in {}: {}",
        term::run_style(report.status).apply_to(report.status.as_str().replace('_', " ")),
        term::duration(report.duration_ms),
        term::plain(report.reason.as_deref().unwrap_or("no reason was recorded")),
    )?;
    writeln!(
        out,
        "{}",
        style(format!("pactctl runs show{data} {} · pactctl up{data}", report.run_id)).dim()
    )
}

fn is_bad(stage: &Stage) -> bool {
    matches!(stage.status, StageStatus::Failed | StageStatus::Error)
}

fn bad_stage(out: &mut String, stage: &Stage) -> std::fmt::Result {
    let (mark, colour) = term::stage_mark(stage.status);
    writeln!(
        out,
        "{} {}: {}",
        colour.apply_to(mark),
        style(title(&stage.state)).bold(),
        term::plain(&stage.summary)
    )?;
    for finding in stage.findings.iter().take(FINDINGS) {
        write_finding(out, finding)?;
    }
    let more = stage.findings_total.saturating_sub(FINDINGS);
    if more > 0 {
        writeln!(out, "    {}", style(format!("and {more} more")).dim())?;
    }
    writeln!(out)
}

/// A finding with its place, its evidence and what would make it go away.
pub(crate) fn write_finding(out: &mut String, finding: &Finding) -> std::fmt::Result {
    let place = finding.place().map(|p| format!("{} ", style(term::plain(&p)).cyan()));
    writeln!(
        out,
        "    {}{} {}",
        place.unwrap_or_default(),
        term::plain(&finding.message),
        style(format!("[{} {}]", finding.severity.as_str(), finding.code)).dim()
    )?;
    if let Some(evidence) = &finding.evidence {
        for line in evidence.lines().take(12) {
            writeln!(out, "      {} {}", style("|").dim(), term::plain(line))?;
        }
    }
    if let Some(remedy) = &finding.remedy {
        writeln!(out, "      {} {}", style("→").cyan(), term::plain(remedy))?;
    }
    Ok(())
}
