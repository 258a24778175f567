//! `security.scan_vulnerabilities`: dangerous code in the lines that were added.

use std::{collections::BTreeSet, io::Read, sync::OnceLock};

use pact_agent::{AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{ErrorName, FileChange, Finding, Severity, codes};

use crate::{
    deps::verdict::short,
    others::Others,
    permissions::{Permissions, asked},
    report::{self, MAX_COLLECTED, Seen},
    sast::{Language, Rules},
    scope::{Ledger, text},
    source::{self, Source, blocking},
};

/// Largest file that is analysed.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Most scanners that the summary names.
const MAX_SCANNERS: usize = 5;

/// Carries out the action.
pub(crate) async fn act(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let source = Source::load(artifacts, call).await?;
    blocking(move || check(&source)).await
}

/// The rules, read once.
fn rules() -> Result<&'static Rules, AgentError> {
    static RULES: OnceLock<Result<Rules, String>> = OnceLock::new();
    RULES
        .get_or_init(Rules::new)
        .as_ref()
        .map_err(|e| AgentError::internal(format!("the rules are not usable: {e}")))
}

fn check(source: &Source) -> Result<Outcome, AgentError> {
    let rules = rules()?;
    let mut ledger = Ledger::default();
    let permissions = Permissions::of(source)?;
    let mut others = Others::of(source, &mut ledger)?;
    let mut findings = std::mem::take(&mut others.findings);
    let mut checked = 0;
    source.each_changed(
        &mut ledger,
        |change| !change.added_lines.is_empty() && Language::possible(&change.path),
        |change, entry, ledger| {
            let path = change.path.as_str();
            if entry.link {
                return Ok(());
            }
            if entry.size > MAX_FILE && Language::of(path, "").is_none() {
                return Ok(());
            }
            if entry.size > MAX_FILE {
                ledger.not_read(
                    path,
                    format!("larger than {} MiB, not analysed", MAX_FILE / 1024 / 1024),
                );
                return Ok(());
            }
            if findings.len() >= MAX_COLLECTED {
                ledger.not_read(path, format!("stopped after {MAX_COLLECTED} findings"));
                return Ok(());
            }
            let mut content = Vec::new();
            entry.content.take(MAX_FILE).read_to_end(&mut content).map_err(|e| {
                AgentError::new(ErrorName::SourceUnavailable, format!("the bundle is damaged: {e}"))
            })?;
            let decoded = text::decode(&content);
            let Some(language) = Language::of(path, &decoded.text) else { return Ok(()) };
            checked += 1;
            ledger.read(content.len() as u64);
            let permitted = permissions.in_file(change, &decoded.text);
            let mut allowed = 0;
            let mut below = BTreeSet::new();
            let mut places = BTreeSet::new();
            for rules in std::iter::once(rules).chain(&others.rules) {
                source::check_deadline(source.deadline)?;
                let scan = rules.scan(
                    path,
                    language,
                    &decoded.text,
                    |line| change.touches(line),
                    |line| permitted.as_ref().is_none_or(|lines| lines.contains(&line)),
                );
                allowed += scan.allowed;
                below.extend(scan.asked);
                // A rule of the commit and the same one of the base are one.
                findings.extend(scan.findings.into_iter().filter(|finding| {
                    places.insert((finding.code.clone(), finding.line, finding.column))
                }));
            }
            if let Some(counts) = &permitted {
                findings.extend(idle(change, &decoded.text, counts, &below));
            }
            if allowed > 0 {
                let message = format!("{allowed} findings are allowed by a comment");
                findings.push(
                    Finding::new(codes::FINDING_ALLOWED, Severity::Info, message)
                        .at(path, None, None),
                );
            }
            Ok(())
        },
    )?;
    let nothing = checked == 0 && others.reports == 0;
    if nothing && ledger.incomplete().is_none() {
        let names: Vec<&str> = Language::ALL.iter().map(|(_, name)| *name).collect();
        let outcome = Outcome::nothing_to_check(format!(
            "no changed file in a language that dangerous code is looked for in ({})",
            names.join(", ")
        ));
        return Ok(outcome.with_findings(ledger.findings()));
    }
    let (checked, noun) = match checked {
        0 => (others.reports, ("report of another scanner", "reports of other scanners")),
        files => (files, ("changed file", "changed files")),
    };
    let scanners: Vec<String> = others.scanners.into_iter().take(MAX_SCANNERS).collect();
    report::conclude(
        Seen {
            checked,
            noun,
            sought: "dangerous code",
            findings,
            before: others.before,
            besides: (!scanners.is_empty())
                .then(|| format!("with what {} found", scanners.join(", "))),
            ledger,
            ..Seen::default()
        },
        &source.waivers,
    )
}

/// The comments of a push that allow what is not there yet: from the next commit on they would.
fn idle<'f>(
    change: &'f FileChange,
    text: &'f str,
    counts: &BTreeSet<u32>,
    below: &'f BTreeSet<u32>,
) -> impl Iterator<Item = Finding> + 'f {
    let comments = asked(change, text, counts).into_iter();
    comments.filter(|(line, _)| !below.contains(line)).map(|(line, comment)| {
        let message = format!(
            "\"{}\" comes with this push with nothing to allow, and counts from the next commit",
            short(comment, 120)
        );
        Finding::new(codes::FINDING_ALLOWED, Severity::Info, message).at(
            change.path.as_str(),
            Some(line),
            None,
        )
    })
}
