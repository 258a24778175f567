//! What a run that has not ended waits for, and how that is answered.

use jiff::Timestamp;
use pact_agent::ports::{ApprovalRecord, RunReader, StoreError};
use pact_contract::{RunRecord, RunStatus, StageRecord, StageStatus, room};
use serde::Serialize;

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Waits {
    /// In a sentence.
    pub sentence: String,
    /// How many runs of its repository are before it, while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<usize>,
    /// Until when an answer counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The commands of which one is the answer; none where nobody is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<String>,
}

impl Waits {
    /// Nobody is asked.
    fn of_nobody(sentence: String, before: Option<usize>) -> Self {
        Self { sentence, before, until: None, answer: Vec::new() }
    }

    /// A person is; `options` are further ones of the command, with a space before each.
    pub(crate) fn of_people(question: &ApprovalRecord, options: &str) -> Self {
        let agreed: Vec<_> = question.agreed.iter().map(|answer| answer.by.as_str()).collect();
        let agreed = match question.people {
            0 | 1 => String::new(),
            people if agreed.is_empty() => format!(", of {people} people"),
            people => format!(", {} of {people} agreed ({})", agreed.len(), agreed.join(", ")),
        };
        let ApprovalRecord { question, expires_at, run_id, .. } = question;
        let until = expires_at.strftime("%Y-%m-%d %H:%M UTC");
        Self {
            sentence: format!("waits for an answer until {until}{agreed}: {question}"),
            before: None,
            until: Some(*expires_at),
            answer: vec![
                format!("pactctl approve{options} {run_id}"),
                format!("pactctl approve{options} --reject {run_id}"),
            ],
        }
    }

    /// How it is answered; none where nobody is asked.
    pub(crate) fn how(&self) -> Option<String> {
        let commands: Vec<_> = self.answer.iter().map(|command| format!("`{command}`")).collect();
        (!commands.is_empty()).then(|| format!("answer with {}", commands.join(" or ")))
    }
}

/// What a run waits for; none of one that has ended. Its stages are read where they are not at hand.
pub(crate) async fn of(
    store: &impl RunReader,
    run: &RunRecord,
    stages: Option<&[StageRecord]>,
    options: &str,
) -> Result<Option<Waits>, StoreError> {
    if run.status == RunStatus::Queued {
        let before = store.waits_behind(run).await?;
        return Ok(Some(Waits::of_nobody(room::waits(before), before)));
    }
    if run.status.is_final() {
        return Ok(None);
    }
    let id = &run.request.run_id;
    let now = Timestamp::now();
    let questions = store.approvals(id).await?.items;
    if let Some(question) = questions.iter().find(|q| q.answer.is_none() && q.expires_at > now) {
        return Ok(Some(Waits::of_people(question, options)));
    }
    let read;
    let stages = match stages {
        Some(stages) => stages,
        None => {
            read = store.stages(id).await?.items;
            &read
        }
    };
    Ok(Some(Waits::of_nobody(at_work(stages), None)))
}

/// What goes on.
fn at_work(stages: &[StageRecord]) -> String {
    let titles: Vec<_> = stages
        .iter()
        .filter(|stage| stage.status == StageStatus::Running)
        .map(StageRecord::title)
        .collect();
    match titles.as_slice() {
        [] => "it goes on".to_owned(),
        titles => format!("at work: {}", titles.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use pact_agent::ports::ApprovalAnswer;

    use super::*;

    fn question(people: u32) -> ApprovalRecord {
        ApprovalRecord {
            schema: ApprovalRecord::VERSION,
            callback: "c0ffee".to_owned(),
            run_id: "run-1".parse().expect("an id"),
            state: "AwaitApproval.production".parse().expect("a name"),
            question: "Deploy r1?".to_owned(),
            expires_at: Timestamp::UNIX_EPOCH,
            people,
            agreed: Vec::new(),
            answer: None,
        }
    }

    #[test]
    fn a_question_is_said_with_both_answers_and_the_options_that_find_the_run() {
        let waits = Waits::of_people(&question(1), " --data x");
        assert_eq!(waits.sentence, "waits for an answer until 1970-01-01 00:00 UTC: Deploy r1?");
        assert_eq!(
            waits.how().as_deref(),
            Some(
                "answer with `pactctl approve --data x run-1` or `pactctl approve --data x --reject run-1`"
            )
        );
        let mut several = question(2);
        several.agreed.push(ApprovalAnswer {
            approved: true,
            by: "Ada".to_owned(),
            owner: String::new(),
            reason: None,
            at: Timestamp::UNIX_EPOCH,
        });
        assert!(Waits::of_people(&several, "").sentence.contains("1 of 2 agreed (Ada)"));
        assert_eq!(Waits::of_nobody("it goes on".to_owned(), None).how(), None);
    }
}
