//! SARIF 2.1.0 (OASIS): one run of one tool, with every finding as a result.

use std::collections::BTreeMap;

use pact_contract::{Finding, Severity, StageRecord, StageStatus, Waived, catalogue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, Message, MultiformatMessageString, Notification,
    PhysicalLocation, PropertyBag, Region, ReportingDescriptor, Result as SarifResult, ResultLevel,
    Run, RunAutomationDetails, Sarif, Suppression, Tool, ToolComponent, VersionControlDetails,
};

use crate::{
    fingerprint::{self, Fingerprints},
    stored::Stored,
};

/// The schema of the standard itself.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What has to be encoded in the path of a URI.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b':');

/// A run that cannot be written as SARIF.
#[derive(Debug, thiserror::Error)]
#[error("the findings cannot be written as SARIF: {0}")]
pub struct SarifError(#[from] serde_json::Error);

/// Every finding of a run as a SARIF log.
///
/// # Errors
/// It cannot be written as JSON.
pub fn sarif(stored: Stored<'_>) -> Result<Value, SarifError> {
    let request = &stored.run.request;
    let mut rules = Rules::default();
    let mut fingerprints = Fingerprints::default();
    let mut results = Vec::new();
    for stage in stored.stages {
        for finding in &stage.findings {
            let index = rules.index(finding);
            results.push(result(stage, finding, index, &mut fingerprints));
        }
    }
    let driver = ToolComponent::builder()
        .name("PACT")
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(rules.descriptors)
        .build();
    let provenance = VersionControlDetails::builder()
        .repository_uri(request.repository.url.clone())
        .revision_id(request.commit.clone())
        .branch(request.branch.clone())
        .build();
    let category = format!("pact/{}/{}", request.repository.name, request.branch);
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .automation_details(
            RunAutomationDetails::builder().id(format!("{category}/{}", request.run_id)).build(),
        )
        .version_control_provenance(vec![provenance])
        .invocations(vec![invocation(stored)])
        .results(results)
        .build();
    let log = Sarif::builder().schema(SCHEMA).version(json!("2.1.0")).runs(vec![run]).build();
    Ok(serde_json::to_value(log)?)
}

/// The rules that something was found by, in the order of their first finding.
#[derive(Default)]
struct Rules {
    descriptors: Vec<ReportingDescriptor>,
    known: BTreeMap<String, usize>,
}

impl Rules {
    fn index(&mut self, finding: &Finding) -> i64 {
        let code = finding.code.to_string();
        let next = self.descriptors.len();
        let index = *self.known.entry(code.clone()).or_insert(next);
        if index == next {
            self.descriptors.push(descriptor(&code, finding));
        }
        i64::try_from(index).unwrap_or(-1)
    }
}

fn descriptor(code: &str, finding: &Finding) -> ReportingDescriptor {
    let known = catalogue::all().into_iter().find(|one| one.code == code);
    let text = known.as_ref().map_or_else(|| code.to_owned(), |one| one.sentence.to_string());
    let help = known.map(|one| one.remedy.to_string()).or_else(|| finding.remedy.clone());
    let help = help.unwrap_or_else(|| text.clone());
    let message = |text: String| MultiformatMessageString::builder().text(text).build();
    ReportingDescriptor::builder()
        .id(code)
        .short_description(message(text))
        .help(message(help))
        .build()
}

fn result(
    stage: &StageRecord,
    finding: &Finding,
    index: i64,
    fingerprints: &mut Fingerprints,
) -> SarifResult {
    let level = match finding.severity {
        Severity::Critical | Severity::High => ResultLevel::Error,
        Severity::Medium => ResultLevel::Warning,
        Severity::Low | Severity::Info => ResultLevel::Note,
    };
    let mut text = finding.message.clone();
    if let Some(remedy) = &finding.remedy {
        text = format!("{text}. What would make it go away: {remedy}");
    }
    let mut properties = BTreeMap::new();
    properties.insert("severity".to_owned(), json!(finding.severity.as_str()));
    properties.insert("stage".to_owned(), json!(stage.state));
    if let Some(evidence) = &finding.evidence {
        properties.insert("evidence".to_owned(), json!(evidence));
    }
    let suppressions: Vec<Suppression> = finding.waived.iter().map(suppression).collect();
    let properties = PropertyBag::builder().additional_properties(properties).build();
    let print = BTreeMap::from([(fingerprint::NAME.to_owned(), fingerprints.next(finding))]);
    let result = SarifResult::builder()
        .rule_id(finding.code.to_string())
        .rule_index(index)
        .level(level)
        .message(Message::builder().text(text).build())
        .partial_fingerprints(print)
        // That the list is there and empty says that nothing was suppressed.
        .suppressions(suppressions)
        .properties(properties);
    match location(finding) {
        Some(location) => result.locations(vec![location]).build(),
        None => result.build(),
    }
}

/// Somebody answers for it, in a file that is not the one where it is.
fn suppression(waived: &Waived) -> Suppression {
    Suppression::builder()
        .kind(json!("external"))
        .status(json!("accepted"))
        .justification(format!("waived {}", waived.grant))
        .build()
}

fn location(finding: &Finding) -> Option<Location> {
    let path = finding.path.as_deref()?;
    let file = ArtifactLocation::builder()
        .uri(utf8_percent_encode(path, PATH).to_string())
        .uri_base_id("%SRCROOT%")
        .build();
    // Lines and columns are from 1; a zero is no place.
    let place = |number: Option<u32>| number.filter(|n| *n > 0).map(i64::from);
    let region = match (place(finding.line), place(finding.column)) {
        (Some(line), Some(column)) => {
            Some(Region::builder().start_line(line).start_column(column).build())
        }
        (Some(line), None) => Some(Region::builder().start_line(line).build()),
        _ => None,
    };
    let physical = PhysicalLocation::builder().artifact_location(file);
    let physical = match region {
        Some(region) => physical.region(region).build(),
        None => physical.build(),
    };
    Some(Location::builder().physical_location(physical).build())
}

/// What was not checked is said: a log without results is then no clean one.
fn invocation(stored: Stored<'_>) -> Invocation {
    let mut notifications = Vec::new();
    for stage in stored.stages {
        let said = match stage.status {
            StageStatus::Skipped => Some(("note", format!("not checked: {}", stage.summary))),
            StageStatus::Error => {
                Some(("error", format!("could not be checked: {}", stage.summary)))
            }
            _ if stage.findings_total > stage.findings.len() => Some((
                "warning",
                format!(
                    "{} of {} findings are in this log; the others are in the stage's details",
                    stage.findings.len(),
                    stage.findings_total
                ),
            )),
            _ => None,
        };
        if let Some((level, text)) = said {
            let text = format!("{}: {text}", stage.title());
            notifications.push(
                Notification::builder()
                    .level(json!(level))
                    .message(Message::builder().text(text).build())
                    .build(),
            );
        }
    }
    let run = stored.run;
    let is_whole = run.status.is_final()
        && stored.stages.iter().all(|stage| stage.status != StageStatus::Error);
    let invocation = Invocation::builder()
        .execution_successful(is_whole)
        .start_time_utc(run.request.started_at.to_string())
        .tool_execution_notifications(notifications);
    match run.finished_at {
        Some(end) => invocation.end_time_utc(end.to_string()).build(),
        None => invocation.build(),
    }
}
