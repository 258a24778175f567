//! By whose settings the commit is judged.

use gix::ObjectId;
use pact_config::policy::{self, Difference, Judged};
use pact_contract::{
    Finding, FindingCode, Severity,
    actions::PolicyNote,
    codes,
    policy::{JudgedBy, PolicyRecord, RunPolicy},
    settings::Settings,
};

use crate::{
    pack::RootFile,
    settings::{self, Found},
};

/// Most findings of one kind.
const MAX_FINDINGS: usize = 20;
/// Most sentences that travel on, one of them that there are more, and their length in bytes: a person
/// who agrees is told all of them.
const MAX_SENTENCES: usize = 10;
const MAX_SENTENCE: usize = 250;

/// What was there before the commit.
pub(crate) struct Before {
    /// The commit.
    pub(crate) commit: ObjectId,
    /// Its settings.
    pub(crate) found: Found,
}

/// The rules that were agreed to last.
pub(crate) struct Agreed {
    /// The commit that has them.
    pub(crate) commit: String,
    /// Its settings; the defaults where it has none.
    pub(crate) found: Found,
}

impl Agreed {
    pub(crate) fn of(record: &PolicyRecord) -> Self {
        let file = record.path.clone().zip(record.text.clone());
        let files: Vec<_> =
            file.map(|(path, text)| (path, RootFile::Text(text))).into_iter().collect();
        Self { commit: record.commit.clone(), found: settings::read(&files) }
    }
}

/// The settings that count, and what is to be said of them.
pub(crate) struct Judgement {
    pub(crate) settings: Settings,
    pub(crate) note: PolicyNote,
    pub(crate) findings: Vec<Finding>,
}

/// Judges by what was before, what was agreed to, the commit's own settings and the installation's
/// floor: by the strictest of them.
pub(crate) fn judge(
    own: &Found,
    before: Option<&Before>,
    agreed: Option<&Agreed>,
    asked: &RunPolicy,
) -> Judgement {
    let by_base = asked.judged_by == JudgedBy::Base;
    // A file that was not valid is none that a commit may replace as it likes: its settings are the
    // defaults, which let nothing off and deploy nothing.
    let usable = before.filter(|before| before.found.text.is_some() || before.found.invalid);
    let usable = usable.filter(|_| by_base);
    let agreed = agreed.filter(|_| by_base);
    let rules = match (agreed, usable) {
        (None, usable) => usable.map(|before| before.found.settings.clone()),
        (Some(agreed), None) => Some(agreed.found.settings.clone()),
        // What the commit before loosened counts as far as somebody agreed to it.
        (Some(agreed), Some(before)) => {
            Some(policy::stricter(&agreed.found.settings, &before.found.settings))
        }
    };
    // What cannot be read says nothing.
    let own_settings = match &rules {
        Some(rules) if own.invalid => rules,
        _ => &own.settings,
    };
    let judged = policy::judge(rules.as_ref(), own_settings, &asked.floor);
    let mut note = note(own, before, asked.judged_by);
    let further = agreed.filter(|agreed| {
        usable.is_none_or(|before| {
            policy::stricter(&agreed.found.settings, &before.found.settings)
                != before.found.settings
        })
    });
    if let Some(Agreed { commit, .. }) = further {
        note = format!("{note}, and by what {commit} has: nobody agreed to less since");
    }
    let mut findings = Vec::new();
    if rules.is_none() && own.path.is_some() && !own.invalid {
        findings.push(at(own, None, Finding::new(codes::POLICY_OWN, Severity::Info, &note)));
    }
    findings.extend(listed(own, &judged));
    Judgement {
        note: PolicyNote {
            note,
            commit: usable
                .map(|before| before.commit.to_string())
                .or_else(|| agreed.map(|agreed| agreed.commit.clone())),
            loosened: sentences(&judged.loosened),
        },
        settings: judged.settings,
        findings,
    }
}

/// What is loosened, in sentences; where these are too many, the last one says how many more.
fn sentences(loosened: &[Difference]) -> Vec<String> {
    let shown = if loosened.len() > MAX_SENTENCES { MAX_SENTENCES - 1 } else { MAX_SENTENCES };
    let told = loosened.iter().take(shown);
    let mut told: Vec<String> =
        told.map(|d| pact_agent::text::truncated(&d.sentence, MAX_SENTENCE)).collect();
    if let Some(more) = loosened.len().checked_sub(shown).filter(|more| *more > 0) {
        told.push(format!("and {more} more settings, which the analysis of the changes lists"));
    }
    told
}

fn note(own: &Found, before: Option<&Before>, by: JudgedBy) -> String {
    match before {
        _ if by == JudgedBy::Own => {
            "judged by its own settings, as its owner asked: a push is judged by those of the \
             commit before it"
                .to_owned()
        }
        None => "judged by its own settings: there is no commit before it".to_owned(),
        Some(Before { commit, found }) => match (&found.path, found.invalid) {
            (None, _) if own.path.is_none() => {
                "there are no settings: the defaults count".to_owned()
            }
            (None, _) => format!(
                "judged by its own settings: it is the first commit with any, {commit} has none"
            ),
            (Some(path), true) => {
                format!("judged by the defaults, as {path} of {commit} is not valid")
            }
            (Some(path), false) => format!("judged by {path} of {commit}"),
        },
    }
}

fn listed(own: &Found, judged: &Judged) -> Vec<Finding> {
    let mut all = Vec::new();
    let kinds: [(FindingCode, Severity, &[Difference]); 2] = [
        (codes::POLICY_LOOSENED, Severity::Medium, &judged.loosened),
        (codes::POLICY_RAISED, Severity::Info, &judged.raised),
    ];
    for (code, severity, differences) in kinds {
        for difference in differences.iter().take(MAX_FINDINGS) {
            let finding = Finding::new(code.clone(), severity, &difference.sentence);
            all.push(at(own, Some(&difference.key), finding));
        }
        if let Some(more) = differences.len().checked_sub(MAX_FINDINGS).filter(|n| *n > 0) {
            all.push(Finding::new(code, severity, format!("and {more} more settings")));
        }
    }
    all
}

/// The finding with the place of the setting, or of the file.
fn at(own: &Found, key: Option<&str>, finding: Finding) -> Finding {
    let Some(path) = &own.path else { return finding };
    let place = own.text.as_deref().zip(key).and_then(|(text, key)| policy::place_of(text, key));
    finding.at(path, place.map(|p| p.0), place.map(|p| p.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_agrees_is_told_of_everything_or_that_there_is_more() {
        let loosened = |number: usize| -> Vec<Difference> {
            let one = |n| Difference { key: format!("k{n}"), sentence: format!("s{n}") };
            (0..number).map(one).collect()
        };
        assert_eq!(sentences(&loosened(0)), [""; 0]);
        assert_eq!(sentences(&loosened(MAX_SENTENCES)).last().map(String::as_str), Some("s9"));
        let told = sentences(&loosened(25));
        assert_eq!((told.len(), told[8].as_str()), (MAX_SENTENCES, "s8"));
        assert!(told[9].starts_with("and 16 more settings"), "{}", told[9]);
    }
}
