//! What is planned, and how far a release may go.

use super::*;

#[test]
fn a_push_to_the_default_branch_may_reach_production() {
    let mut settings = settings(BOTH);
    settings.environments.get_mut("production").expect("is there").settings.approval =
        Some(Approval::within(30));
    let plan = planned(&run(), &settings);
    assert_eq!(plan.target, PlanTarget::Production);
    assert_eq!(plan.environments, settings.environments);
    assert_eq!(plan.release, "20261123-102030-0123456789");
    assert_eq!(plan.required, ["syntax", "unit", "secrets"]);
    assert_eq!(plan.template, Template::Default);
}

#[test]
fn where_a_release_may_go_is_decided_case_by_case() {
    use PlanTarget::{Nothing, Production, Staging};
    type Change = fn(&mut RunRequest);
    let same: Change = |_| {};
    let feature: Change = |run| {
        run.branch = "feature/x".to_owned();
        run.reference = "refs/heads/feature/x".to_owned();
    };
    let tag: Change = |run| {
        run.branch = "main".to_owned();
        run.reference = "refs/tags/main".to_owned();
    };
    let request: Change = |run| run.trigger.kind = "pull_request".to_owned();
    let to_staging: Change = |run| run.environment = Some(EnvironmentName::STAGING);
    let hotfix: Change = |run| run.template = Some("hotfix".to_owned());
    let to_qa: Change = |run| run.environment = "qa".parse().ok();
    let to_dev_of_a_branch: Change = |run| {
        run.environment = "dev".parse().ok();
        run.reference = "refs/heads/feature/x".to_owned();
    };
    let bot: Change = |run| {
        run.branch = "renovate/all".to_owned();
        run.reference = "refs/heads/renovate/all".to_owned();
    };
    let all = &["dev", "staging", "canary", "production"][..];
    let (dev, tried) = (&["dev"][..], &["dev", "staging"][..]);
    let users = &["canary", "production"][..];
    let (stage, live) = (&["staging"][..], &["production"][..]);
    // What is configured, how far it goes, the way there, and why.
    type Row<'a> = (Change, &'a [&'a str], PlanTarget, &'a [&'a str], &'a str);
    let table: &[Row<'_>] = &[
        (same, &[], Nothing, &[], "no environment is configured in pact.toml: verified only"),
        (same, BOTH, Production, BOTH, "the default branch main may reach production"),
        (same, stage, Staging, stage, "production is not configured"),
        (same, live, Production, live, "may reach production"),
        (feature, BOTH, Staging, stage, "branch feature/x ends at staging"),
        (feature, live, Nothing, &[], "staging is not configured"),
        (tag, BOTH, Staging, stage, "tag main ends at staging"),
        (request, BOTH, Nothing, &[], "a pull request is verified only"),
        (
            bot,
            BOTH,
            Nothing,
            &[],
            "renovate/all is verified only (a branch of a merge queue or of a bot",
        ),
        (to_staging, BOTH, Staging, stage, "asked for no further than staging"),
        (hotfix, BOTH, Production, live, "may reach production"),
        (same, all, Production, all, "the default branch main may reach production"),
        (same, dev, Staging, dev, "production is not configured"),
        (feature, all, Staging, tried, "ends at staging: only main reaches canary"),
        (hotfix, all, Production, users, "may reach production"),
        (to_staging, all, Staging, tried, "asked for no further than staging"),
        (to_qa, &["dev", "qa", "production"], Production, &["dev", "qa"], "no further than qa"),
        (to_dev_of_a_branch, all, Staging, dev, "asked for no further than dev"),
    ];
    for (change, environments, target, way, reason) in table {
        let mut run = run();
        change(&mut run);
        let plan = planned(&run, &settings(environments));
        assert_eq!(plan.target, *target, "{reason}");
        assert_eq!(plan.environments.names().collect::<Vec<_>>(), *way, "{reason}");
        assert!(plan.target_reason.contains(reason), "{}", plan.target_reason);
    }
}

#[test]
fn what_there_is_not_cannot_be_asked_for() {
    for (template, environment, environments, message) in [
        (Some("fast"), None, BOTH, "template \"fast\" was asked for; there are default"),
        (None, Some("prod"), BOTH, "configures only staging and production"),
        (None, Some("production"), &["staging"], "configures only staging"),
        (None, Some("staging"), &[], "pact.toml configures none"),
    ] {
        let mut run = run();
        run.template = template.map(str::to_owned);
        run.environment = environment.map(|name| name.parse().expect("a name"));
        let error = plan(&run, None, &settings(environments)).expect_err("is refused");
        assert_eq!(error.name, ErrorName::InvalidIntent);
        assert!(error.message.contains(message), "{}", error.message);
    }
}

#[test]
fn the_trigger_overrides_the_repositorys_template() {
    let mut settings = settings(BOTH);
    settings.template = Some(Template::Production);
    let plan = planned(&run(), &settings);
    assert_eq!(plan.template_reason, "set in pact.toml");
    let strict = ["syntax", "unit", "coverage", "vulnerabilities", "dependencies", "secrets"];
    assert_eq!(plan.required, strict);
    assert_eq!(plan.demanded, ["unit", "coverage", "vulnerabilities", "dependencies"]);
    let mut run = run();
    run.template = Some("hotfix".to_owned());
    let plan = planned(&run, &settings);
    assert_eq!(
        (plan.template, plan.template_reason.as_str()),
        (Template::Production, "hotfix was asked for, and is less strict than is set")
    );
    // On this machine the owner of the repository is its judge.
    run.policy.judged_by = pact_contract::policy::JudgedBy::Own;
    let plan = planned(&run, &settings);
    assert_eq!(
        (plan.template, plan.template_reason.as_str()),
        (Template::Hotfix, "asked for by the trigger")
    );
}

#[test]
fn documentation_alone_deploys_nothing_but_is_still_searched_for_secrets() {
    let mut settings = settings(BOTH);
    settings.checks.insert("dependencies".to_owned(), CheckMode::Require);
    let plan =
        plan(&run(), Some(&changes(&["README.md", "docs/a.png"])), &settings).expect("a plan");
    assert!(plan.documentation_only);
    assert_eq!(plan.target, PlanTarget::Nothing);
    assert!(plan.environments.is_empty());
    assert_eq!(plan.checks.unit.skip.as_deref(), Some("only documentation changed"));
    assert_eq!(plan.checks.syntax.skip, None);
    assert_eq!(plan.checks.secrets.skip, None);
    assert_eq!(plan.checks.dependencies.skip, None, "is demanded");
    assert_eq!(plan.required, ["syntax", "dependencies", "secrets"]);
}

#[test]
fn what_changes_nothing_that_counts_is_looked_at_and_goes_nowhere() {
    let mut settings = settings(BOTH);
    settings.on.paths = vec!["api/**".to_owned()];
    let plan_of = |run: &RunRequest, paths: &[&str]| {
        plan(run, Some(&changes(paths)), &settings).expect("a plan")
    };
    let mut push = run();
    push.trigger.kind = "push".to_owned();
    let quiet = plan_of(&push, &["web/a.js"]);
    let rule = "nothing changed that counts (on.paths = [\"api/**\"])";
    assert_eq!(quiet.untouched.as_deref(), Some(rule));
    assert_eq!((quiet.target, quiet.environments.is_empty()), (PlanTarget::Nothing, true));
    assert_eq!(quiet.target_reason, format!("{rule}: nothing is deployed"));
    assert_eq!(quiet.checks.unit.skip.as_deref(), Some(rule));
    assert_eq!((quiet.checks.syntax.skip, quiet.checks.secrets.skip), (None, None));
    assert_eq!(quiet.required, ["syntax", "secrets"]);
    // One file that counts, a tag, and a person's word are each enough.
    assert_eq!(plan_of(&push, &["web/a.js", "api/a.rs"]).target, PlanTarget::Production);
    push.reference = "refs/tags/v1".to_owned();
    assert_eq!(plan_of(&push, &["web/a.js"]).untouched, None);
    let mut asked = run();
    asked.trigger.kind = "api".to_owned();
    assert_eq!(plan_of(&asked, &["web/a.js"]).target, PlanTarget::Production);
}

#[test]
fn without_a_change_set_everything_runs() {
    let plan = plan(&run(), None, &settings(BOTH)).expect("a plan");
    assert!(!plan.documentation_only);
    assert_eq!(plan.checks, Default::default());
}

#[test]
fn what_is_switched_off_is_skipped_and_a_templates_checks_stay_needed() {
    let mut settings = settings(BOTH);
    settings.template = Some(Template::Production);
    for check in ["unit", "dependencies", "secrets", "quality"] {
        settings.checks.insert(check.to_owned(), CheckMode::Skip);
    }
    let plan = planned(&run(), &settings);
    assert_eq!(plan.checks.unit.skip.as_deref(), Some("switched off in pact.toml"));
    assert_eq!(plan.checks.secrets.skip.as_deref(), Some("switched off in pact.toml"));
    let strict = ["syntax", "coverage", "vulnerabilities", "dependencies", "secrets"];
    assert_eq!(plan.required, strict);
}

#[test]
fn no_two_templates_make_the_same_plan() {
    let plans: Vec<Plan> = Template::ALL
        .iter()
        .map(|(template, _)| {
            let mut settings = settings(BOTH);
            settings.template = Some(*template);
            let mut plan = planned(&run(), &settings);
            // What they are called does not count.
            plan.template = Template::Default;
            plan
        })
        .collect();
    for (index, plan) in plans.iter().enumerate() {
        assert!(!plans.iter().skip(index + 1).any(|other| other == plan), "{plan:#?}");
    }
    let minutes: Vec<_> = plans.iter().map(|plan| plan.timeout_minutes).collect();
    assert_eq!(minutes, [30, 45, 20, 25, 60, 10]);
    let hotfix = plans.last().expect("a plan");
    assert_eq!((hotfix.gate.min_coverage, hotfix.environments.len()), (Some(70.0), 1));
    assert_eq!(hotfix.checks.e2e.skip.as_deref(), Some("the template hotfix leaves it out"));
}

#[test]
fn a_repositorys_own_threshold_takes_the_place_of_the_templates() {
    let mut settings = settings(BOTH);
    settings.gate.min_coverage = Some(12.0);
    let plan = planned(&run(), &settings);
    assert_eq!(plan.gate.min_coverage, Some(12.0));
    assert!(plan.required.contains(&"coverage".to_owned()), "{:?}", plan.required);
}

#[test]
fn what_cannot_be_taken_back_asks_before_production_and_says_why() {
    let mut settings = settings(BOTH);
    settings.migrations.paths = vec!["db/**".to_owned()];
    let made = plan(&run(), Some(&changes(&["db/1.sql"])), &settings).expect("a plan");
    let environment = |name: &str| made.environments.get(name).expect("is there");
    assert_eq!(environment("production").one_way, ["db/1.sql is a migration without a down step"]);
    assert!(environment("production").settings.approval.is_some());
    assert!(environment("staging").one_way.is_empty());
    assert_eq!(environment("staging").settings.approval, None);
    assert!(
        crate::plan::summary(&made, None).contains("no way back (db/1.sql is a migration"),
        "{made:?}"
    );
    let other = plan(&run(), Some(&changes(&["src/main.rs"])), &settings).expect("a plan");
    assert_eq!(other.environments.get("production").expect("is there").settings.approval, None);
}

#[test]
fn a_person_is_asked_for_all_waves_once_and_their_name_means_the_last_of_them() {
    let mut all = settings(&["staging", "live-eu", "live-us", "late"]);
    for name in ["live-eu", "live-us"] {
        let wave = all.environments.get_mut(name).expect("is there");
        wave.settings.wave_of = Some("live".parse().expect("a name"));
        wave.settings.no_return = Some("nothing takes it back".to_owned());
    }
    let asked = RunRequest { environment: Some("live".parse().expect("a name")), ..run() };
    let plan = planned(&asked, &all);
    let way: Vec<_> = plan.environments.names().map(|name| name.as_str()).collect();
    assert_eq!(way, ["staging", "live-eu", "live-us"]);
    let asks = plan.environments.iter().filter(|e| e.settings.approval.is_some());
    assert_eq!(asks.map(|e| e.name.as_str()).collect::<Vec<_>>(), ["live-eu"]);
    assert!(plan.environments.get("live-us").is_some_and(|wave| !wave.one_way.is_empty()));
}
