//! By whose rules: whatever a commit's settings say, no evidence passes that those before it, or
//! the installation, would not let pass.

use pact_config::policy::judge;
use pact_contract::policy::Floor;

use super::*;

fn templated() -> impl Strategy<Value = Settings> {
    let lists = proptest::sample::subsequence(vec!["*.md", "docs/**", "src/**"], 0..=3);
    (any_settings(), 0usize..=Template::ALL.len(), any::<bool>(), proptest::option::of(lists))
        .prop_map(|(settings, template, approval, documentation)| {
            let mut settings = settings;
            settings.template = Template::ALL.get(template).map(|(template, _)| *template);
            settings.documentation =
                documentation.map(|list| list.into_iter().map(str::to_owned).collect());
            if approval && let Some(production) = settings.environments.get_mut("production") {
                production.settings.approval = Some(Approval::within(5));
            }
            settings
        })
}

fn any_floor() -> impl Strategy<Value = Floor> {
    templated().prop_map(|settings| Floor {
        template: settings.template,
        checks: settings.checks,
        gate: settings.gate,
        code: None,
        approval: match settings.environments.get("production") {
            Some(production) => production
                .settings
                .approval
                .iter()
                .map(|approval| (EnvironmentName::PRODUCTION, approval.clone()))
                .collect(),
            None => Default::default(),
        },
    })
}

/// Evidence as the agents give it: a check whose numbers are grave failed.
fn any_evidence() -> impl Strategy<Value = Checks> {
    (proptest::collection::vec(0usize..4, 8), 0u64..=200, 0u64..=10, (0u64..2, 0u64..3, 0usize..4))
        .prop_map(|(statuses, covered, changed, (high, medium, complex))| {
            let mut checks = well();
            for (check, status) in checks.values_mut().zip(&statuses) {
                check.status = STATUSES[*status];
            }
            let mut numbers = |name: &str, output: Value, failed: bool| {
                let result = checks.get_mut(name).expect("one of the checks");
                if matches!(result.status, StageStatus::Passed | StageStatus::Failed) {
                    result.status = if failed { StageStatus::Failed } else { StageStatus::Passed };
                    result.output = output;
                }
            };
            numbers("coverage", coverage(covered, changed), false);
            numbers("dependencies", severities(high, medium), high > 0);
            numbers("vulnerabilities", severities(high, medium), high > 0);
            let quality = json!({ "functions": 3, "above_threshold": complex, "complex": complex });
            numbers("quality", quality, complex > 0);
            checks
        })
}

/// How far evidence gets, and past what: the higher, the further.
fn way(run: &RunRequest, settings: &Settings, paths: &[&str], checks: &Checks) -> (u8, bool, bool) {
    let plan = plan(run, Some(&changes(paths)), settings).expect("a plan");
    let reached = match decide(&plan, checks).verdict {
        Verdict::Reject => 0,
        Verdict::Hold => 1,
        Verdict::VerifyOnly => 2,
        Verdict::StageOnly => 3,
        Verdict::Promote => 4,
    };
    let staging = plan.environments.last_of(Tier::Staging).is_some();
    let mut users = plan.environments.iter().filter(|e| e.tier == Tier::Production);
    let approval = users.all(|e| e.settings.approval.is_some()) && reached == 4;
    (reached, staging, approval)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_commit_is_judged_by_anything_looser_than_base_and_floor(
        before in templated(), own in templated(), floor in any_floor(),
        checks in any_evidence(), documentation in any::<bool>(),
    ) {
        let run = run();
        let paths: &[&str] = if documentation { &["docs/a.md"] } else { &["src/main.rs"] };
        let judged = judge(Some(&before), &own, &floor).settings;
        let (reached, staging, approval) = way(&run, &judged, paths, &checks);
        let raised = |settings: &Settings| judge(None, settings, &floor).settings;
        for (name, settings) in
            [("before", before.clone()), ("the floor over before", raised(&before)), ("own", own.clone()),
             ("the floor over own", raised(&own))]
        {
            let (theirs, stops, asks) = way(&run, &settings, paths, &checks);
            // What nobody deploys is not decided as a release.
            let deployed = reached >= 3;
            prop_assert!(
                reached <= theirs,
                "{name}: {theirs} before, now {reached}\n{settings:#?}\n{judged:#?}"
            );
            if deployed && reached == 4 {
                prop_assert!(staging || !stops, "{name}: staging is left out");
                prop_assert!(approval || !asks, "{name}: nobody is asked");
            }
        }
    }
}
