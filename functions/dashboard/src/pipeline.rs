//! The states of the pipeline as people see them: phases with lanes. States that are not here
//! are shown all the same, in a phase of their own.

use pact_contract::states::Pipeline::{self, *};

/// One state.
pub(crate) struct Node {
    /// Name in the state machine.
    pub(crate) state: Pipeline,
    /// Name in the drawing.
    pub(crate) label: &'static str,
}

/// States that belong together.
pub(crate) struct Phase {
    pub(crate) title: &'static str,
    /// Side by side; the states of a lane follow each other.
    pub(crate) lanes: &'static [&'static [Node]],
    /// Entered when the release is taken back.
    pub(crate) rollback: &'static [Node],
    /// Whether the states of a lane follow each other.
    pub(crate) ordered: bool,
}

const fn node(state: Pipeline, label: &'static str) -> Node {
    Node { state, label }
}

/// The state that waits for a person. It has no record of an agent.
pub(crate) const APPROVAL: Pipeline = AwaitApproval;

/// The phase after which the environments of the run stand, a row for each: what follows is gone
/// through for every one of them.
pub(crate) const BEFORE_ENVIRONMENTS: &str = "Decide";

/// All phases in their order.
pub(crate) const PHASES: &[Phase] = &[
    Phase {
        title: "Plan",
        lanes: &[&[node(AnalyzeChanges, "Changes"), node(PlanPipeline, "Plan")]],
        rollback: &[],
        ordered: true,
    },
    Phase {
        title: "Verify",
        lanes: &[
            &[node(ValidateSyntax, "Syntax"), node(CheckQuality, "Quality")],
            &[
                node(RunUnitTests, "Unit tests"),
                node(RunIntegrationTests, "Integration"),
                node(CheckCoverage, "Coverage"),
            ],
            &[
                node(ScanVulnerabilities, "Static scan"),
                node(CheckDependencies, "Dependencies"),
                node(ValidateSecrets, "Secrets"),
            ],
        ],
        rollback: &[],
        ordered: true,
    },
    Phase {
        title: "Decide",
        lanes: &[&[node(EvaluateGate, "Gate")]],
        rollback: &[],
        ordered: true,
    },
    Phase {
        title: "In each environment",
        lanes: &[&[
            node(AskApprovers, "Asked"),
            node(APPROVAL, "Approval"),
            node(InspectEnvironment, "Inspect"),
            node(TrackBaseline, "Baseline"),
            node(Deploy, "Deploy"),
            node(CheckStatus, "Status"),
            node(CheckHealth, "Health"),
        ]],
        rollback: &[node(Rollback, "Rollback"), node(CheckRestored, "Restored")],
        ordered: true,
    },
    Phase {
        title: "Proof",
        lanes: &[&[
            node(RunEndToEnd, "End to end"),
            node(TrackMetrics, "Metrics"),
            node(DetectAnomalies, "Anomalies"),
            node(JudgeRelease, "Judgement"),
        ]],
        rollback: &[],
        ordered: true,
    },
    Phase {
        title: "Notify",
        lanes: &[&[
            node(NotifySlack, "Slack"),
            node(NotifyEmail, "E-mail"),
            node(NotifyJira, "Jira"),
        ]],
        rollback: &[],
        ordered: false,
    },
];

/// Whether the drawing has a place for the state.
pub(crate) fn knows(state: &str) -> bool {
    nodes().any(|node| node.state.as_str() == state)
}

fn nodes() -> impl Iterator<Item = &'static Node> {
    PHASES.iter().flat_map(|phase| phase.lanes.iter().copied().chain([phase.rollback])).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// The states in which an agent or a person does something.
    fn acting(value: &Value, names: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            if value["Resource"].as_str().is_some_and(|resource| resource.contains("lambda")) {
                names.insert(name.clone());
            }
            acting(value, names);
        }
        value.as_array().into_iter().flatten().for_each(|value| acting(value, names));
    }

    #[test]
    fn the_picture_has_every_state_in_which_somebody_acts_once() {
        let mut names = BTreeSet::new();
        let [(_, pipeline), _] = pact_state_machines::machines();
        acting(&pipeline, &mut names);
        let mut drawn: Vec<_> = nodes().map(|node| node.state.to_string()).collect();
        drawn.sort();
        assert_eq!(drawn, names.into_iter().collect::<Vec<_>>());
    }
}
