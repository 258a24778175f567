//! States of a state machine.

use std::borrow::Cow;

use super::{
    environment::EnvironmentName,
    text::{IdError, check, identifier},
};

/// Longest name of a state that Step Functions accepts.
pub const MAX_STATE: usize = 80;

/// Name of a state of a state machine, for example `RunUnitTests`; of an intent that was sent by
/// hand, the name of its action. A state that is gone through for every environment is named with
/// the one that it is about, as `Deploy.staging`: so that stages, calls that wait and faults of one
/// state are told apart. At most [`MAX_STATE`] letters, digits, spaces, `-`, `_` and `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateName(Cow<'static, str>);

identifier!(StateName);

impl StateName {
    /// Stands where no state failed, but the execution as a whole was ended.
    pub const EXECUTION: Self = Self(Cow::Borrowed("the execution"));

    /// Accepts a name from outside.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no name has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let allowed: (_, fn(char) -> bool) = ("letters, digits, spaces, '-', '_' and '.'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.')
        });
        check(text, "the name of a state", MAX_STATE, allowed)?;
        Ok(Self(text.to_owned().into()))
    }

    /// The state's own name: `Deploy` of `Deploy.staging`. Names of before, such as
    /// `DeployStaging`, are those of the states that do the same now.
    #[must_use]
    pub fn state(&self) -> &str {
        self.parts().0
    }

    /// The environment that the state is about.
    #[must_use]
    pub fn environment(&self) -> Option<EnvironmentName> {
        self.parts().1
    }

    fn parts(&self) -> (&str, Option<EnvironmentName>) {
        if let Some((name, environment)) = before_the_list(&self.0) {
            return (name, Some(environment));
        }
        // The name of an action has a point too, and begins with a small letter.
        let state = self.0.starts_with(|c: char| c.is_ascii_uppercase());
        let parts = self.0.split_once('.').filter(|_| state);
        match parts.and_then(|(name, of)| Some((name, EnvironmentName::parse(of).ok()?))) {
            Some((name, environment)) => (name, Some(environment)),
            None => (&self.0, None),
        }
    }

    /// The name as a sentence: `Run unit tests` for `RunUnitTests`, `Deploy (staging)` for
    /// `Deploy.staging`.
    #[must_use]
    pub fn title(&self) -> String {
        match self.parts() {
            (name, Some(environment)) => format!("{} ({environment})", title(name)),
            (name, None) => title(name),
        }
    }
}

/// What a state of before environments stood in a list does now, and where.
fn before_the_list(name: &str) -> Option<(&'static str, EnvironmentName)> {
    const STAGING: EnvironmentName = EnvironmentName::STAGING;
    const PRODUCTION: EnvironmentName = EnvironmentName::PRODUCTION;
    Some(match name {
        "DeployStaging" => ("Deploy", STAGING),
        "CheckStagingStatus" => ("CheckStatus", STAGING),
        "CheckStagingHealth" => ("CheckHealth", STAGING),
        "RunEndToEnd" => ("RunEndToEnd", STAGING),
        "RollbackStaging" => ("Rollback", STAGING),
        "CheckRestoredStaging" => ("CheckRestored", STAGING),
        "AwaitApproval" => ("AwaitApproval", PRODUCTION),
        "InspectProduction" => ("InspectEnvironment", PRODUCTION),
        "TrackBaseline" => ("TrackBaseline", PRODUCTION),
        "DeployProduction" => ("Deploy", PRODUCTION),
        "CheckProductionStatus" => ("CheckStatus", PRODUCTION),
        "CheckProductionHealth" => ("CheckHealth", PRODUCTION),
        "TrackMetrics" => ("TrackMetrics", PRODUCTION),
        "DetectAnomalies" => ("DetectAnomalies", PRODUCTION),
        "JudgeRelease" => ("JudgeRelease", PRODUCTION),
        "RollbackProduction" => ("Rollback", PRODUCTION),
        "CheckRestoredProduction" => ("CheckRestored", PRODUCTION),
        _ => return None,
    })
}

/// A state's name as a sentence, see [`StateName::title`].
#[must_use]
pub fn title(state: &str) -> String {
    let mut out = String::with_capacity(state.len() + 8);
    for (index, c) in state.chars().enumerate() {
        if c.is_uppercase() && index > 0 {
            out.push(' ');
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_read_like_sentences() {
        for (name, title) in [("RunUnitTests", "Run unit tests"), ("Notify", "Notify")] {
            assert_eq!(StateName::parse(name).map(|state| state.title()).as_deref(), Ok(title));
        }
    }

    #[test]
    fn a_state_may_be_about_an_environment() {
        let state = |name: &str| StateName::parse(name).expect("a name");
        for (name, own, environment, title) in [
            ("Deploy.eu-west", "Deploy", Some("eu-west"), "Deploy (eu-west)"),
            ("CheckStagingHealth", "CheckHealth", Some("staging"), "Check health (staging)"),
            ("RunUnitTests", "RunUnitTests", None, "Run unit tests"),
            ("tests.run_unit", "tests.run_unit", None, "tests.run_unit"),
            ("Deploy.", "Deploy.", None, "Deploy."),
            ("Deploy.a.b", "Deploy.a.b", None, "Deploy.a.b"),
        ] {
            let state = state(name);
            let of = state.environment();
            assert_eq!(
                (state.state(), of.as_ref().map(EnvironmentName::as_str)),
                (own, environment)
            );
            assert_eq!(state.title(), title);
        }
    }

    #[test]
    fn a_state_has_a_plain_name() {
        assert!(StateName::parse("tests.run_unit").is_ok());
        assert_eq!(StateName::parse(StateName::EXECUTION.as_str()), Ok(StateName::EXECUTION));
        for bad in ["", "a/b", "<b>", "a\nb", &"S".repeat(81)] {
            assert!(StateName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
