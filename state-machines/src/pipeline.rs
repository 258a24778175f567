//! The pipeline: from a push to a release that stays, or to the reason why not.

use pact_contract::states::Pipeline::{self, *};
use serde_json::Value;

use crate::asl::{ANY, BELOW, State, choice, graph, head, parallel, pass, task};
use crate::environment::{deploy, in_production, roll_back};
use crate::outcome::end;
use crate::steps::{agent, judged_good};
use crate::task::{RAISED, outage, throttled};

/// The whole machine.
pub(crate) fn pipeline() -> Value {
    let comment =
        "The PACT pipeline: from a push to a decided, deployed, watched and explained release";
    let forward = [plan(), deploy(), release(), in_production(deploy()), watch()];
    let back = [roll_back(), in_production(roll_back()), end()];
    // Ten days: two approvals of the longest kind, and the rest.
    graph(head(comment, 864_000), forward.into_iter().chain(back).flatten().collect())
}

const TO_STAGING: &str =
    "$decision.verdict in ['promote', 'stage_only'] and $type($plan.staging) = 'object'";
const TO_PRODUCTION: &str = "$decision.verdict = 'promote' and $type($plan.production) = 'object'";

fn plan() -> Vec<State> {
    vec![
        pass(PrepareRun, "Keep the request and start with nothing decided")
            .assign("run: $states.input, repository: $states.input.repository, plan: null")
            .assign("release: null, decision: null, staging: null, production: null")
            .assign(r#"baseline: null, status: 'running', reasons: [], settings: {"notify": {}}"#)
            .assign("ending: null"),
        choice(EndedOutside, "Was it ended from outside, with something to take back?")
            .when("$exists($run.take_back)", TakeBack)
            .otherwise(AnalyzeChanges),
        pass(TakeBack, "What is known of the run that was ended")
            .assign("plan: $run.take_back.plan, settings: $run.take_back.settings")
            .assign("release: $run.take_back.plan.release, ending: $run.take_back.status")
            .assign("reasons: [$run.take_back.reason]"),
        choice(WhatToTakeBack, "Where did it begin to deploy last?")
            .when("$run.take_back.environment = 'production'", RollbackProduction)
            .otherwise(RollbackStaging),
        agent(AnalyzeChanges, "Fetch the commit once and say what changed")
            .asks("code.analyze_changes", "repository, reference: $run.reference")
            .with("commit: $run.commit, base: $run.base")
            .with("policy: $exists($run.policy) ? $run.policy : null")
            .with("place: $exists($run.place) ? $run.place : null")
            .assign("source: $response.output.source, settings: $response.output.settings")
            .assign("changes_key: $response.output.changes_key")
            .assign("loosened: $exists($response.output.policy) ? $response.output.policy.loosened : []")
            .because("$response.summary")
            .on_fault("the changes could not be analyzed", FailRun),
        choice(SettingsValid, "Is the repository's pact.toml valid?")
            .when("$states.input.status = 'failed'", RejectRelease),
        agent(PlanPipeline, "Which checks run and how far the release may go, with reasons")
            .asks("quality.plan_pipeline", "run, changes_key, settings, loosened")
            .assign("plan: $response.output, release: $response.output.release")
            .on_fault("the pipeline could not be planned", FailRun),
        verify(),
        agent(EvaluateGate, "Decide on the evidence")
            .asks("quality.evaluate_gate", "plan, checks")
            .assign("decision: $response.output")
            .because("$response.output.summary")
            .on_fault("the gate could not decide", FailRun),
        choice(GateDecision, "Promote, stage only, verify only, hold or reject")
            .when("$decision.verdict = 'reject'", RejectRelease)
            .when("$decision.verdict = 'hold'", HoldRelease)
            .when("$decision.verdict = 'verify_only'", Succeed)
            .when(TO_STAGING, BeginStaging)
            .when(TO_PRODUCTION, ApprovalNeeded)
            .otherwise(HoldRelease),
    ]
}

/// Three lanes side by side. A check that cannot be carried out is reported as such, and stops
/// nothing.
fn verify() -> State {
    let builds = "$count([$plan.staging, $plan.production].target.build) > 0";
    let invalid = "$syntax.status = 'failed' ? 'the syntax is not valid'";
    let failed = "$unit.status in ['failed', 'error'] ? 'the unit tests did not pass'";
    let code = vec![
        check("syntax", ValidateSyntax, "Parse the changed files").asks(
            "code.validate_syntax",
            "source, changes_key, settings: $settings.code, waivers: $settings.waivers",
        ),
        check("quality", CheckQuality, "Measure the functions that changed")
            .asks(
                "code.check_quality",
                "source, changes_key, settings: $settings.code, waivers: $settings.waivers",
            )
            .context(&format!("skip: {invalid} : $plan.checks.quality.skip")),
        pass(CodeChecked, "What this lane found").put_in("Output", "syntax, quality"),
    ];
    let tests = vec![
        // What the targets build is built beside the unit tests, also where these are left out.
        suite("unit", RunUnitTests)
            .with("environments: [$plan.staging, $plan.production]")
            .with("skip: $plan.checks.unit.skip")
            .context(&format!("skip: {builds} ? null : $plan.checks.unit.skip")),
        suite("integration", RunIntegrationTests)
            .context(&format!("skip: {failed} : $plan.checks.integration.skip")),
        check("coverage", CheckCoverage, "Coverage in all and of the changed lines")
            .asks("tests.check_coverage", "source, changes_key")
            .with("coverage_keys: [$unit.output.coverage_keys, $integration.output.coverage_keys]")
            .with("min_coverage: $plan.gate.min_coverage")
            .with("min_changed_coverage: $plan.gate.min_changed_coverage")
            .context(&format!("skip: {failed} : $plan.checks.coverage.skip")),
        pass(TestsRun, "What this lane found").put_in("Output", "unit, integration, coverage"),
    ];
    let settings = "source, changes_key, settings: $settings.security, waivers: $settings.waivers";
    let security = vec![
        check("vulnerabilities", ScanVulnerabilities, "Static analysis of the changed lines")
            .asks("security.scan_vulnerabilities", settings),
        check("dependencies", CheckDependencies, "Locked dependencies against known advisories")
            .asks("security.check_dependencies", settings),
        check("secrets", ValidateSecrets, "Secrets in the added lines")
            .asks("security.validate_secrets", settings),
        pass(SecurityChecked, "What this lane found")
            .put_in("Output", "vulnerabilities, dependencies, secrets"),
    ];
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

const APPROVAL: &str = "Arguments/Payload/approval";

/// From staging to production: the proof, a person's agreement, and what is there before.
fn release() -> Vec<State> {
    let failed = "$states.input.status = 'failed' \
        or ('e2e' in $plan.required and $states.input.status != 'passed')";
    let question = "question: 'Deploy ' & $release & ' of ' & $repository.name & ' to production?' \
        & ($count($plan.loosened) > 0 ? ' With it you agree to looser rules for the commits after \
        it: ' & $join($plan.loosened, '; '))";
    let refused = "'not approved by ' & $states.result.by \
        & ($type($states.result.reason) = 'string' ? ': ' & $states.result.reason)";
    let url = "url: $states.input.status = 'passed' ? $states.input.output.url : null";
    let skip = "skip: $states.input.status = 'passed' ? null \
        : 'nothing is deployed in production that could be measured'";
    vec![
        agent(RunEndToEnd, "End-to-end tests against staging")
            .asks("tests.run_e2e", "source, settings: $settings.tests, repository")
            .with("reference: $run.reference")
            .answered_later()
            .with("url: $staging.url")
            .context("skip: $plan.checks.e2e.skip")
            .because("'end-to-end tests against staging: ' & $response.summary")
            .on_fault("the end-to-end tests could not be run", RollbackStaging),
        choice(EndToEnd, "Did they pass? Where there are none, staging stands on its health.")
            .when(failed, RollbackStaging),
        judged_good(
            ReleaseStaging,
            "Staging is well and done: the next run may have it",
            "staging",
        )
        .put(
            "Arguments/UpdateExpression: \
                'SET good_run = :run, good_at = :now REMOVE lock_run, lock_expires'",
        ),
        choice(MayGoOn, "To production, or is staging the end?").only_if(TO_PRODUCTION, Succeed),
        choice(ApprovalNeeded, "Does a person have to agree?")
            .only_if("$plan.approval", InspectProduction),
        task(AwaitApproval, "Wait for a person; no answer in time counts as no")
            .put("Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken'")
            .put("TimeoutSeconds: $plan.approval_seconds, Output: $states.result")
            .put("Arguments/FunctionName: '${ReconcilerFunctionArn}'")
            .put_in(APPROVAL, "run_id: $run.run_id, state: $states.context.State.Name")
            .put_in(APPROVAL, question)
            .put_in(APPROVAL, "expires_seconds: $plan.approval_seconds")
            .put_in(APPROVAL, "task_token: $states.context.Task.Token")
            .because(refused)
            .retry([throttled(), outage()])
            .catch("States.Timeout", "reasons: ['nobody approved in time']", HoldRelease)
            .on_fault("nobody could be asked", FailRun),
        choice(Approved, "Yes or no?").only_if("$states.input.approved = true", RejectRelease),
        agent(InspectProduction, "What is in production now?")
            .asks("deploy.check_status", "repository, environment: 'production'")
            .with("settings: $plan.production")
            .catch(ANY, "", BELOW),
        agent(TrackBaseline, "Measure the release before, to compare with")
            .asks("monitor.track_metrics", "environment: 'production'")
            .with("probes: $plan.production.health, watch: $plan.production.watch")
            .with(url)
            .context(skip)
            .assign("baseline: $response.status = 'passed' ? $response.output : null")
            .catch(ANY, "", BELOW),
    ]
}

fn watch() -> Vec<State> {
    let anomalies = "anomalies: $type($response.output) = 'object' ? $response.output \
        : {'compared': false, 'anomalies': []}";
    let skip = "skip: $metrics = null ? 'nothing was measured' : null";
    vec![
        agent(TrackMetrics, "Watch the new release")
            .asks("monitor.track_metrics", "environment: 'production', url: $production.url")
            .with("probes: $plan.production.health, watch: $plan.production.watch, baseline")
            .with("judged: true")
            .assign("metrics: $response.status = 'passed' ? $response.output : null")
            .on_fault("the release could not be watched", RollbackProduction),
        agent(DetectAnomalies, "Is it worse than before?")
            .asks("monitor.detect_anomalies", "metrics, baseline")
            .context(skip)
            .assign(anomalies)
            .on_fault("the release could not be compared", RollbackProduction),
        agent(JudgeRelease, "Does the release stay?")
            .asks("quality.judge_release", "metrics, baseline, anomalies")
            .with("watch: $plan.production.watch")
            .context(skip)
            .because("$response.summary")
            .on_fault("the release could not be judged", RollbackProduction),
        choice(Judgement, "Keep it, ask a person or take it back")
            .when("$states.input.output.then = 'hold'", HoldRelease)
            .when("$states.input.status in ['passed', 'skipped']", KeepProduction)
            .otherwise(RollbackProduction),
    ]
}
