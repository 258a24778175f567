//! A question that a run waits with, and what people answer.

use jiff::Timestamp;
use pact_contract::{RunId, SchemaVersion, StateName};
use serde::{Deserialize, Serialize};

/// A question to a person, which an execution waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Unguessable id of the callback: whoever knows it may answer.
    pub callback: String,
    /// The run that waits.
    pub run_id: RunId,
    /// State that waits.
    pub state: StateName,
    /// What is asked.
    pub question: String,
    /// Until when an answer counts.
    pub expires_at: Timestamp,
    /// How many people have to say yes.
    #[serde(default = "one")]
    pub people: u32,
    /// Who has said yes while more are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreed: Vec<ApprovalAnswer>,
    /// The answer, once there is one.
    pub answer: Option<ApprovalAnswer>,
}

const fn one() -> u32 {
    1
}

impl ApprovalRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Takes a person's answer; whether it changes anything. One no is the answer; so is the yes of the
    /// last who is asked for, with the names and reasons of all. Who says yes twice counts once: what
    /// tells people apart is who they are to the gateway, and not what they call themselves.
    pub fn take(&mut self, answer: &ApprovalAnswer) -> bool {
        let known = |agreed: &&ApprovalAnswer| agreed.is_of(answer);
        if self.answer.is_some() || (answer.approved && self.agreed.iter().any(|a| known(&a))) {
            return false;
        }
        if !answer.approved || self.people <= 1 {
            self.answer = Some(answer.clone());
            return true;
        }
        self.agreed.push(answer.clone());
        if self.agreed.len() as u64 >= u64::from(self.people) {
            let names: Vec<_> = self.agreed.iter().map(|agreed| agreed.by.as_str()).collect();
            let reasons: Vec<_> =
                self.agreed.iter().filter_map(|agreed| agreed.reason.as_deref()).collect();
            self.answer = Some(ApprovalAnswer {
                by: names.join(", "),
                reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
                ..answer.clone()
            });
        }
        true
    }
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    /// Yes or no.
    pub approved: bool,
    /// Who answered.
    pub by: String,
    /// Who that is to the gateway, whatever name was given; empty: as `by`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl ApprovalAnswer {
    /// Whether both come from the same person.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        let who = |answer: &'_ Self| match answer.owner.as_str() {
            "" => answer.by.clone(),
            owner => owner.to_owned(),
        };
        who(self) == who(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(people: u32) -> ApprovalRecord {
        ApprovalRecord {
            schema: ApprovalRecord::VERSION,
            callback: "c0ffee".to_owned(),
            run_id: "run".parse().expect("an id"),
            state: "AwaitApproval.production".parse().expect("a name"),
            question: "Deploy r1?".to_owned(),
            expires_at: Timestamp::MAX,
            people,
            agreed: Vec::new(),
            answer: None,
        }
    }

    fn says(approved: bool, by: &str, owner: &str) -> ApprovalAnswer {
        ApprovalAnswer {
            approved,
            by: by.to_owned(),
            owner: owner.to_owned(),
            reason: Some(format!("{by} looked at it")),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn one_is_not_enough_where_two_are_asked_whatever_name_is_given() {
        let mut asked = question(2);
        assert!(asked.take(&says(true, "installation for Ada", "installation")));
        assert!(!asked.take(&says(true, "installation for Bob", "installation")), "the same one");
        assert_eq!((asked.agreed.len(), &asked.answer), (1, &None));
        assert!(asked.take(&says(true, "grace", "grace")));
        let answer = asked.answer.clone().expect("both agreed");
        assert!(answer.approved);
        assert_eq!(answer.by, "installation for Ada, grace");
        assert_eq!(
            answer.reason.as_deref(),
            Some("installation for Ada looked at it; grace looked at it")
        );
        assert!(!asked.take(&says(false, "late", "late")), "of two answers one is heard");
    }

    #[test]
    fn one_no_is_enough_and_so_is_one_yes_where_one_is_asked() {
        let mut asked = question(3);
        assert!(asked.take(&says(true, "ada", "")) && !asked.take(&says(true, "ada", "")));
        assert!(asked.take(&says(false, "ada", "")), "who agreed may think better of it");
        assert!(asked.answer.is_some_and(|answer| !answer.approved && answer.by == "ada"));
        let mut asked = question(1);
        assert!(asked.take(&says(true, "ada", "")));
        assert_eq!(asked.answer, Some(says(true, "ada", "")));
    }
}
