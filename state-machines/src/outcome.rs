//! How a run ends, and why: described, recorded, told.

use pact_contract::states::Pipeline::{self, *};
use pact_contract::{RunStatus, run::Outcome};

use crate::asl::{ANY, BELOW, State, choice, fail, map, parallel, pass, states, succeed};
use crate::steps::{agent, environment_item};
use crate::task::{RAISED, READ, table};

/// From the verdicts to the terminal states.
pub(crate) fn end() -> Vec<State> {
    let reached = "$count($deployments) > 0 ? $release & ' is live in ' & $environment \
        & ($tier = 'production' ? '' : ': ' & $plan.target_reason) : $decision.summary";
    states! {
        verdict(Succeed, "succeeded", "All that was planned is done") because(reached);
        verdict(RejectRelease, "rejected", "Not to be released");
        verdict(HoldRelease, "held", "A person has to decide");
        verdict(SupersedeRun, "superseded", "A newer push of the branch is in effect");
        verdict(FailRun, "failed", "A fault before anything was deployed");
        describe();
        record();
        free();
        notify();
        choice(Conclude, "End as the run ended") when("$outcome.status = $ending", TakenBack)
            when("$outcome.status = 'succeeded'", Succeeded) when("$outcome.status = 'held'", Held)
            when("$outcome.status = 'superseded'", Superseded)
            when("$outcome.status = 'rejected'", Rejected)
            when("$outcome.status = 'rolled_back'", ReleaseRolledBack)
            when("$outcome.status = 'rollback_failed'", RollbackFailed) otherwise(Failed);
        succeed(Overtaken, "Somebody ended the run before it began to deploy")
            put_in("Output", "run_id: $run.run_id");
        well(TakenBack, "Ended from outside, and what it had begun is taken back");
        well(Succeeded, "All is well");
        well(Held, "Not an error: a person decides");
        well(Superseded, "Not an error: a newer push took its place");
        ill(Rejected, RunStatus::Rejected, "The gate, or a person, said no");
        ill(ReleaseRolledBack, RunStatus::RolledBack, "The release before is back");
        ill(RollbackFailed, RunStatus::RollbackFailed, "A person is needed");
        ill(Failed, RunStatus::Failed, "A fault, or a deployment that replaced nothing");
    }
}

fn verdict(state: Pipeline, status: &str, comment: &str) -> State {
    pass(state, comment).assign(&format!("status: '{status}'")).next(DescribeOutcome)
}

/// No run keeps an environment after its end.
fn free() -> State {
    let of = "$states.input.environment";
    let free = environment_item(FreeEnvironment, "Only if this run holds it", of, NotHeld)
        .put("Arguments/UpdateExpression: 'REMOVE lock_run, lock_expires'");
    map(FreeEnvironments, "No run keeps an environment after its end")
        .put("Items: $deployments, Output: {}")
        .each(
            "environment: $states.context.Map.Item.Value.environment",
            vec![free, succeed(NotHeld, "It holds it no more")],
        )
        .catch(ANY, "", BELOW)
}

fn well(state: Pipeline, comment: &str) -> State {
    let result = "run_id: $run.run_id, status: $outcome.status, reason: $outcome.reason";
    succeed(state, comment).put_in("Output", result)
}

fn ill(state: Pipeline, status: RunStatus, comment: &str) -> State {
    let error = status.error().unwrap_or_default();
    fail(state, comment).put(&format!("Error: '{error}', Cause: $outcome.reason"))
}

/// The only place where faults are read. A reason is a sentence, or what was raised.
fn describe() -> State {
    let outcome = format!(
        "outcome: ({READ}
        $told := [$map($reasons, function($why) {{(
            $fault := $read($why.fault);
            $said := $why.what & ': ' & $fault.error & ': ' & $fault.cause;
            $type($why) = 'string' ? {{'said': $why}} : {{'said': $said, 'fault': $fault}}
        )}})];
        {{'status': $status, 'reason': $join([$told.said], '; '),
          'template': $type($plan) = 'object' ? $plan.template : null,
          'decision': $decision, 'deployments': $deployments, 'fault': ($told.fault)[-1]}})"
    );
    pass(DescribeOutcome, "What became of the run, and why").assign(&outcome)
}

/// Where the table cannot be written to, people are told so.
fn record() -> State {
    let unrecorded = format!(
        "outcome: ($fault := {RAISED}; $merge([{{'fault': $fault}}, $outcome, {{
            'status': 'failed',
            'reason': 'the outcome could not be recorded: '
                & $join([$fault.error, $substring($fault.cause, 0, 1000)], ': ')
                & '; the run was ' & $outcome.status & ': ' & $outcome.reason
        }}]))"
    );
    let update = "'SET #status = :status, outcome = :outcome, outcome_schema = :outcome_schema, \
        finished_at = :now, expires = if_not_exists(expires, :expires), \
        gsi1pk = :all, gsi2pk = :own REMOVE openpk, opensk'";
    // The lists of runs with this status, of which that of all repositories has four partitions.
    let shard = "($c := $substring($run.run_id, -1); \
        $c < '4' ? '0' : $c < '8' ? '1' : $c < 'c' ? '2' : '3')";
    let of_status = "'#STATUS#' & $outcome.status";
    // A run of before runs expired has no time for it yet.
    let expires = "$string($ceil($toMillis($run.started_at) / 1000) \
        + 86400 * $number('${RunRetentionDays}'))";
    let comment = "The final status, written without any function's help";
    table("dynamodb:updateItem", RecordOutcome, comment)
        .strings("Key", "pk: 'RUN#' & $run.run_id, sk: 'RUN'")
        .put(&format!("Arguments/UpdateExpression: {update}"))
        .put("Arguments/ConditionExpression: '#status = :running'")
        .put("Arguments/ExpressionAttributeNames/#status: 'status'")
        .strings("ExpressionAttributeValues", ":status: $outcome.status, :running: 'running'")
        .strings("ExpressionAttributeValues", ":now: $now(), :outcome: $string($outcome)")
        .put(&format!("Arguments/ExpressionAttributeValues/:all/S: 'RUNS#' & {shard} & {of_status}"))
        .put(&format!("Arguments/ExpressionAttributeValues/:own/S: 'REPO#' & $run.repository.name & {of_status}"))
        .number(":outcome_schema", &format!("'{}'", Outcome::VERSION))
        .number(":expires", expires)
        .catch("DynamoDB.ConditionalCheckFailedException", "", BELOW)
        .catch(ANY, &unrecorded, BELOW)
}

fn notify() -> State {
    parallel(Notify, "Tell people, on every path; a message that fails changes nothing")
        .branch("Slack", tell(NotifySlack, "notify.slack_team", SlackNotTold))
        .branch("E-mail", tell(NotifyEmail, "notify.email_stakeholders", EmailNotTold))
        .branch("Jira", tell(NotifyJira, "notify.update_jira", JiraNotTold))
        .catch(ANY, "", BELOW)
}

fn tell(state: Pipeline, action: &str, not_told: Pipeline) -> Vec<State> {
    states! {
        agent(state, "How the run ended, and why")
            asks(action, "run, outcome, settings: $settings.notify") catch(ANY, "", BELOW) end();
        succeed(not_told, "The run ends as it ended");
    }
}
