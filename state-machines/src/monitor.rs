//! The scheduled watch: what is deployed, every environment, several at a time.

use pact_contract::{
    RunRequest,
    actions::{EnvironmentRecord, WatchResult},
    states::Monitor::{self, *},
};
use serde_json::Value;

use crate::asl::{ANY, BELOW, State, choice, graph, head, map, parallel, pass, states, succeed};
use crate::task::{self, RAISED, READ, table};

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
            when("$type($from) = 'object'", ListMoreEnvironments) otherwise(AllWatched);
        list(ListMoreEnvironments, "The next page") put("Arguments/ExclusiveStartKey: $from")
            next(AnyEnvironment);
        succeed(AllWatched, "Every environment was looked at") put("Output: {}");
    };
    graph(head("The scheduled watch: every environment, several at a time", 3_600), states)
}

/// Environments that are looked at at the same time.
const AT_ONCE: u32 = 10;

/// A page of environments, and where the next one begins.
fn list(state: Monitor, comment: &str) -> State {
    table("aws-sdk:dynamodb:query", state, comment)
        .put_in("Arguments", "IndexName: 'gsi1', Limit: 100")
        .put("Arguments/KeyConditionExpression: 'gsi1pk = :environments'")
        .strings("ExpressionAttributeValues", ":environments: 'ENVIRONMENTS'")
        .put("Arguments/ProjectionExpression: 'gsi1sk, #record, #schema'")
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
    let part = "$contains($states.input.key, /^[-.-9A-Z_a-z]+#[-0-9A-Z_a-z]+$/) \
        ? $split($states.input.key, '#')[N] : 'unknown'";
    let [repository, name] = ["0", "1"].map(|number| part.replace('N', number));
    // Where a release is not watched when it comes, it is held to the usual limits.
    let limits = "limits: $type($states.result[0].current.settings.watch) = 'object' \
        ? $states.result[0].current.settings.watch : {}";
    let probed = "$type($release) = 'object' and $count($release.settings.health) > 0";
    let health = "summary: $response.summary, health: $response.status = 'passed' ? 'healthy' \
        : $response.status = 'failed' ? 'unhealthy' : 'unknown'";
    let fault = format!("fault: {RAISED}");
    let summary = format!("({READ} $fault := $read($fault); $fault.error & ': ' & $fault.cause)");
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
    // Of the run only what a message needs; it may have expired long before its release is replaced.
    let gone = format!(
        "{{'schema': {}, 'run_id': 'watch', 'reference': '', 'branch': '', 'url': '', \
        'repository': {{'name': $repository, 'url': '', 'default_branch': ''}}, \
        'commit': $exists($release.commit) ? $release.commit : '', 'started_at': $now(), \
        'trigger': {{'kind': 'watch'}}}}",
        RunRequest::VERSION
    );
    let read = format!(
        "run: $exists($states.result.Item.request.S) \
        ? $parse($states.result.Item.request.S) : {gone}"
    );
    let deployed_by =
        "pk: 'RUN#' & ($exists($release.run_id) ? $release.run_id : 'gone'), sk: 'RUN'";
    let parse = pass(ParseRecord, "What is damaged fails here, and only here");
    let opened = "record: $states.result[0], release: $exists($states.result[0].current) \
        ? $states.result[0].current : null";
    let once_an_hour = "run: $merge([$run, {'run_id': \
        'watch-' & ($exists($release.release) ? $release.release : 'none') & '-' & $name & '-' & $substring($now(), 0, 13)}])";
    let outcome = "settings: {'slack': {}}, outcome: {'status': 'failed', 'deployments': [], \
        'reason': $repository & ' in ' & $name & ' is ' & $health & ': ' & $summary}";
    states! {
        pass(ReadEnvironment, "What is deployed here, and how is it watched?")
            assign("key: $states.input.key, release: null")
            assign(&format!("name: {name}, repository: {repository}"))
            assign("health: 'unknown', summary: 'not looked at yet'");
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
        choice(Well, "Tell people only when something is wrong")
            when("$health = 'healthy'", Watched);
        table("dynamodb:getItem", ReadRun, "The run that deployed it: whom to tell about what")
            strings("Key", deployed_by) assign(&read) catch(ANY, &format!("run: {gone}"), BELOW);
        agent(Alert, "At most one message an hour for each environment")
            asks("notify.slack_team", once_an_hour) with(outcome) catch(ANY, "", Watched)
            next(Watched);
        succeed(NotWatched, "Nothing to look at")
            put_in("Output", "environment: $key, health: 'not watched'");
        succeed(Watched, "Looked at")
            put_in("Output", "environment: $key, health: $health, summary: $summary");
    }
}
