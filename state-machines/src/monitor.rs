//! The scheduled watch: what is deployed, every environment, several at a time; and the incidents.

use pact_contract::states::Monitor::{self, *};
use serde_json::Value;

use crate::asl::{ANY, BELOW, State, choice, fail, graph, head, map, pass, states, succeed, task};
use crate::task::{self, RAISED, READ, outage, table, throttled};

/// How long one watch may take, in seconds; the next one begins when its turn is given back, or then.
const LONGEST: u32 = 900;
/// Environments that one call looks at, and calls at the same time.
const OF_ONE_CALL: u32 = 25;
const AT_ONCE: u32 = 5;

/// The whole machine.
pub(crate) fn monitor() -> Value {
    let there = "$exists($states.input) and $count($states.input) > 0";
    let from =
        "from: $exists($states.result.LastEvaluatedKey) ? $states.result.LastEvaluatedKey : null";
    // The keys alone: the records of a page may be larger than what states may hand on.
    let batches = format!(
        "Output: ($keys := [$states.result.Items.gsi1sk.S]; $all := $ceil($count($keys) / {OF_ONE_CALL});
            $all = 0 ? [] : [$map([0..$all - 1], function($batch) {{
                {{'keys': [$filter($keys, function($key, $at) {{ $floor($at / {OF_ONE_CALL}) = $batch }})]}}
            }})])"
    );
    let list = |state, comment| {
        table("aws-sdk:dynamodb:query", state, comment)
            .put_in("Arguments", "IndexName: 'gsi1', Limit: 500, ProjectionExpression: 'gsi1sk'")
            .put("Arguments/KeyConditionExpression: 'gsi1pk = :environments'")
            .strings("ExpressionAttributeValues", ":environments: 'ENVIRONMENTS'")
            .put(&batches)
            .assign(from)
    };
    let until = format!(":now: $now(), :until: $fromMillis($millis() + {LONGEST}000)");
    let take = "'SET watcher = :me, watch_until = :until, #schema = :schema'";
    let free = "'attribute_not_exists(watcher) OR watcher = :me OR watch_until < :now'";
    let turn = |state, comment| {
        table("dynamodb:updateItem", state, comment)
            .strings("Key", "pk: 'WATCH', sk: 'WATCH'")
            .strings("ExpressionAttributeValues", ":me: $states.context.Execution.Id")
    };
    let unkept = "unkept: $unkept or $count($states.result[kept = false]) > 0";
    let states = states! {
        turn(TakeTurn, "No watch overlaps another")
            put(&format!("Arguments/UpdateExpression: {take}"))
            put(&format!("Arguments/ConditionExpression: {free}"))
            put_in("Arguments/ExpressionAttributeNames", "#schema: 'schema'")
            strings("ExpressionAttributeValues", &until) number(":schema", "'1'")
            assign("unkept: false")
            catch("DynamoDB.ConditionalCheckFailedException", "", Busy) next(ListEnvironments);
        succeed(Busy, "The watch before has not ended yet") put_in("Output", "busy: true");
        list(ListEnvironments, "What was ever deployed, a page at a time");
        choice(AnyEnvironment, "Is anything on this page?") only_if(there, MoreEnvironments);
        map(WatchEnvironments, "So many in a call, and several calls at a time")
            put("Items: $states.input, Output: {}")
            each("keys: $states.context.Map.Item.Value.keys", watch())
            put(&format!("MaxConcurrency: {AT_ONCE}")) assign(unkept);
        choice(MoreEnvironments, "Is there another page?")
            when("$type($from) = 'object'", ListMoreEnvironments) otherwise(DueIncidents);
        list(ListMoreEnvironments, "The next page") put("Arguments/ExclusiveStartKey: $from")
            next(AnyEnvironment);
        reconciler(DueIncidents, "Of which incidents are people to be told by now?")
            put("Arguments/Payload/incidents: 'due', Output: [$states.result.Payload.tell]");
        map(TellIncidents, "One message for each, whatever it affects") put("Items: $states.input")
            put("Output: {}") each("told: $states.context.Map.Item.Value", tell());
        turn(GiveTurn, "The next watch may begin")
            put("Arguments/UpdateExpression: 'REMOVE watcher, watch_until'")
            put("Arguments/ConditionExpression: 'watcher = :me'") catch(ANY, "", BELOW);
        choice(Complete, "Is everything that was seen kept?") when("$unkept", Incomplete);
        succeed(AllWatched, "Every environment was looked at") put("Output: {}");
        fail(Incomplete, "The next watch looks again; the alarm of the watch tells people")
            put("Error: 'WatchIncomplete', Cause: 'what was seen of some environments is not kept'");
    };
    graph(head("The scheduled watch: every environment, several at a time", LONGEST), states)
}

/// So many environments.
fn watch() -> Vec<State> {
    let fault = format!("keys: $states.input.keys, fault: {RAISED}");
    let unknown = format!(
        "seen: ({READ} $raised := $read($fault); $why := $raised.error & ': ' & $raised.cause;
        [$map($keys, function($key) {{
            {{'environment': $key, 'health': 'unknown', 'summary': $why}} }})])"
    );
    let entry = "$states.input.keys[0] & '/' & ";
    let agent = |state, comment| task::agent("pact.monitor", entry, state, comment);
    states! {
        agent(LookAt, "Does what is in effect answer, and within its limits?")
            asks("monitor.look_at", "environments: $states.input.keys")
            assign("seen: [$response.output.seen]") catch(ANY, &fault, DescribeFault)
            next(KeepWatched);
        pass(DescribeFault, "What is not known, and why") assign(&unknown);
        reconciler(KeepWatched, "What is ill becomes an incident, what is young goes back")
            put("Arguments/Payload/watched: $seen") catch(ANY, "", NotKept);
        succeed(Kept, "Looked at") put_in("Output", "kept: true");
        succeed(NotKept, "Others are looked at; the watch fails at its end")
            put_in("Output", "kept: false");
    }
}

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
