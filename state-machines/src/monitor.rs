//! The scheduled watch: what is deployed, every environment, several at a time.

use pact_contract::{
    actions::{EnvironmentRecord, WatchResult},
    states::Monitor::{self, *},
};
use serde_json::Value;

use crate::asl::{
    ANY, BELOW, State, choice, graph, head, map, parallel, pass, states, succeed, task,
};
use crate::task::{self, RAISED, READ, outage, table, throttled};

/// The whole machine.
pub(crate) fn monitor() -> Value {
    let there = "$exists($states.input) and $count($states.input) > 0";
    let item = "key: $states.context.Map.Item.Value.gsi1sk.S, \
        item: $states.context.Map.Item.Value";
    let states = states! {
        list(ListEnvironments, "What was ever deployed, a page at a time");
        choice(AnyEnvironment, "Is anything on this page?") only_if(there, MoreEnvironments);
        map(WatchEnvironments, "Several at a time") put("Items: $states.input") each(item, watch())
            put(&format!("MaxConcurrency: {AT_ONCE}"));
        choice(MoreEnvironments, "Is there another page?")
            when("$type($from) = 'object'", ListMoreEnvironments) otherwise(DueIncidents);
        list(ListMoreEnvironments, "The next page") put("Arguments/ExclusiveStartKey: $from")
            next(AnyEnvironment);
        reconciler(DueIncidents, "Of which incidents are people to be told by now?")
            put("Arguments/Payload/incidents: 'due', Output: [$states.result.Payload.tell]");
        map(TellIncidents, "One message for each, whatever it affects") put("Items: $states.input")
            put("Output: {}") each("told: $states.context.Map.Item.Value", tell());
        succeed(AllWatched, "Every environment was looked at") put("Output: {}");
    };
    graph(head("The scheduled watch: every environment, several at a time", 3_600), states)
}

/// Environments that are looked at at the same time.
const AT_ONCE: u32 = 10;

/// One incident.
fn tell() -> Vec<State> {
    let of = |field: &str| format!("{field}: $states.input.told.{field}");
    let told = ["incident", "level", "repository", "url", "settings"].map(of).join(", ");
    let entry = "$states.input.told.incident.id & '/' & ";
    let agent = |name, comment| task::agent("pact.monitor", entry, name, comment);
    states! {
        agent(TellIncident, "The next channel, the longer nobody answers")
            asks("notify.tell_incident", &told) catch(ANY, "", BELOW) end();
        succeed(NotTold, "The next watch tries again");
    }
}

/// A state that asks the reconciler, which keeps the incidents.
fn reconciler(state: Monitor, comment: &str) -> State {
    task(state, comment)
        .put("Resource: 'arn:aws:states:::lambda:invoke', TimeoutSeconds: 60, Output: {}")
        .put("Arguments/FunctionName: '${ReconcilerFunctionArn}'")
        .retry([throttled(), outage()])
}

/// A page of environments, and where the next one begins.
fn list(state: Monitor, comment: &str) -> State {
    table("aws-sdk:dynamodb:query", state, comment)
        .put_in("Arguments", "IndexName: 'gsi1', Limit: 100")
        .put("Arguments/KeyConditionExpression: 'gsi1pk = :environments'")
        .strings("ExpressionAttributeValues", ":environments: 'ENVIRONMENTS'")
        .put("Arguments/ProjectionExpression: 'gsi1sk, #record, #schema, incident'")
        .put_in("Arguments/ExpressionAttributeNames", "#record: 'record', #schema: 'schema'")
        .put("Output: [$states.result.Items[$exists(record)]]")
        .assign("from: $exists($states.result.LastEvaluatedKey) ? $states.result.LastEvaluatedKey : null")
}

/// A state that will ask an agent. Each environment enters it: its key tells the calls apart.
fn agent(state: Monitor, comment: &str) -> State {
    task::agent("pact.monitor", "$key & '/' & ", state, comment)
}

/// One environment.
fn watch() -> Vec<State> {
    // What is no key names nothing that anybody could be asked about.
    let name = "$contains($states.input.key, /^[-.-9A-Z_a-z]+#[-0-9A-Z_a-z]+$/) \
        ? $split($states.input.key, '#')[1] : 'unknown'";
    // Where a release is not watched when it comes, it is held to the usual limits.
    let limits = "limits: $type($states.result[0].current.settings.watch) = 'object' \
        ? $states.result[0].current.settings.watch : {}";
    let probed = "$type($release) = 'object' and $count($release.settings.health) > 0";
    let health = "summary: $response.summary, health: $response.status = 'passed' ? 'healthy' \
        : $response.status = 'failed' ? 'unhealthy' : 'unknown'";
    let fault = format!("fault: {RAISED}");
    let summary = format!("({READ} $fault := $read($fault); $fault.error & ': ' & $fault.cause)");
    let kept = format!(
        "summary: ({READ} $fault := $read({RAISED}); $summary & '; no incident is kept: ' & $fault.error)"
    );
    let update = "'SET watch_health = :health, watch_summary = :summary, watched_at = :now, \
        watch_schema = :schema'";
    // One record that cannot be read is not watched; all others are.
    let known: Vec<_> =
        (1..=EnvironmentRecord::VERSION.number()).map(|version| format!("'{version}'")).collect();
    let schema = "$states.input.item.schema";
    let newer = format!("$exists({schema}) and $not({schema}.N in [{}])", known.join(", "));
    let record = format!(
        "Output: ($record := {newer} ? null : $parse($states.input.item.record.S);
        $type($record) = 'object' ? $record : $error('it is none'))"
    );
    let unreadable = format!(
        "fault: {{'state': $states.context.State.Name, 'error': 'its record cannot be read', \
        'cause': 'the item ENV#' & $key & ({newer} \
        ? ' is of version ' & {schema}.N & ', unknown here' : ' is damaged')}}"
    );
    let parse = pass(ParseRecord, "What is damaged fails here, and only here");
    let opened = "record: $states.result[0], release: $exists($states.result[0].current) \
        ? $states.result[0].current : null";
    states! {
        pass(ReadEnvironment, "What is deployed here, and how is it watched?")
            assign("key: $states.input.key, release: null")
            assign(&format!("name: {name}"))
            assign("health: 'unknown', summary: 'not looked at yet'")
            assign("known: $exists($states.input.item.incident)");
        parallel(OpenRecord, "Can this program read it?")
            branch("It is of a version that is known", vec![parse.put(&record)]) assign(opened)
            assign(limits) catch(ANY, &unreadable, DescribeFault);
        choice(SomethingToWatch, "An environment without a release or a probe is not watched")
            only_if(probed, NotWatched);
        agent(CheckHealth, "Does it answer?")
            asks("monitor.check_health", "environment: $name, url: $record.url")
            with("probes: $release.settings.health") assign(health)
            catch(ANY, &fault, DescribeFault);
        choice(Answers, "Measure only what answers") only_if("$health = 'healthy'", RecordHealth);
        agent(TrackMetrics, "How fast, and how reliably?")
            asks("monitor.track_metrics", "environment: $name, url: $record.url")
            with("probes: $release.settings.health, watch: $limits")
            assign("metrics: $response.output") catch(ANY, &fault, DescribeFault);
        agent(JudgeRelease, "Within its limits?")
            asks("quality.judge_release", "metrics, watch: $limits")
            with("anomalies: {'compared': false, 'anomalies': []}")
            assign("health: $response.status = 'failed' ? 'unhealthy' : 'healthy'")
            assign("summary: $response.summary") catch(ANY, &fault, DescribeFault)
            next(RecordHealth);
        pass(DescribeFault, "What is not known, and why")
            assign(&format!("health: 'unknown', summary: {summary}"));
        table("dynamodb:updateItem", RecordHealth, "For the dashboard")
            strings("Key", "pk: 'ENV#' & $key, sk: 'ENV'")
            put(&format!("Arguments/UpdateExpression: {update}"))
            put("Arguments/ConditionExpression: 'attribute_exists(pk)'")
            strings("ExpressionAttributeValues", ":health: $health, :summary: $summary")
            strings("ExpressionAttributeValues", ":now: $now()")
            number(":schema", &format!("'{}'", WatchResult::VERSION)) catch(ANY, "", BELOW);
        choice(Well, "Well, and so it was before?")
            when("$health = 'healthy' and $not($known)", Watched);
        reconciler(KeepIncident, "It becomes, or ends, an incident; what is young goes back")
            put_in("Arguments/Payload/watched", "environment: $key, health: $health")
            put_in("Arguments/Payload/watched", "summary: $summary") catch(ANY, &kept, Watched)
            next(Watched);
        succeed(NotWatched, "Nothing to look at")
            put_in("Output", "environment: $key, health: 'not watched'");
        succeed(Watched, "Looked at")
            put_in("Output", "environment: $key, health: $health, summary: $summary");
    }
}
