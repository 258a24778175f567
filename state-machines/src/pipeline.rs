//! The pipeline: from a push to a release that stays, or to the reason why not.

use pact_contract::states::Pipeline::{self, *};
use serde_json::Value;

use crate::asl::{ANY, BELOW, State, choice, graph, head, parallel, pass, states};
use crate::environment::{back, forward};
use crate::outcome::end;
use crate::steps::agent;
use crate::task::RAISED;

/// The whole machine.
pub(crate) fn pipeline() -> Value {
    let comment =
        "The PACT pipeline: from a push to a decided, deployed, watched and explained release";
    // Ten days: an approval of the longest kind, and the rest.
    graph(
        head(comment, 864_000),
        [plan(), forward(), back(), end()].into_iter().flatten().collect(),
    )
}

fn plan() -> Vec<State> {
    states! {
        pass(PrepareRun, "Keep the request and start with nothing decided")
            assign("run: $states.input, repository: $states.input.repository, plan: null")
            assign("release: null, decision: null, environment: null, tier: null, deployments: []")
            assign("wave: null, opened: '0'")
            assign(r#"status: 'running', reasons: [], settings: {"notify": {}}, ending: null"#);
        choice(EndedOutside, "Was it ended from outside, with something to take back?")
            when("$exists($run.take_back)", TakeBack) otherwise(AnalyzeChanges);
        pass(TakeBack, "What is known of the run that was ended")
            assign("plan: $run.take_back.plan, settings: $run.take_back.settings")
            assign("release: $run.take_back.plan.release, ending: $run.take_back.status")
            assign("reasons: [$run.take_back.reason], deployments: $run.take_back.deployments")
            next(StartTakingBack);
        agent(AnalyzeChanges, "Fetch the commit once and say what changed")
            asks("code.analyze_changes", "repository, reference: $run.reference")
            with("commit: $run.commit, base: $run.base")
            with("policy: $exists($run.policy) ? $run.policy : null")
            with("place: $exists($run.place) ? $run.place : null")
            with("pull: $exists($run.pull) ? $run.pull : null")
            assign("source: $response.output.source, settings: $response.output.settings")
            assign("changes_key: $response.output.changes_key")
            assign("loosened: $exists($response.output.policy) ? $response.output.policy.loosened \
                : []") because("$response.summary")
            on_fault("the changes could not be analyzed", FailRun);
        choice(SettingsValid, "Is the repository's pact.toml valid?")
            when("$states.input.status = 'failed'", RejectRelease);
        agent(PlanPipeline, "Which checks run and how far the release may go, with reasons")
            asks("quality.plan_pipeline", "run, changes_key, settings, loosened")
            assign("plan: $response.output, release: $response.output.release")
            on_fault("the pipeline could not be planned", FailRun);
        verify();
        agent(EvaluateGate, "Decide on the evidence") asks("quality.evaluate_gate", "plan, checks")
            assign("decision: $response.output") because("$response.output.summary")
            on_fault("the gate could not decide", FailRun);
        choice(GateDecision, "Promote, stage only, verify only, hold or reject")
            when("$decision.verdict = 'reject'", RejectRelease)
            when("$decision.verdict = 'hold'", HoldRelease)
            when("$decision.verdict = 'verify_only'", Succeed)
            when("$count($plan.environments) > 0", BELOW) otherwise(HoldRelease);
    }
}

/// Three lanes side by side. A check that cannot be carried out is reported as such, and stops
/// nothing.
fn verify() -> State {
    let builds = "$count($plan.environments.settings.target.build) > 0";
    let invalid = "$syntax.status = 'failed' ? 'the syntax is not valid'";
    let failed = "$unit.status in ['failed', 'error'] ? 'the unit tests did not pass'";
    let code = states! {
        check("syntax", ValidateSyntax, "Parse the changed files")
            asks("code.validate_syntax", "source, changes_key, settings: $settings.code, waivers: \
                $settings.waivers");
        check("quality", CheckQuality, "Measure the functions that changed")
            asks("code.check_quality", "source, changes_key, settings: $settings.code, waivers: \
                $settings.waivers")
            context(&format!("skip: {invalid} : $plan.checks.quality.skip"));
        pass(CodeChecked, "What this lane found") put_in("Output", "syntax, quality");
    };
    let tests = states! {
        // What the targets build is built beside the unit tests, also where these are left out.
        suite("unit", RunUnitTests) with("environments: [$plan.environments.settings]")
            with("skip: $plan.checks.unit.skip")
            // Then these follow in the same build.
            with("then_integration: $plan.checks.integration.skip ? false : true")
            context(&format!("skip: {builds} ? null : $plan.checks.unit.skip"));
        suite("integration", RunIntegrationTests)
            context(&format!("skip: {failed} : $plan.checks.integration.skip"));
        check("coverage", CheckCoverage, "Coverage in all and of the changed lines")
            asks("tests.check_coverage", "source, changes_key")
            with("coverage_keys: [$unit.output.coverage_keys, $integration.output.coverage_keys]")
            with("min_coverage: $plan.gate.min_coverage")
            with("min_changed_coverage: $plan.gate.min_changed_coverage")
            context(&format!("skip: {failed} : $plan.checks.coverage.skip"));
        pass(TestsRun, "What this lane found") put_in("Output", "unit, integration, coverage");
    };
    let settings = "source, changes_key, settings: $settings.security, waivers: $settings.waivers";
    let security = states! {
        check("vulnerabilities", ScanVulnerabilities, "Static analysis of the changed lines")
            asks("security.scan_vulnerabilities", settings);
        check("dependencies", CheckDependencies, "Locked dependencies against known advisories")
            asks("security.check_dependencies", settings);
        check("secrets", ValidateSecrets, "Secrets in the added lines")
            asks("security.validate_secrets", settings);
        pass(SecurityChecked, "What this lane found")
            put_in("Output", "vulnerabilities, dependencies, secrets");
    };
    let comment = "Code, tests and security side by side; what cannot be checked stops nothing";
    parallel(Verify, comment)
        .branch("Syntax, then quality", code)
        .branch("Unit tests, integration tests, coverage", tests)
        .branch("Vulnerabilities, dependencies, secrets", security)
        .put("Output: $merge($states.result)")
        .assign("checks: $merge($states.result)")
        .on_fault("the checks could not be gathered", FailRun)
}

/// A check that is carried out by a build.
fn suite(name: &str, state: Pipeline) -> State {
    check(name, state, &format!("Have the {name} tests run in a build of their own"))
        .asks(&format!("tests.run_{name}"), "source, settings: $settings.tests, repository")
        .with("reference: $run.reference, changes_key")
        .answered_later()
}

/// A check that the plan may leave out. What is found, or raised, is kept under its name.
fn check(name: &str, state: Pipeline, comment: &str) -> State {
    let found = "{'status': $response.status, 'summary': $response.summary, \
        'output': $response.output, 'not_applicable': $response.not_applicable = true, \
        'findings': $exists($response.findings) ? $response.findings : []}";
    agent(state, comment)
        .context(&format!("skip: $plan.checks.{name}.skip"))
        .assign(&format!("{name}: {found}"))
        .catch(ANY, &format!("{name}: {{'status': 'error', 'fault': {RAISED}}}"), BELOW)
}
