//! The states of one environment, the way forward and the way back. They are written for staging;
//! [`in_production`] are the same.

use pact_contract::error::Retry;
use pact_contract::states::Pipeline::*;

use crate::asl::{BELOW, State, choice, pass, wait};
use crate::steps::agent;
use crate::task::{CRASHES, named, outage, retrier, table, throttled};

/// What the release may replace follows from where it comes from.
const ORIGIN: &str = "origin: {'branch': $run.branch, 'place': $run.place, \
    'on_purpose': $run.on_purpose}";

/// A release was judged only where no fault is among the reasons.
const WHY: &str = "why: {'judged': $ending = null and \
    $count($filter($reasons, function($r) { $type($r) = 'object' })) = 0, \
    'reason': $join([$map($reasons, function($r) { \
        $type($r) = 'string' ? $r : $string($r.what) & ': ' & $string($r.fault.error) })], '; ')}";

/// What the target builds was built beside the unit tests.
const BUILT: &str = "built: $exists($checks.unit.output.built) ? [$checks.unit.output.built] : []";

const PASSED: &str = "$states.input.status = 'passed'";

/// What is not probed is not judged.
const HEALTHY: &str = "$states.input.status = 'passed' \
    or ($states.input.status = 'skipped' and $count($plan.staging.health) = 0)";

/// The same states of production, under its own names.
pub(crate) fn in_production(states: Vec<State>) -> Vec<State> {
    let named = |state: State| state.renamed("staging", "production");
    states.into_iter().map(|state| named(state).renamed("Staging", "Production")).collect()
}

/// Deploys, until the release is current and healthy. What goes wrong is taken back.
pub(crate) fn deploy() -> Vec<State> {
    vec![
        table("dynamodb:updateItem", BeginStaging, "From here on it is not simply ended any more")
            .strings("Key", "pk: 'RUN#' & $run.run_id, sk: 'RUN'")
            .put("Arguments/UpdateExpression: 'SET deploying = :environment'")
            .put("Arguments/ConditionExpression: '#status = :running'")
            .put("Arguments/ExpressionAttributeNames/#status: 'status'")
            .strings("ExpressionAttributeValues", ":running: 'running', :environment: 'staging'")
            .catch("DynamoDB.ConditionalCheckFailedException", "", Overtaken)
            .on_fault("the deployment to staging could not be begun", FailRun),
        agent(DeployStaging, "Put the release into effect in staging")
            .asks("deploy.to_staging", "repository, release, source, settings: $plan.staging")
            .with(ORIGIN)
            .with(BUILT)
            .assign("staging: $response.output, polls: 0")
            .because("$response.summary")
            // Half an hour for another run's deployment. What a crash left behind is taken back.
            .retry([retrier(180, named(Retry::Locked)), throttled(), outage()])
            .on_fault("the deployment to staging stopped", RollbackStaging),
        choice(StagingDeployed, "Was it carried out? What is refused has changed nothing.")
            .when(PASSED, BELOW)
            .when("'release-outdated' in $states.input.findings.code", SupersedeRun)
            .when("'release-rejected' in $states.input.findings.code", RejectRelease)
            .otherwise(RollbackStaging),
        agent(CheckStagingStatus, "Is the release current in staging?")
            .asks("deploy.check_status", "repository, release, environment: 'staging'")
            .with("settings: $plan.staging")
            .assign("polls: $polls + 1")
            .because("$response.summary")
            .on_fault("the status of staging is unknown", RollbackStaging),
        choice(StagingStatus, "Current, still on its way, or lost?")
            .when(PASSED, CheckStagingHealth)
            .when("$states.input.output.status = 'pending' and $polls < 60", BELOW)
            .otherwise(RollbackStaging),
        wait(WaitStaging, "The target needs more time").put("Seconds: 5").next(CheckStagingStatus),
        agent(CheckStagingHealth, "Does the release answer in staging?")
            .asks("monitor.check_health", "environment: 'staging', url: $staging.url")
            .with("probes: $plan.staging.health")
            .because("'staging is not healthy: ' & $response.summary")
            .on_fault("the health of staging is unknown", RollbackStaging),
        choice(StagingHealth, "Healthy? An environment without a probe is not judged.")
            .only_if(HEALTHY, RollbackStaging),
    ]
}

/// Takes back what this run deployed, and verifies that the release before answers.
pub(crate) fn roll_back() -> Vec<State> {
    let deployment = "staging: $merge([{'environment': 'staging', 'release': $release}, \
        $type($staging) = 'object' ? $staging : {}, {'status': 'rollback_failed'}])";
    let reasons = "reasons: [$reasons, 'the release before could not be restored in staging' \
        & ($exists($states.input.summary) ? ': ' & $states.input.summary)]";
    let rolled_back = "$states.input.status = 'passed' and $restored.status = 'rolled_back'";
    let replaced = format!("{rolled_back} and $type($restored.previous) = 'string'");
    let untouched = "$states.input.status = 'passed' and $restored.status = 'failed'";
    // It is not given up for a fault that may pass, whatever was done before.
    let again = named(Retry::Compensation).chain(CRASHES).chain(["Sandbox.Timedout"]);
    vec![
        agent(RollbackStaging, "Return staging to the release before")
            .asks("deploy.rollback", "repository, release, environment: 'staging'")
            .with("settings: $plan.staging")
            .with(WHY)
            .assign("staging: $response.output, restored: $response.output")
            .retry([retrier(2, again), throttled(), outage()])
            .on_another_fault("the rollback of staging stopped", StagingRollbackFailed),
        choice(StagingTakenBack, "What is there to verify?")
            .when(&replaced, BELOW)
            .when(rolled_back, RolledBack)
            .when(untouched, FailDeployment)
            .otherwise(StagingRollbackFailed),
        agent(CheckRestoredStaging, "Does the release before answer again?")
            .asks("monitor.check_health", "environment: 'staging', url: $restored.url")
            .with("probes: $plan.staging.health")
            .on_another_fault("the health of staging is unknown", StagingRollbackFailed),
        choice(StagingRestored, "Healthy again?").when(HEALTHY, RolledBack),
        pass(StagingRollbackFailed, "A person is needed")
            .assign("status: 'rollback_failed'")
            .assign(deployment)
            .assign(reasons)
            .next(DescribeOutcome),
    ]
}
