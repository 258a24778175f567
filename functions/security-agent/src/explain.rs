//! What the agent's rules mean: they are data, and explain themselves.

use pact_contract::explain::{Explanation, Kind};

use crate::{
    sast::rules::{self, RuleSet},
    secrets::{self, rules::built_in},
};

/// Every kind of secret and every rule of the static analysis.
///
/// # Errors
/// When a table of rules is not valid: a defect of this program.
pub fn explanations() -> Result<Vec<Explanation>, String> {
    let mut all: Vec<Explanation> = built_in()?
        .into_iter()
        .map(|kind| Explanation {
            code: kind.code.to_string().into(),
            kind: Kind::Finding,
            sentence: format!("Looks like a secret: {}.", kind.title).into(),
            remedy: sentence(secrets::REMEDY).into(),
        })
        .collect();
    for (language, text) in rules::FILES {
        all.extend(RuleSet::parse(text)?.rules.into_iter().map(|rule| Explanation {
            code: rule.code.to_string().into(),
            kind: Kind::Finding,
            sentence: format!("{}: {}.", language.name(), rule.message).into(),
            remedy: sentence(&rule.remedy).into(),
        }));
    }
    Ok(all)
}

/// A fragment as a sentence.
fn sentence(fragment: &str) -> String {
    let mut letters = fragment.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if fragment.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_is_explained_once_and_beside_the_catalogue() {
        let rules = explanations().expect("the tables are valid");
        assert!(rules.len() > 300, "{}", rules.len());
        let mut seen = BTreeSet::new();
        for one in pact_contract::catalogue::all().iter().chain(&rules) {
            assert!(seen.insert(one.code.clone()), "{} is explained twice", one.code);
            assert!(one.sentence.ends_with('.') && one.remedy.ends_with('.'), "{one:?}");
        }
    }
}
