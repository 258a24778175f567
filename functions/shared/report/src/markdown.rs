//! A run as Markdown: the decision with its rules, the stages, the gravest findings, what was
//! deployed. Everything that comes from a repository is escaped.

use std::fmt::Write;

use pact_contract::{
    Decision, Finding, StageStatus,
    run::{DeploymentStatus, RuleOutcome},
};

use crate::stored::Stored;

/// Most findings that are listed.
const MAX_FINDINGS: usize = 50;
/// Longest text in a cell, in characters.
const MAX_TEXT: usize = 300;

/// The summary of a run.
#[must_use]
pub fn markdown(stored: Stored<'_>) -> String {
    let mut out = String::new();
    // Nothing can fail while a string is written.
    write(&mut out, stored).unwrap_or_default();
    out
}

fn write(out: &mut String, stored: Stored<'_>) -> std::fmt::Result {
    let run = stored.run;
    let request = &run.request;
    let status = run.status.as_str().replace('_', " ");
    writeln!(out, "# {}: {status}\n", plain(request.repository.name.as_str()))?;
    let commit: String = request.commit.chars().take(10).collect();
    writeln!(
        out,
        "Commit {} on {}, run [{}]({})\n",
        code(&commit),
        code(&request.branch),
        plain(request.run_id.as_str()),
        request.url
    )?;
    let outcome = run.outcome.as_ref();
    if let Some(outcome) = outcome {
        writeln!(out, "{}\n", plain(&outcome.reason))?;
    }
    if let Some(decision) = outcome.and_then(|outcome| outcome.decision.as_ref()) {
        write_decision(out, decision)?;
    }
    writeln!(out, "## Stages\n\n| stage | result | seconds | |\n| --- | --- | --- | --- |")?;
    for stage in stored.stages {
        let seconds = stage.duration_ms / 1_000;
        let tenth = stage.duration_ms % 1_000 / 100;
        writeln!(
            out,
            "| {} | {} | {seconds}.{tenth} | {} |",
            plain(&stage.title()),
            result(stage.status),
            plain(&stage.summary)
        )?;
    }
    write_findings(out, stored)?;
    let deployments = outcome.map(|outcome| outcome.deployments.as_slice()).unwrap_or_default();
    if !deployments.is_empty() {
        writeln!(
            out,
            "\n## Deployments\n\n| environment | release | status |\n| --- | --- | --- |"
        )?;
        for deployment in deployments {
            let status = match deployment.status {
                DeploymentStatus::Pending => "pending",
                DeploymentStatus::Live => "live",
                DeploymentStatus::Failed => "failed",
                DeploymentStatus::RolledBack => "rolled back",
                DeploymentStatus::RollbackFailed => "**rollback failed**",
            };
            let release = deployment.release.as_ref().map_or("nothing", |release| release.as_str());
            let environment = deployment.environment.as_str();
            let wave = deployment.wave_of.as_ref();
            let wave = wave.map_or_else(String::new, |of| format!(" (wave of {of})"));
            let environment = plain(&format!("{environment}{wave}"));
            writeln!(out, "| {environment} | {} | {status} |", code(release))?;
        }
    }
    Ok(())
}

fn write_decision(out: &mut String, decision: &Decision) -> std::fmt::Result {
    let verdict = decision.verdict.as_str().replace('_', " ");
    writeln!(out, "## Decision: {verdict}\n")?;
    if !decision.would_pass.is_empty() {
        writeln!(out, "It would pass with:\n")?;
        for change in &decision.would_pass {
            writeln!(out, "- {}", plain(change))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "| rule | result | needed | |\n| --- | --- | --- | --- |")?;
    for rule in &decision.reasons {
        let result = match rule.outcome {
            RuleOutcome::Met => "met",
            RuleOutcome::NotMet => "**not met**",
            RuleOutcome::NotChecked => "not checked",
        };
        let needed = if rule.required { "yes" } else { "no" };
        writeln!(
            out,
            "| {} | {result} | {needed} | {} |",
            plain(&rule.rule),
            plain(&rule.message)
        )?;
    }
    writeln!(out)
}

fn write_findings(out: &mut String, stored: Stored<'_>) -> std::fmt::Result {
    let mut findings: Vec<&Finding> =
        stored.stages.iter().flat_map(|stage| &stage.findings).collect();
    if findings.is_empty() {
        return Ok(());
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    writeln!(out, "\n## Findings\n\n| severity | where | what |\n| --- | --- | --- |")?;
    for finding in findings.iter().take(MAX_FINDINGS) {
        let place = finding.place().map_or(String::new(), |place| code(&place));
        let severity = finding.severity.as_str();
        let what = plain(&finding.message);
        writeln!(out, "| {severity} | {place} | {what} ({}) |", code(finding.code.as_str()))?;
    }
    let all: usize = stored.stages.iter().map(|stage| stage.findings_total).sum();
    let more = all.saturating_sub(findings.len().min(MAX_FINDINGS));
    if more > 0 {
        writeln!(out, "\nand {more} more")?;
    }
    Ok(())
}

const fn result(status: StageStatus) -> &'static str {
    match status {
        StageStatus::Running => "running",
        StageStatus::Passed => "passed",
        StageStatus::Failed => "**failed**",
        StageStatus::Skipped => "not checked",
        StageStatus::Error => "**fault**",
    }
}

fn shortened(text: &str) -> String {
    let one_line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT + 1).collect();
    if one_line.chars().count() > MAX_TEXT {
        let cut: String = one_line.chars().take(MAX_TEXT).collect();
        return format!("{cut}…");
    }
    one_line
}

/// Text in which nothing is markup: what a repository says can neither link nor ping nor close a
/// table.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in shortened(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Nobody is called by a name in a file.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // Where a host makes links of addresses by itself.
    out.replace("://", ":&#8203;//")
}

/// A code span; what would end it is replaced.
fn code(text: &str) -> String {
    format!("`{}`", shortened(text).replace(['`', '|'], "'"))
}
