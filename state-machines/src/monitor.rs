//! The scheduled watch: what is deployed, one environment after another.

use pact_contract::states::Monitor::{self, *};
use serde_json::Value;

use crate::asl::{ANY, BELOW, State, choice, graph, head, map, pass, succeed};
use crate::task::{self, RAISED, READ, table};

/// The whole machine.
pub(crate) fn monitor() -> Value {
    let there = "$exists($states.input) and $count($states.input) > 0";
    let item = "key: $states.context.Map.Item.Value.gsi1sk.S, \
        record: $parse($states.context.Map.Item.Value.record.S)";
    let states = vec![
        table("aws-sdk:dynamodb:query", ListEnvironments, "Everything that was ever deployed")
            .put_in("Arguments", "IndexName: 'gsi1', Limit: 100")
            .put("Arguments/KeyConditionExpression: 'gsi1pk = :environments'")
            .strings("ExpressionAttributeValues", ":environments: 'ENVIRONMENTS'")
            .put("Arguments/ProjectionExpression: 'gsi1sk, #record'")
            .put("Arguments/ExpressionAttributeNames/#record: 'record'")
            .put("Output: [$states.result.Items[$exists(record)]]"),
        choice(AnyEnvironment, "Is anything deployed?").only_if(there, NothingDeployed),
        map(WatchEnvironments, "One after another")
            .put("Items: $states.input")
            .each(item, watch())
            .end(),
        succeed(NothingDeployed, "Until the first deployment").put("Output: {}"),
    ];
    graph(head("The scheduled watch: one environment after another", 3_600), states)
}

/// A state that will ask an agent. Each environment enters it: its key tells the calls apart.
fn agent(state: Monitor, comment: &str) -> State {
    task::agent("pact.monitor", "$key & '/' & ", state, comment)
}

/// One environment.
fn watch() -> Vec<State> {
    let names = "name: $split($states.input.key, '#')[-1], repository: $substring( \
        $states.input.key, 0, $length($states.input.key) \
        - $length($split($states.input.key, '#')[-1]) - 1)";
    let probed = "$type($release) = 'object' and $count($release.settings.health) > 0";
    let health = "summary: $response.summary, health: $response.status = 'passed' ? 'healthy' \
        : $response.status = 'failed' ? 'unhealthy' : 'unknown'";
    let fault = format!("fault: {RAISED}");
    let summary = format!("({READ} $fault := $read($fault); $fault.error & ': ' & $fault.cause)");
    let update = "'SET watch_health = :health, watch_summary = :summary, watched_at = :now'";
    let once_an_hour = "run: $merge([$run, {'run_id': \
        'watch-' & $release.release & '-' & $name & '-' & $substring($now(), 0, 13)}])";
    let outcome = "settings: {'slack': {}}, outcome: {'status': 'failed', 'deployments': [], \
        'reason': $repository & ' in ' & $name & ' is ' & $health & ': ' & $summary}";
    vec![
        pass(ReadEnvironment, "What is deployed here, and how is it watched?")
            .assign("key: $states.input.key, record: $states.input.record")
            .assign(names)
            .assign("release: $states.input.record.current")
            .assign("health: 'unknown', summary: 'not looked at yet'"),
        choice(SomethingToWatch, "An environment without a release or a probe is not watched")
            .only_if(probed, NotWatched),
        agent(CheckHealth, "Does it answer?")
            .asks("monitor.check_health", "environment: $name, url: $record.url")
            .with("probes: $release.settings.health")
            .assign(health)
            .catch(ANY, &fault, DescribeFault),
        choice(Answers, "Measure only what answers").only_if("$health = 'healthy'", RecordHealth),
        agent(TrackMetrics, "How fast, and how reliably?")
            .asks("monitor.track_metrics", "environment: $name, url: $record.url")
            .with("probes: $release.settings.health, watch: $release.settings.watch")
            .assign("metrics: $response.output")
            .catch(ANY, &fault, DescribeFault),
        agent(JudgeRelease, "Within its limits?")
            .asks("quality.judge_release", "metrics, watch: $release.settings.watch")
            .with("anomalies: {'compared': false, 'anomalies': []}")
            .assign("health: $response.status = 'failed' ? 'unhealthy' : 'healthy'")
            .assign("summary: $response.summary")
            .catch(ANY, &fault, DescribeFault)
            .next(RecordHealth),
        pass(DescribeFault, "What is not known, and why")
            .assign(&format!("health: 'unknown', summary: {summary}")),
        table("dynamodb:updateItem", RecordHealth, "For the dashboard")
            .strings("Key", "pk: 'ENV#' & $key, sk: 'ENV'")
            .put(&format!("Arguments/UpdateExpression: {update}"))
            .put("Arguments/ConditionExpression: 'attribute_exists(pk)'")
            .strings("ExpressionAttributeValues", ":health: $health, :summary: $summary")
            .strings("ExpressionAttributeValues", ":now: $now()")
            .catch(ANY, "", BELOW),
        choice(Well, "Tell people only when something is wrong")
            .when("$health = 'healthy'", Watched),
        table("dynamodb:getItem", ReadRun, "The run that deployed it: whom to tell about what")
            .strings("Key", "pk: 'RUN#' & $release.run_id, sk: 'RUN'")
            .assign("run: $parse($states.result.Item.request.S)")
            .catch(ANY, "", Watched),
        agent(Alert, "At most one message an hour for each environment")
            .asks("notify.slack_team", once_an_hour)
            .with(outcome)
            .catch(ANY, "", Watched)
            .next(Watched),
        succeed(NotWatched, "Nothing to look at")
            .put_in("Output", "environment: $key, health: 'not watched'"),
        succeed(Watched, "Looked at")
            .put_in("Output", "environment: $key, health: $health, summary: $summary"),
    ]
}
