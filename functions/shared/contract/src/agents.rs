//! The seven agents and what each can do, in one place: the agents advertise it, the gateway
//! serves it, and tests hold the state machines against it.

use crate::capability::Capability;

/// Who sends intents: the state machines. Whoever is none of them is answered by no agent.
pub const SENDERS: &[&str] = &["pact.pipeline", "pact.monitor", "pact.alarms"];

/// Actions of the code agent.
pub const CODE: &[Capability] = &[
    Capability {
        action: "code.analyze_changes",
        description: "Fetches a commit, keeps its files as a bundle and says what changed.",
        required: &["repository", "reference", "commit"],
        optional: &["base", "policy", "place", "pull"],
    },
    Capability {
        action: "code.validate_syntax",
        description: "Parses the changed files and reports every syntax error with its place.",
        required: &["source", "changes_key"],
        optional: &["settings", "waivers"],
    },
    Capability {
        action: "code.check_quality",
        description: "Measures the complexity and length of the functions that changed.",
        required: &["source", "changes_key"],
        optional: &["settings", "waivers"],
    },
];

/// Actions of the test agent.
pub const TEST: &[Capability] = &[
    Capability {
        action: "tests.run_unit",
        description: "Runs the unit tests, as configured or as detected from the repository.",
        required: &["source", "repository"],
        optional: &[
            "settings",
            "reference",
            "url",
            "changes_key",
            "environments",
            "skip",
            "then_integration",
        ],
    },
    Capability {
        action: "tests.run_integration",
        description: "Runs the integration tests, where the repository configures any.",
        required: &["source", "repository"],
        optional: &["settings", "reference", "url", "changes_key"],
    },
    Capability {
        action: "tests.run_e2e",
        description: "Runs the end-to-end tests against an environment, where any are configured.",
        required: &["source", "repository"],
        optional: &["settings", "reference", "url"],
    },
    Capability {
        action: "tests.check_coverage",
        description: "Reads line coverage from LCOV reports, in all and of the changed lines.",
        required: &["coverage_keys", "changes_key", "source"],
        optional: &["min_coverage", "min_changed_coverage"],
    },
];

/// Actions of the security agent.
pub const SECURITY: &[Capability] = &[
    Capability {
        action: "security.scan_vulnerabilities",
        description: "Looks for dangerous code in the lines that were added, by syntax.",
        required: &["source", "changes_key"],
        optional: &["settings", "waivers"],
    },
    Capability {
        action: "security.check_dependencies",
        description: "Compares the versions in the lock files with known advisories.",
        required: &["source", "changes_key"],
        optional: &["settings", "waivers"],
    },
    Capability {
        action: "security.validate_secrets",
        description: "Looks for secrets in the lines that were added.",
        required: &["source", "changes_key"],
        optional: &["settings", "waivers"],
    },
];

/// Actions of the quality agent.
pub const QUALITY: &[Capability] = &[
    Capability {
        action: "quality.plan_pipeline",
        description: "Plans which checks run and how far the release may go, with reasons.",
        required: &["run", "settings"],
        optional: &["changes_key", "loosened"],
    },
    Capability {
        action: "quality.evaluate_gate",
        description: "Decides on the evidence of the checks whether the release may go on.",
        required: &["plan", "checks"],
        optional: &[],
    },
    Capability {
        action: "quality.judge_release",
        description: "Judges whether a release that was watched stays.",
        required: &["metrics"],
        optional: &["baseline", "anomalies", "watch", "weight"],
    },
];

/// Actions of the deploy agent.
pub const DEPLOY: &[Capability] = &[
    Capability {
        action: "deploy.to_staging",
        description: "puts a release into effect in an environment of the tier staging, or gives it a \
            part of the requests there",
        required: &["repository", "release", "source", "settings"],
        optional: &["environment", "origin", "built", "weight"],
    },
    Capability {
        action: "deploy.to_production",
        description: "puts a release into effect in an environment of the tier production, or gives it a \
            part of the requests there",
        required: &["repository", "release", "source", "settings"],
        optional: &["environment", "origin", "built", "weight"],
    },
    Capability {
        action: "deploy.rollback",
        description: "takes back what a run deployed or began to deploy",
        required: &["repository", "environment", "release", "settings"],
        optional: &["why", "to"],
    },
    Capability {
        action: "deploy.check_status",
        description: "says whether a release is in effect",
        required: &["repository", "environment", "settings"],
        optional: &["release"],
    },
];

/// Actions of the monitor agent.
pub const MONITOR: &[Capability] = &[
    Capability {
        action: "monitor.check_health",
        description: "Requests the health probes until each has succeeded often enough in a row.",
        required: &["environment"],
        optional: &["url", "probes"],
    },
    Capability {
        action: "monitor.look_at",
        description: "Says of several environments at once whether what is in effect there is well: its \
            health, and what it is measured by within its limits.",
        required: &["environments"],
        optional: &[],
    },
    Capability {
        action: "monitor.track_metrics",
        description: "Requests the probes for a while and sums up errors and latencies; ends early \
            where a release is judged and is clearly worse.",
        required: &["environment"],
        optional: &["url", "probes", "watch", "baseline", "judged", "weight", "apart", "steps"],
    },
    Capability {
        action: "monitor.detect_anomalies",
        description: "Compares errors and latencies with those before the release.",
        required: &["metrics"],
        optional: &["baseline"],
    },
];

/// Tells the team in Slack.
pub const NOTIFY_SLACK: Capability = Capability {
    action: "notify.slack_team",
    description: "tells the team in Slack how the run ended",
    required: &["run", "outcome"],
    optional: &["settings"],
};

/// Tells people by e-mail.
pub const NOTIFY_EMAIL: Capability = Capability {
    action: "notify.email_stakeholders",
    description: "tells people by e-mail how the run ended",
    required: &["run", "outcome"],
    optional: &["settings"],
};

/// Keeps Jira's issues up to date.
pub const NOTIFY_JIRA: Capability = Capability {
    action: "notify.update_jira",
    description: "comments on the issues that the commit names, and moves them on",
    required: &["run", "outcome"],
    optional: &["settings"],
};

/// Tells those who can answer that an approval waits.
pub const NOTIFY_APPROVERS: Capability = Capability {
    action: "notify.ask_approvers",
    description: "tells people by every channel that a run waits for their word, what would change and \
        how to answer",
    required: &["run", "environment", "release", "timeout_minutes"],
    optional: &["people", "loosened", "settings", "again"],
};

/// Tells people of an incident of the scheduled watch.
pub const NOTIFY_INCIDENT: Capability = Capability {
    action: "notify.tell_incident",
    description: "tells the first channels, one more the longer nobody answers, that something is not \
        well, and at its end how long that was",
    required: &["incident", "level", "repository"],
    optional: &["url", "settings"],
};

/// Actions of the notify agent: one for each channel of its registry, and what goes to several of
/// them: questions, and incidents.
pub const NOTIFY: &[Capability] =
    &[NOTIFY_SLACK, NOTIFY_EMAIL, NOTIFY_JIRA, NOTIFY_APPROVERS, NOTIFY_INCIDENT];

/// Every agent with its actions, in the order of the pipeline.
pub const ALL: &[(&str, &[Capability])] = &[
    ("code-agent", CODE),
    ("test-agent", TEST),
    ("security-agent", SECURITY),
    ("quality-agent", QUALITY),
    ("deploy-agent", DEPLOY),
    ("monitor-agent", MONITOR),
    ("notify-agent", NOTIFY),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seven_agents_offer_every_action_once() {
        let actions: Vec<_> =
            ALL.iter().flat_map(|(_, all)| all.iter().map(|c| c.action)).collect();
        assert_eq!(ALL.len(), 7);
        assert_eq!(actions.len(), 26);
        assert_eq!(actions.iter().collect::<BTreeSet<_>>().len(), actions.len());
    }
}
