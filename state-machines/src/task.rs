//! Tasks: what an agent is asked, by the protocol; the run table, without any function's help; what
//! is tried again, by what the contract says of each error's name; and what a fault means. A Catch
//! passes on what was raised as it was; one state of a machine reads it.

use std::fmt::Display;

use pact_contract::{Capability, ErrorName, PROTOCOL_VERSION, agents, error::Retry};
use serde_json::{Value, json};

use crate::asl::{ANY, State, pairs, task};

const INTENT: &str = "Arguments/Payload/intent";

/// What was raised and where. Lambda's cause is JSON of up to 32 KiB that begins with the message.
pub(crate) const RAISED: &str = "{'state': $states.context.State.Name, \
    'error': $states.errorOutput.Error, \
    'cause': $substring($string($states.errorOutput.Cause), 0, 2000)}";

/// Makes `$read`, which has the message of what was raised in the place of its cause. An error may
/// lack its name and its cause; a cause may be cut off, or no JSON. A backslash is `\x5c`, as each
/// level of quoting would double it.
pub(crate) const READ: &str = r#"
    $read := function($raised) {(
        $message := $match($raised.cause, /"errorMessage":\s*"((?:[^"\x5c]|\x5c.)*)/, 1).groups[0];
        $cause := $exists($message)
            ? $replace($replace($message, /\x5c[nrt]/, ' '), /\x5c(.)/, '$1')
            : $exists($raised.cause) ? $raised.cause : 'no cause was given';
        $error := $type($raised.error) = 'string' ? $raised.error : 'an error without a name';
        $merge([$raised, {'error': $error, 'cause': $substring($cause, 0, 1000)}])
    )};"#;

/// A state that will ask an agent, and outputs its answer.
/// `sender` is the machine; `entry` is what tells apart, besides the time, calls of one state.
pub(crate) fn agent(sender: &str, entry: &str, name: impl Display, comment: &str) -> State {
    let retry = "$exists($states.context.State.RetryCount) ? $states.context.State.RetryCount : 0";
    let key = format!(
        "$states.context.Execution.Name & '/' & $states.context.State.Name & '/' & \
         {entry}$states.context.State.EnteredTime"
    );
    task(name, comment)
        // A little longer than a function may take.
        .put("Resource: 'arn:aws:states:::lambda:invoke', TimeoutSeconds: 910, Output: $response")
        .put("Arguments/FunctionName: null")
        .put(&format!("Arguments/Payload/version: '{PROTOCOL_VERSION}'"))
        .put_in(INTENT, "action: null, parameters: null")
        .context("state: $states.context.State.Name, execution: $states.context.Execution.Id")
        .context(&format!("retry: {retry}"))
        .put_in("Arguments/Payload/metadata", &format!("sender/agent_id: '{sender}'"))
        .put_in("Arguments/Payload/metadata", "sender/timestamp: $now(), priority: 'normal'")
        .put_in("Arguments/Payload/metadata", &format!("idempotency_key: {key}"))
        .retry([throttled(), outage(), retrier(1, CRASHES)])
}

/// An operation on the run table; its values are [`State::strings`].
pub(crate) fn table(operation: &str, name: impl Display, comment: &str) -> State {
    task(name, comment)
        .put(&format!("Resource: 'arn:aws:states:::{operation}', Output: {{}}"))
        .put("Arguments/TableName: '${TableName}'")
        // A condition that does not hold will not hold later.
        .retry([retrier(0, ["DynamoDB.ConditionalCheckFailedException"]), retrier(5, [ANY])])
}

impl State {
    /// What the agent is asked: an action of the contract, with parameters. One that ends with `_`
    /// is that of the environment's tier.
    pub(crate) fn asks(self, action: &str, parameters: &str) -> Self {
        let offers = |all: &[Capability]| all.iter().any(|one| one.action.starts_with(action));
        let of_tier = if action.ends_with('_') { " & $tier" } else { "" };
        let agent = agents::ALL.iter().find(|(_, all)| offers(all)).map_or("unknown", |(id, _)| id);
        // As the template names its function: `TestAgent`.
        let agent = agent.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
        let function = format!("${{{}FunctionArn}}", agent.collect::<String>());
        self.put(&format!("Arguments/FunctionName: '{function}'"))
            .put(&format!("{INTENT}/action: '{action}'{of_tier}"))
            .with(parameters)
    }

    /// The agent may answer later, with the task token: what it has begun goes on outside. Should the
    /// end of that be missed, the agent is asked again, under the same key, and looks for itself.
    pub(crate) fn answered_later(self) -> Self {
        self.put("Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken'")
            .put(&format!("TimeoutSeconds: {LONGEST}, HeartbeatSeconds: {HEARTBEAT}"))
            .context("task_token: $states.context.Task.Token")
            .retry([heartbeats(), throttled(), outage(), retrier(1, CRASHES)])
    }

    /// Further parameters.
    pub(crate) fn with(self, parameters: &str) -> Self {
        self.put_in(&format!("{INTENT}/parameters"), parameters)
    }

    /// Where the intent comes from, and why the agent is to record that it did nothing (`skip`).
    pub(crate) fn context(self, context: &str) -> Self {
        self.put_in(&format!("{INTENT}/context"), context)
    }

    /// An argument with strings as the table has them.
    pub(crate) fn strings(self, argument: &str, values: &str) -> Self {
        let path = |name| format!("Arguments/{argument}/{name}/S");
        pairs(values).fold(self, |state, (name, value)| state.put_json(&path(name), value))
    }

    /// A value of a condition that is a number, as the table has it: as text.
    pub(crate) fn number(self, name: &str, value: &str) -> Self {
        self.put(&format!("Arguments/ExpressionAttributeValues/{name}/N: {value}"))
    }

    /// What is tried again; the first retrier that names an error counts.
    pub(crate) fn retry<const N: usize>(self, retriers: [Value; N]) -> Self {
        self.put_json("Retry", retriers.into_iter().collect())
    }

    /// Says in a sentence why the run ends, should it end after this state.
    pub(crate) fn because(self, sentence: &str) -> Self {
        self.assign(&format!("reasons: [{sentence}]"))
    }

    /// Ends the run by way of `next` after a fault: `what` happened.
    pub(crate) fn on_fault(self, what: &str, next: impl Display) -> Self {
        self.catch(ANY, &format!("reasons: [{{'what': '{what}', 'fault': {RAISED}}}]"), next)
    }

    /// A fault in a run that ends already, for other reasons.
    pub(crate) fn on_another_fault(self, what: &str, next: impl Display) -> Self {
        let reasons = format!("reasons: [$reasons, {{'what': '{what}', 'fault': {RAISED}}}]");
        self.catch(ANY, &reasons, next)
    }
}

/// How long what is answered later may take in all, in seconds: the longest build with its wait.
const LONGEST: u32 = 6 * 3_600;
/// How long it is believed to go on without being looked at.
const HEARTBEAT: u32 = 120;

/// It is looked for again and again, for as long as it may take: when nothing was heard of it, and
/// when somebody told that there is something to see.
fn heartbeats() -> Value {
    let names: Vec<_> =
        ["States.HeartbeatTimeout"].into_iter().chain(named(Retry::Again)).collect();
    json!({ "ErrorEquals": names, "IntervalSeconds": 1, "BackoffRate": 1,
        "MaxAttempts": LONGEST / HEARTBEAT, "MaxDelaySeconds": 2 })
}

/// Lambda's errors after which the function may have done its work, as its process ended.
pub(crate) const CRASHES: [&str; 2] = ["Lambda.Unknown", "Runtime.ExitError"];

/// There is no room now. That is no fault of the run: it is tried for minutes, and not by all at the
/// same moment.
pub(crate) fn throttled() -> Value {
    retrier(40, ["Lambda.TooManyRequestsException"])
}

/// Something does not answer. Of Lambda's own errors those that pass: the function did not run.
pub(crate) fn outage() -> Value {
    let lambda = "Lambda.ServiceException Lambda.AWSLambdaException Lambda.SdkClientException";
    retrier(3, named(Retry::Outage).chain(lambda.split(' ')))
}

/// The contract's errors of a kind.
pub(crate) fn named(retry: Retry) -> impl Iterator<Item = &'static str> {
    ErrorName::ALL.iter().filter(move |name| name.retry() == retry).map(|name| name.as_str())
}

pub(crate) fn retrier(attempts: u32, errors: impl IntoIterator<Item = &'static str>) -> Value {
    let errors: Vec<_> = errors.into_iter().collect();
    json!({ "ErrorEquals": errors, "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": attempts,
        "MaxDelaySeconds": 20, "JitterStrategy": "FULL" })
}
