//! Every code that this crate knows, with what it means.

use crate::{
    codes,
    error::ErrorName,
    explain::{Explanation, Kind},
    problems,
    run::RunStatus,
};

/// What the error of an execution that did not end well says, and what to do about it.
const fn ending(status: RunStatus) -> Option<(&'static str, &'static str)> {
    match status {
        RunStatus::Failed => Some((
            "The run ended by a fault, or a deployment could not be carried out and replaced nothing.",
            "Look at the run's reason: it names the state and the error; explain that one.",
        )),
        RunStatus::Rejected => Some((
            "The gate, or a person, said no to the release.",
            "Look at the run's decision: each rule that is not met says what would pass.",
        )),
        RunStatus::RolledBack => Some((
            "The release was taken back, and the one before it answers again.",
            "Look at the run's reason, mend what was wrong with the release, and push again.",
        )),
        RunStatus::RollbackFailed => Some((
            "The release could not be taken back: what is in effect has to be looked at by a person.",
            "Look at the environment now: deploy a release that is known to be good, then see why it could not be taken back.",
        )),
        // Not an error of the machine's own: it is running, ended well, or was ended from outside.
        RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Succeeded
        | RunStatus::Held
        | RunStatus::Cancelled
        | RunStatus::TimedOut
        | RunStatus::Superseded => None,
    }
}

/// Everything that this crate can explain: findings, errors, endings, problems. The agents explain
/// the rules that they have as data.
#[must_use]
pub fn all() -> Vec<Explanation> {
    let errors = ErrorName::ALL.iter().map(|name| Explanation {
        code: name.as_str().into(),
        kind: Kind::Error,
        sentence: name.sentence().into(),
        remedy: name.remedy().into(),
    });
    let endings = RunStatus::ALL.iter().filter_map(|status| {
        let (sentence, remedy) = ending(*status)?;
        Some(Explanation {
            code: status.error()?.into(),
            kind: Kind::Ending,
            sentence: sentence.into(),
            remedy: remedy.into(),
        })
    });
    let findings = codes::ALL.iter().cloned();
    let families = codes::FAMILIES.iter().map(|(_, one)| one.clone());
    findings
        .chain(families)
        .chain(errors)
        .chain(endings)
        .chain(problems::ALL.iter().cloned())
        .collect()
}

/// What a code says whose rule is not this program's: one of the repository's own, or of another
/// scanner.
#[must_use]
pub fn of_others(code: &str) -> Option<&'static Explanation> {
    codes::FAMILIES.iter().find(|(family, _)| family.has(code)).map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_with_an_error_is_explained() {
        for status in RunStatus::ALL {
            assert_eq!(status.error().is_some(), ending(*status).is_some(), "{status:?}");
        }
    }
}
