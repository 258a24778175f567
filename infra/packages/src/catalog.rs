//! Which functions there are, and what each may cost before it does anything.

use std::{collections::BTreeMap, path::Path, time::Duration};

use local_template::Context;
use serde_json::Value;

use crate::PackageError;

/// The agents that come with parsers, rules and git.
const HEAVY: &[&str] = &["code-agent", "test-agent", "security-agent"];
/// The others. A third of a megabyte of it is the time zone database, which a function finds nowhere
/// else.
const LIGHT_LIMITS: Limits = Limits { zip: 5_600_000, start: Duration::from_millis(15) };
/// The reconciler asks git hosts, as an App too; the quality agent reads conditions in CEL; the dashboard
/// reaches the logs of builds and lists of tests.
const MORE: &[&str] = &["reconciler", "quality-agent", "dashboard"];
const MORE_LIMITS: Limits = Limits { zip: 6_250_000, start: Duration::from_millis(15) };
/// It checks the tokens of a sign-in provider, and tells the reconciler what it accepted.
const GATEWAY: &str = "gateway";
const GATEWAY_LIMITS: Limits = Limits { zip: 6_500_000, start: Duration::from_millis(15) };
/// The agent that comes with what its targets are reached by.
const DEPLOY: &str = "deploy-agent";
const DEPLOY_LIMITS: Limits = Limits { zip: 8_000_000, start: Duration::from_millis(15) };
const HEAVY_LIMITS: Limits = Limits { zip: 15_000_000, start: Duration::from_millis(30) };

/// What a package may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its zip.
    pub zip: u64,
    /// Time from its start until it asks for work.
    pub start: Duration,
}

impl Limits {
    fn of(binary: &str) -> Self {
        match binary {
            DEPLOY => DEPLOY_LIMITS,
            GATEWAY => GATEWAY_LIMITS,
            _ if MORE.contains(&binary) => MORE_LIMITS,
            _ if HEAVY.contains(&binary) => HEAVY_LIMITS,
            _ => LIGHT_LIMITS,
        }
    }
}

/// A function of the template.
#[derive(Clone, Debug)]
pub struct Function {
    /// The key in `Resources`.
    pub logical_id: String,
    /// Name of its program, which is that of its package.
    pub binary: String,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// What its package may cost.
    pub limits: Limits,
}

/// Name of the program that a function is built from.
///
/// # Errors
/// When the template does not say so.
pub fn binary(function: &local_template::Function) -> Result<&str, PackageError> {
    function.metadata.pointer("/BuildProperties/Binary").and_then(Value::as_str).ok_or_else(|| {
        let id = &function.logical_id;
        PackageError::Template(format!("the template does not say what {id} is built from"))
    })
}

/// The functions of a template, resolved with its own defaults.
///
/// # Errors
/// When it cannot be read, or does not say what a function is built from.
pub fn functions(template: &Path) -> Result<Vec<Function>, PackageError> {
    let text = std::fs::read_to_string(template)
        .map_err(PackageError::io(format!("read {}", template.display())))?;
    let context = Context {
        parameters: BTreeMap::new(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        stack_name: "pact".to_owned(),
    };
    let stack = local_template::load(&text, template, &context).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        PackageError::Template(errors.join("\n"))
    })?;
    let functions = stack.functions.into_iter().map(|function| {
        let binary = binary(&function)?.to_owned();
        let limits = Limits::of(&binary);
        let (logical_id, environment) = (function.logical_id, function.environment);
        Ok(Function { logical_id, binary, environment, limits })
    });
    functions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heavy_function_is_one_of_the_template() {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        let functions = functions(&template).unwrap();
        let heavy = functions.iter().filter(|f| f.limits == HEAVY_LIMITS);
        assert_eq!(heavy.count(), HEAVY.len());
        let more = functions.iter().filter(|f| f.limits == MORE_LIMITS);
        assert_eq!(more.count(), MORE.len());
        assert!(functions.iter().any(|f| f.binary == "notify-agent" && f.limits == LIGHT_LIMITS));
    }
}
