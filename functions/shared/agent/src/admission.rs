//! Which intents an agent takes: of the protocol's own version, from who is known, of now, with
//! parameters that the action has, and of a run that is going on. What is refused is written to no
//! run's log.
//!
//! IAM says who may invoke an agent at all; what an envelope says of its sender proves nothing.

use jiff::{SignedDuration, Timestamp};
use pact_contract::{
    Capability, PROTOCOL_VERSION, agents::SENDERS, envelope::IntentEnvelope, run::TAKE_BACK,
};

use crate::{
    error::AgentError,
    ports::{Recorder, Standing},
};

/// How old an intent may be: a state repeats the one that it began with for as long as it lasts.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);
/// How far another machine's clock may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);
/// Actions that tell of a run's end, and so come after it.
const AFTER_THE_END: &str = "notify.";

/// Checks what the envelope says by itself.
pub(crate) fn check(
    intent: &IntentEnvelope,
    capability: &Capability,
    now: Timestamp,
) -> Result<(), AgentError> {
    let refused = |why: String| Err(AgentError::invalid(why));
    if intent.version != PROTOCOL_VERSION {
        return refused(format!(
            "the intent is of version {:?} of the protocol; this agent speaks {PROTOCOL_VERSION}",
            intent.version
        ));
    }
    let sender = &intent.metadata.sender;
    if !SENDERS.contains(&sender.agent_id.as_str()) {
        return refused(format!(
            "the sender {:?} is not known; known are {}",
            sender.agent_id,
            SENDERS.join(", ")
        ));
    }
    let age = now.duration_since(sender.timestamp);
    if age > OLDEST || age < -AHEAD {
        return refused(format!("the intent is of {}, which is not now", sender.timestamp));
    }
    if intent.metadata.auth.is_some() {
        return refused(
            "credentials of an intent are checked by the gateway; an agent has nothing to check \
             them with"
                .to_owned(),
        );
    }
    let known = |name: &&String| {
        capability.required.iter().chain(capability.optional).any(|known| *known == name.as_str())
    };
    if let Some(odd) = intent.intent.parameters.keys().find(|name| !known(name)) {
        return refused(format!("{} has no parameter {odd:?}", capability.action));
    }
    Ok(())
}

/// Checks that the run which the intent names is going on, and that this is its execution.
pub(crate) async fn admit(
    recorder: &dyn Recorder,
    intent: &IntentEnvelope,
) -> Result<(), AgentError> {
    let context = &intent.intent.context;
    let Some(run_id) = &context.run_id else { return Ok(()) };
    let refused = |why: &str| Err(AgentError::invalid(format!("the run {run_id} {why}")));
    let execution = match recorder.standing(run_id).await? {
        Standing::NotKept => return Ok(()),
        Standing::Unknown => return refused("is not known"),
        Standing::Ended { .. } if !intent.intent.action.starts_with(AFTER_THE_END) => {
            return refused("has ended: nothing is added to it");
        }
        Standing::Open { execution } | Standing::Ended { execution } => execution,
    };
    if !carries_out(context.execution.as_deref(), &execution) {
        return refused("is carried out by another execution than the intent names");
    }
    Ok(())
}

/// Whether an execution is that of the run, or the one that takes back what it began.
fn carries_out(named: Option<&str>, execution: &str) -> bool {
    named
        .is_some_and(|named| named == execution || named.strip_suffix(TAKE_BACK) == Some(execution))
}

#[cfg(test)]
mod tests {
    use pact_contract::{
        agents,
        envelope::{Auth, Context},
    };
    use serde_json::json;

    use super::*;

    fn intent() -> IntentEnvelope {
        let parameters = json!({ "source": 1, "changes_key": 2, "settings": 3 });
        IntentEnvelope::new(
            "pact.pipeline",
            Timestamp::now(),
            "code.validate_syntax",
            parameters.as_object().cloned().unwrap_or_default(),
            Context::default(),
        )
    }

    #[test]
    fn a_run_is_carried_out_by_its_execution_and_by_the_one_that_takes_back() {
        let execution = "arn:aws:states:r:1:execution:pact-pipeline:shop-1";
        for (named, is_its_own) in [
            (Some(execution.to_owned()), true),
            (Some(format!("{execution}-back")), true),
            (Some(format!("{execution}-back-back")), false),
            (Some(format!("{execution}2")), false),
            (Some("-back".to_owned()), false),
            (None, false),
        ] {
            assert_eq!(carries_out(named.as_deref(), execution), is_its_own, "{named:?}");
        }
    }

    #[test]
    fn what_is_odd_about_an_envelope_is_refused_by_name() {
        type Change = fn(&mut IntentEnvelope);
        let changes: [(Change, &str); 7] = [
            (|_| {}, ""),
            (|i| i.version = "9.9.9".to_owned(), "of version"),
            (|i| i.metadata.sender.agent_id = "mallory".to_owned(), "is not known"),
            (
                |i| {
                    i.metadata.sender.timestamp =
                        "1999-01-01T00:00:00Z".parse().expect("an instant")
                },
                "which is not now",
            ),
            (
                |i| i.metadata.sender.timestamp = Timestamp::now() + SignedDuration::from_hours(1),
                "which is not now",
            ),
            (
                |i| {
                    let signature = Some("bad".to_owned());
                    i.metadata.auth = Some(Auth { signature, trust_level: None });
                },
                "credentials",
            ),
            (
                |i| {
                    i.intent.parameters.insert("force".to_owned(), json!(true));
                },
                "no parameter \"force\"",
            ),
        ];
        let capability =
            agents::CODE.iter().find(|c| c.action == "code.validate_syntax").expect("an action");
        for (change, sentence) in changes {
            let mut intent = intent();
            change(&mut intent);
            match check(&intent, capability, Timestamp::now()) {
                Ok(()) => assert_eq!(sentence, ""),
                Err(error) => assert!(
                    !sentence.is_empty() && error.message.contains(sentence),
                    "{}",
                    error.message
                ),
            }
        }
    }
}
