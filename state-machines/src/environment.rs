//! One environment after another, by one set of states: the way forward, and the way back. Where a
//! run is, `$environment` says, with its `$tier` and its settings in `$setup`; what it changed is
//! listed in `$deployments`, the newest last.

use pact_contract::error::Retry;
use pact_contract::states::Pipeline::*;

use crate::asl::{ANY, BELOW, State, choice, pass, states, task, wait};
use crate::steps::{agent, environment_item};
use crate::task::{CRASHES, named, outage, retrier, table, throttled};

/// What the release may replace follows from where it comes from.
const ORIGIN: &str = "origin: {'branch': $run.branch, 'place': $run.place, \
    'on_purpose': $run.on_purpose}";

/// What the target builds was built beside the unit tests.
const BUILT: &str = "built: $exists($checks.unit.output.built) ? [$checks.unit.output.built] : []";

/// A release was judged only where no fault is among the reasons.
const WHY: &str = "why: {'judged': ($ending = null or $exists($run.take_back.by)) and \
    $count($filter($reasons, function($r) { $type($r) = 'object' })) = 0, \
    'reason': $join([$map($reasons, function($r) { \
        $type($r) = 'string' ? $r : $string($r.what) & ': ' & $string($r.fault.error) })], '; ')}";

const PASSED: &str = "$states.input.status = 'passed'";

/// What is not probed is not judged.
const HEALTHY: &str = "$states.input.status = 'passed' \
    or ($states.input.status = 'skipped' and $count($setup.health) = 0)";

const KEPT: &str = "$states.input.status in ['passed', 'skipped']";

/// The next of the environment's steps; the last one is the whole.
const WEIGHT: &str = "weight: $min([$setup.shift.steps[weight > $weight].weight, 100])";

const SHIFTED: &str = "weight: $exists($response.output.weight) ? $response.output.weight : 100";

/// The watch, for as long as the step takes.
const STEP: &str =
    "watch: $merge([$setup.watch, $setup.shift.steps[weight = $weight].{'seconds': seconds}])";

/// Where the release and the one before it are asked each for itself.
const APART: &str = "apart: $exists($deployments[-1].apart) ? $deployments[-1].apart : null";

/// What begins before now and ends after it.
const NOW: &str = "[from <= $now() and until > $now()]";

const APPROVED: &str = "$states.input.approved = true";

const WATCHED: &str = "$type($setup.watch) = 'object'";

const APPROVAL: &str = "Arguments/Payload/approval";

fn both(one: &str, other: &str) -> String {
    format!("({one}) and {other}")
}

/// The entry of this environment with what is known further.
fn entry(more: &str) -> String {
    format!(
        "deployments: [$map($deployments, function($d) {{ \
            $d.environment = $environment ? $merge([$d, {more}]) : $d }})]"
    )
}

/// Through the environments of the plan, each with all that is asked there. What goes wrong leads to
/// the way back.
pub(crate) fn forward() -> Vec<State> {
    let next = "$plan.environments[$count($deployments)]";
    let goes_on = format!(
        "$count($deployments) < $count($plan.environments) \
            and ($decision.verdict = 'promote' or {next}.tier = 'staging')"
    );
    [enter(next, &goes_on), before(), deploy(), prove(), watch()]
        .into_iter()
        .flatten()
        .map(State::of_environment)
        .collect()
}

fn enter(next: &str, goes_on: &str) -> Vec<State> {
    // Of the times for which it takes no release, those that are now.
    let now = |text: &str| text.replace("$frozen", &format!("$frozen{NOW}"));
    // Who opens the first of several waves opens them all, for the windows that had begun by then. Every
    // instant comes after '0'.
    let frozen = format!("{next}.frozen[$not({next}.settings.wave_of = $wave) or from > $opened]");
    let question = &now("question: 'Deploy ' & $release & ' of ' & $repository.name & ' to ' & \
        ($type($wave) = 'string' ? $join($plan.environments[settings.wave_of = $wave].name, \
        ', then ') : $environment) & '?' & ($count($plan.loosened) > 0 ? ' With it you agree \
        to looser rules for the commits after it: ' & $join($plan.loosened, '; ') & '.') & \
        ($count($one_way) > 0 ? ' There is no way back from it: ' & $join($one_way, '; ') & '.') & \
        ($count($frozen) > 0 ? ' ' & $join($frozen.why, '; ') & '; say why it may go all the same.')");
    let refused = &now("$states.result.approved \
        ? $join($frozen.why, '; ') & ', and ' & $states.result.by & ' gave no reason to go on' \
        : 'not approved by ' & $states.result.by \
            & ($type($states.result.reason) = 'string' ? ': ' & $states.result.reason)");
    let closed = now("$count($frozen) > 0");
    let unbroken = format!("{closed} and $not($type($states.input.reason) = 'string')");
    states! {
        choice(NextEnvironment, "Is there a further one that the release may go to?")
            only_if(goes_on, Succeed);
        pass(EnterEnvironment, "The next one, in the order of promotion")
            assign(&format!("environment: {next}.name, tier: {next}.tier, setup: {next}.settings"))
            assign(&format!("one_way: [{next}.one_way]"))
            assign("polls: 0, weight: -1, judged: null, baseline: null, metrics: null")
            assign(&format!("wave: $exists({next}.settings.wave_of) ? {next}.settings.wave_of : null"))
            assign(&format!("opened: {next}.settings.wave_of = $wave ? $opened : '0'"))
            assign(&format!("frozen: [{frozen}], reasons: [{frozen}{NOW}.why]"));
        choice(ApprovalNeeded, "Does a person have to agree? Is it closed? Is it compared?")
            when("$type($setup.approval) = 'object'", BELOW) when(&closed, HoldRelease)
            when(WATCHED, InspectEnvironment)
            otherwise(BeginDeployment);
        // Whoever is not reached does not keep the question from being asked.
        agent(AskApprovers, "Tell those who can answer what would change, and how to answer")
            asks("notify.ask_approvers", "run, environment, release, settings: $settings.notify")
            with("timeout_minutes: $setup.approval.timeout_minutes, people: $setup.approval.people")
            with("loosened: [$plan.loosened]")
            retry([throttled(), retrier(1, named(Retry::Outage))]) catch(ANY, "", BELOW);
        task(AwaitApproval, "Wait for a person; no answer in time counts as no")
            put("Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken'")
            put("TimeoutSeconds: $setup.approval.timeout_minutes * 60, Output: $states.result")
            put("Arguments/FunctionName: '${ReconcilerFunctionArn}'")
            put_in(APPROVAL, "run_id: $run.run_id, state: $states.context.State.Name")
            put_in(APPROVAL, question)
            put_in(APPROVAL, "expires_seconds: $setup.approval.timeout_minutes * 60")
            put_in(APPROVAL, "people: $setup.approval.people")
            put_in(APPROVAL, "task_token: $states.context.Task.Token") because(refused)
            assign("opened: $now()")
            retry([throttled(), outage()])
            catch("States.Timeout", "reasons: ['nobody approved in time']", HoldRelease)
            on_fault("nobody could be asked", StartTakingBack);
        choice(Approved, "Yes or no? Whoever opens what is closed says why.")
            when(&both(APPROVED, &unbroken), HoldRelease) when(&both(APPROVED, WATCHED), BELOW)
            when(APPROVED, BeginDeployment) otherwise(RejectRelease);
    }
}

/// What the release will be compared with.
fn before() -> Vec<State> {
    let url = "url: $states.input.status = 'passed' ? $states.input.output.url : null";
    let skip = "skip: $states.input.status = 'passed' ? null \
        : 'nothing is deployed in ' & $environment & ' that could be measured'";
    states! {
        agent(InspectEnvironment, "What is there now?")
            asks("deploy.check_status", "repository, environment, settings: $setup")
            catch(ANY, "", BELOW);
        agent(TrackBaseline, "Measure the release before, to compare with")
            asks("monitor.track_metrics", "environment, probes: $setup.health, watch: $setup.watch")
            with(url) with(WEIGHT) context(skip)
            assign("baseline: $response.status = 'passed' ? $response.output : null")
            catch(ANY, "", BELOW);
    }
}

/// Until the release has its first requests, or all that is left of a step, and is healthy.
fn deploy() -> Vec<State> {
    let begun = "deployments: [$deployments, {'environment': $environment, 'tier': $tier, \
        'wave_of': $setup.wave_of, 'release': $release, 'status': 'pending'}]";
    states! {
        table("dynamodb:updateItem", BeginDeployment, "From here on it is not simply ended any \
                more") strings("Key", "pk: 'RUN#' & $run.run_id, sk: 'RUN'")
            put("Arguments/UpdateExpression: 'SET deploying = :environment'")
            put("Arguments/ConditionExpression: '#status = :running'")
            put("Arguments/ExpressionAttributeNames/#status: 'status'")
            strings("ExpressionAttributeValues", ":running: 'running', :environment: $environment")
            assign(begun) catch("DynamoDB.ConditionalCheckFailedException", "", Overtaken)
            on_fault("the deployment to ' & $environment & ' could not be begun", StartTakingBack);
        // Half an hour for another run's deployment. What a crash left behind is taken back.
        agent(Deploy, "Put the release into effect")
            asks("deploy.to_", "repository, release, source, environment, settings: $setup")
            with(ORIGIN) with(BUILT) with(WEIGHT) assign(&entry("$response.output"))
            assign(SHIFTED) because("$response.summary")
            retry([retrier(180, named(Retry::Locked)), throttled(), outage()])
            on_fault("the deployment to ' & $environment & ' stopped", StartTakingBack);
        choice(Deployed, "Was it carried out? What is refused has changed nothing.")
            when(PASSED, BELOW)
            when("'release-outdated' in $states.input.findings.code", SupersedeRun)
            when("'release-rejected' in $states.input.findings.code", RejectRelease)
            otherwise(StartTakingBack);
        agent(CheckStatus, "Is the release current?")
            asks("deploy.check_status", "repository, release, environment, settings: $setup")
            assign("polls: $polls + 1") because("$response.summary")
            on_fault("the status of ' & $environment & ' is unknown", StartTakingBack);
        choice(InEffect, "Current, still on its way, or lost? Judged, and there still, it is good.")
            when(&both(PASSED, "$judged = 100"), MarkGood) when(PASSED, CheckHealth)
            when("$states.input.output.status = 'pending' and $polls < 60", BELOW)
            otherwise(StartTakingBack);
        wait(WaitForTarget, "The target needs more time") put("Seconds: 5") next(CheckStatus);
        agent(CheckHealth, "Does the release answer?")
            asks("monitor.check_health", "environment, url: $deployments[-1].url")
            with("probes: $setup.health")
            because("$environment & ' is not healthy: ' & $response.summary")
            on_fault("the health of ' & $environment & ' is unknown", StartTakingBack);
        choice(Healthy, "Healthy? Then the next step, or is it tried here, or watched?")
            when(&both(HEALTHY, "$weight = 0"), Deploy)
            when(&both(HEALTHY, "$weight < 100"), TrackMetrics)
            when(&both(HEALTHY, "$tier = 'staging'"), RunEndToEnd)
            when(&both(HEALTHY, WATCHED), TrackMetrics) when(HEALTHY, MarkGood)
            otherwise(StartTakingBack);
    }
}

/// End-to-end tests, where a release is tried.
fn prove() -> Vec<State> {
    let failed = "$states.input.status = 'failed' \
        or ('e2e' in $plan.required and $states.input.status != 'passed')";
    states! {
        agent(RunEndToEnd, "End-to-end tests against the environment")
            asks("tests.run_e2e", "source, settings: $settings.tests, repository")
            with("reference: $run.reference, url: $deployments[-1].url") answered_later()
            context("skip: $plan.checks.e2e.skip")
            because("'end-to-end tests against ' & $environment & ': ' & $response.summary")
            on_fault("the end-to-end tests could not be run", StartTakingBack);
        choice(EndToEnd, "Did they pass? Where there are none, it stands on its health.")
            when(failed, StartTakingBack) when(WATCHED, BELOW) otherwise(MarkGood);
    }
}

/// Watched, judged, and good.
fn watch() -> Vec<State> {
    let anomalies = "anomalies: $type($response.output) = 'object' ? $response.output \
        : {'compared': false, 'anomalies': []}";
    let skip = "skip: $metrics.requests > 0 ? null : 'nothing was measured'";
    states! {
        agent(TrackMetrics, "Watch the new release, with what requests it has")
            asks("monitor.track_metrics", "environment, url: $deployments[-1].url, baseline")
            with("probes: $setup.health, judged: true, weight, steps: [$metrics.steps]") with(STEP) with(APART)
            assign("metrics: $response.output") because("$response.summary")
            on_fault("the release could not be watched", StartTakingBack);
        agent(DetectAnomalies, "Is it worse than before?")
            asks("monitor.detect_anomalies", "metrics, baseline") context(skip) assign(anomalies)
            on_fault("the release could not be compared", StartTakingBack);
        agent(JudgeRelease, "Does the release stay?")
            asks("quality.judge_release", "metrics, baseline, anomalies, watch: $setup.watch")
            with("weight") assign("judged: $weight")
            because("$metrics.requests > 0 ? $response.summary \
                : $response.summary & ' (' & $reasons[0] & ')'")
            on_fault("the release could not be judged", StartTakingBack);
        choice(Judgement, "Keep it, with more requests if there are more; ask a person; take it back")
            when("$states.input.output.then = 'hold'", HoldRelease)
            when(&both(KEPT, "$weight < 100"), Deploy)
            when(&both(KEPT, "$weight = 100"), CheckStatus) otherwise(StartTakingBack);
        // Where that cannot be written, the release before stays the place to return to.
        environment_item(MarkGood, "Good; the next run may have the \
                environment", "$environment", NextEnvironment)
            strings("ExpressionAttributeValues", ":now: $now()")
            put("Arguments/UpdateExpression: 'SET good_run = :run, good_at = :now REMOVE lock_run, \
                lock_expires'");
    }
}

/// Takes back what this run changed, newest first, and verifies that the release before answers. One
/// that cannot be restored does not keep the others.
pub(crate) fn back() -> Vec<State> {
    let newest = "$deployments[$left - 1].environment";
    let replaced = "$states.input.status = 'passed' and $restored.status = 'rolled_back' \
        and $type($restored.previous) = 'string'";
    // What was not touched, or stays as it is good, counts as well.
    let settled = "$states.input.status = 'passed' \
        and $restored.status in ['rolled_back', 'failed', 'live']";
    let stuck = "reasons: [$reasons, 'the release before could not be restored in ' & $environment \
        & ($exists($states.input.summary) ? ': ' & $states.input.summary)]";
    let status = "status: 'rollback_failed' in $deployments.status ? 'rollback_failed' \
        : $type($ending) = 'string' ? $ending \
        : 'rolled_back' in $deployments.status ? 'rolled_back' : 'failed'";
    // It is not given up for a fault that may pass, whatever was done before.
    let again = named(Retry::Compensation).chain(CRASHES).chain(["Sandbox.Timedout"]);
    let states = states! {
        pass(StartTakingBack, "What this run changed goes back, newest first") assign(WHY)
            assign("left: $count($deployments)");
        choice(MoreToTakeBack, "Is there anything left?") only_if("$left > 0", AllTakenBack);
        pass(TakeBackNewest, "The newest of what is left")
            assign(&format!("left: $left - 1, environment: {newest}"))
            assign(&format!("setup: $plan.environments[name = {newest}].settings"));
        agent(Rollback, "Return the environment to the release before")
            asks("deploy.rollback", "repository, release, environment, settings: $setup, why")
            with("to: $exists($run.take_back.to) ? $run.take_back.to : null")
            assign("restored: $response.output") retry([retrier(2, again), throttled(), outage()])
            on_another_fault("the rollback of ' & $environment & ' stopped", RollbackStuck);
        choice(WhatCameBack, "What is there to verify?") when(replaced, BELOW)
            when(settled, EntryUpdated) otherwise(RollbackStuck);
        agent(CheckRestored, "Does the release before answer again?")
            asks("monitor.check_health", "environment, url: $restored.url, probes: $setup.health")
            on_another_fault("the health of ' & $environment & ' is unknown", RollbackStuck);
        choice(AnswersAgain, "Healthy again?") when(HEALTHY, EntryUpdated);
        pass(RollbackStuck, "A person is needed here; the others are still tried")
            assign(&entry("{'status': 'rollback_failed'}")) assign(stuck) next(MoreToTakeBack);
        pass(EntryUpdated, "What became of it") assign(&entry("$restored")) next(MoreToTakeBack);
        pass(AllTakenBack, "How it went") assign(status) next(DescribeOutcome);
    };
    states.into_iter().map(State::of_environment).collect()
}
