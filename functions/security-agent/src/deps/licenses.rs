//! Licences of packages, as far as lock files say them, against the repository's policy.

use pact_contract::settings::LicenseSettings;
use spdx::{Expression, LicenseItem, ParseMode, expression::ExprNode};

/// Longest expression that is read.
const MAX_EXPRESSION: usize = 500;

/// The policy, ready to be used.
pub(crate) struct Policy {
    allow: Option<Vec<LicenseItem>>,
    deny: Vec<LicenseItem>,
}

/// What the policy says of a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It may be used.
    Allowed,
    /// It may not.
    Refused,
    /// It is no expression of SPDX.
    Unknown,
}

impl Policy {
    /// Reads the settings.
    ///
    /// # Errors
    /// Ids that SPDX does not have.
    pub(crate) fn new(settings: &LicenseSettings) -> Result<Self, String> {
        let mut wrong = Vec::new();
        let mut read = |ids: &[String]| -> Vec<LicenseItem> {
            let mut out = Vec::new();
            for id in ids {
                match only(id) {
                    Some(item) => out.push(item),
                    None => wrong.push(format!("{id:?}")),
                }
            }
            out
        };
        let policy =
            Self { allow: settings.allow.as_deref().map(&mut read), deny: read(&settings.deny) };
        match wrong.is_empty() {
            true => Ok(policy),
            false => Err(format!("{} is no id of a licence in SPDX", wrong.join(", "))),
        }
    }

    /// Judges an expression: it is allowed when it can be met by licences that are.
    pub(crate) fn judge(&self, expression: &str) -> Judged {
        if expression.len() > MAX_EXPRESSION {
            return Judged::Unknown;
        }
        match Expression::parse_mode(expression, ParseMode::LAX) {
            Err(_) => Judged::Unknown,
            Ok(expression) => {
                let met = expression.evaluate(|required| {
                    let item = &required.license;
                    !self.deny.contains(item)
                        && self.allow.as_ref().is_none_or(|allow| allow.contains(item))
                });
                if met { Judged::Allowed } else { Judged::Refused }
            }
        }
    }
}

/// The one licence of an expression.
fn only(id: &str) -> Option<LicenseItem> {
    let expression = Expression::parse_mode(id, ParseMode::STRICT).ok()?;
    let mut nodes = expression.iter();
    match (nodes.next(), nodes.next()) {
        (Some(ExprNode::Req(one)), None) => Some(one.req.license.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: Option<&[&str]>, deny: &[&str]) -> Policy {
        let list = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let settings =
            LicenseSettings { allow: allow.map(list), deny: list(deny), ..Default::default() };
        Policy::new(&settings).expect("a policy")
    }

    #[test]
    fn expressions_are_allowed_when_they_can_be_met() {
        let allow = policy(Some(&["MIT", "Apache-2.0", "GPL-2.0-or-later"]), &[]);
        let deny = policy(None, &["AGPL-3.0-only", "GPL-3.0-only"]);
        for (expression, by_allow, by_deny) in [
            ("MIT", Judged::Allowed, Judged::Allowed),
            ("MIT OR GPL-3.0-only", Judged::Allowed, Judged::Allowed),
            ("MIT AND GPL-3.0-only", Judged::Refused, Judged::Refused),
            ("(MIT OR BSD-3-Clause) AND Apache-2.0", Judged::Allowed, Judged::Allowed),
            ("Apache-2.0 WITH LLVM-exception", Judged::Allowed, Judged::Allowed),
            ("MIT/Apache-2.0", Judged::Allowed, Judged::Allowed),
            ("GPL-2.0-or-later", Judged::Allowed, Judged::Allowed),
            ("GPL-2.0-only", Judged::Refused, Judged::Allowed),
            ("AGPL-3.0-only", Judged::Refused, Judged::Refused),
            ("LicenseRef-acme", Judged::Refused, Judged::Allowed),
            ("SEE LICENSE IN LICENSE.md", Judged::Unknown, Judged::Unknown),
            ("UNLICENSED", Judged::Unknown, Judged::Unknown),
            ("", Judged::Unknown, Judged::Unknown),
        ] {
            assert_eq!(allow.judge(expression), by_allow, "{expression}");
            assert_eq!(deny.judge(expression), by_deny, "{expression}");
        }
        assert_eq!(allow.judge(&"(".repeat(600)), Judged::Unknown);
        assert_eq!(allow.judge(&"(".repeat(400)), Judged::Unknown);
        let wrong = LicenseSettings { deny: vec!["Apache2".to_owned()], ..Default::default() };
        assert!(Policy::new(&wrong).is_err_and(|why| why.contains("\"Apache2\"")));
    }
}
