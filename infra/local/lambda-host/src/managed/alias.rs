//! Aliases: their rules, and which version an invocation of one gets.

use super::record::{Alias, Record, Version};
use crate::{error::RequestError, name::LATEST};
use std::collections::BTreeMap;

/// The longest name.
const MAX_NAME: usize = 128;

/// Whether a qualifier is a version rather than an alias.
pub(super) fn is_version(qualifier: &str) -> bool {
    qualifier == LATEST || qualifier.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks the name of an alias.
pub(super) fn check_name(name: &str) -> Result<(), RequestError> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !name.is_empty() && name.len() <= MAX_NAME && letters && !is_version(name) {
        return Ok(());
    }
    Err(RequestError::Validation {
        value: name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect(),
        parameter: "name",
        constraint: "Member must satisfy regular expression pattern: \
                     (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
    })
}

/// Checks where an alias leads to.
pub(super) fn check(record: &Record, alias: &Alias, arn: &str) -> Result<(), RequestError> {
    let found = |version: &str| {
        record
            .version(version)
            .ok_or_else(|| RequestError::missing(format!("Function not found: {arn}:{version}")))
    };
    let main = found(&alias.version)?;
    if alias.weights.len() > 1 {
        return Err(RequestError::invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    for (version, weight) in &alias.weights {
        let other = found(version)?;
        check_pair(main, other, *weight)?;
    }
    Ok(())
}

fn check_pair(main: &Version, other: &Version, weight: f64) -> Result<(), RequestError> {
    if !weight.is_finite() || !(0.0..=1.0).contains(&weight) {
        return Err(RequestError::Validation {
            value: weight.to_string(),
            parameter: "routingConfig.additionalVersionWeights",
            constraint: "Map values must have value between 0.0 and 1.0",
        });
    }
    if main.version == LATEST || other.version == LATEST {
        return Err(RequestError::invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    if main.version == other.version {
        return Err(RequestError::invalid(format!(
            "Invalid function version {}. Function version {} is already included in routing \
             configuration.",
            other.version, main.version
        )));
    }
    if main.config.role != other.config.role {
        return Err(RequestError::invalid(
            "The function versions of an alias must have the same execution role",
        ));
    }
    Ok(())
}

/// The version that an invocation gets. `draw` is from 0 to 1, each as likely as any other.
pub(super) fn choose<'a>(main: &'a str, weights: &'a BTreeMap<String, f64>, draw: f64) -> &'a str {
    let mut until = 0.0;
    for (version, weight) in weights {
        until += weight;
        if draw < until {
            return version;
        }
    }
    main
}

/// A number from 0 to 1 that nobody foresees.
pub(super) fn draw() -> f64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    // The bits that say what kind of id it is are left out.
    let bits = (high >> 16 << 16 ^ low << 4) >> 12;
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    let (drawn, all) = (bits as f64, (1u64 << 52) as f64);
    drawn / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_invocations_are_within_two_percent_of_the_weight() {
        for weight in [0.0, 0.05, 0.1, 0.5, 0.9, 1.0] {
            let weights = BTreeMap::from([("2".to_owned(), weight)]);
            let got = (0..10_000).filter(|_| choose("1", &weights, draw()) == "2").count();
            let share = f64::from(u32::try_from(got).unwrap()) / 10_000.0;
            assert!((share - weight).abs() <= 0.02, "{share} instead of {weight}");
        }
        assert_eq!(choose("1", &BTreeMap::new(), 0.0), "1");
    }

    #[test]
    fn a_number_is_no_name_of_an_alias() {
        for wrong in ["", "7", "$LATEST", "a b", "a:b", &"a".repeat(129)] {
            assert!(check_name(wrong).is_err(), "{wrong:?}");
        }
        for right in ["live", "7a", "a-b_c"] {
            check_name(right).unwrap();
        }
    }
}
