//! Configuration from environment variables.

use std::path::PathBuf;

/// Where the agent works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Folder below which an environment may have its own; none: this installation has no target
    /// that keeps releases on a disk, and a deployment to one says so.
    pub root: Option<PathBuf>,
    /// File that says how the reverse proxy of this machine is reached; none: there is none, and a
    /// deployment of a service says so.
    pub proxy: Option<PathBuf>,
    /// How the ARN of the role begins that an environment has where it names none:
    /// `PACT_DEPLOY_ROLES`.
    pub roles: Option<String>,
}

impl Config {
    /// Reads and checks the variables; `get` is how a variable is looked up. An empty one counts
    /// as unset.
    ///
    /// # Errors
    /// Every fault, one per line.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut faults = Vec::new();
        let mut folder = |name: &str| {
            let text = get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())?;
            let path = PathBuf::from(&text);
            let plain = path.components().all(|c| {
                !matches!(c, std::path::Component::ParentDir | std::path::Component::CurDir)
            });
            if !path.is_absolute() || !plain {
                faults.push(format!("{name} is {text:?}, not an absolute path without `..`"));
                return None;
            }
            Some(path)
        };
        let root = folder("PACT_DEPLOY_ROOT");
        let proxy = folder("PACT_SERVICE_PROXY");
        if root.as_deref().is_some_and(|r| r.parent().is_none()) {
            faults.push("PACT_DEPLOY_ROOT must not be the root of the file system".to_owned());
        }
        let roles = get("PACT_DEPLOY_ROLES").map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        if let Some(roles) = roles.as_ref().filter(|roles| !is_prefix(roles)) {
            faults.push(format!(
                "PACT_DEPLOY_ROLES is {roles:?}, not the beginning of ARNs of roles, as in \
                 arn:aws:iam::123456789012:role/pact-deploy-"
            ));
        }
        if !faults.is_empty() {
            return Err(faults.join("\n"));
        }
        Ok(Self { root, proxy, roles })
    }
}

/// Whether ARNs of roles may begin so, with room for a name.
fn is_prefix(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", _, "iam", "", _, name]
        if name.strip_prefix("role/").is_some_and(|name| (1..=32).contains(&name.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn an_empty_variable_is_none() {
        let proxy = ("PACT_SERVICE_PROXY", "/run/proxy/host.json");
        let config = read(&[("PACT_DEPLOY_ROOT", "/srv"), proxy]).expect("valid");
        assert_eq!(config.root, Some("/srv".into()));
        assert_eq!(config.proxy, Some("/run/proxy/host.json".into()));
        assert_eq!(
            read(&[("PACT_DEPLOY_ROOT", "")]),
            Ok(Config { root: None, proxy: None, roles: None })
        );
    }

    #[test]
    fn every_fault_is_named() {
        for wrong in ["srv", "/a/../b"] {
            let faults = read(&[("PACT_DEPLOY_ROOT", wrong)]).expect_err("is refused");
            assert!(faults.contains(wrong), "{faults}");
        }
        assert!(read(&[("PACT_DEPLOY_ROOT", "/")]).is_err());
        let prefix = "arn:aws:iam::123456789012:role/pact-deploy-";
        let config = read(&[("PACT_DEPLOY_ROLES", prefix)]).expect("valid");
        assert_eq!(config.roles.as_deref(), Some(prefix));
        for wrong in ["pact-deploy-", "arn:aws:iam::123456789012:role/"] {
            read(&[("PACT_DEPLOY_ROLES", wrong)]).expect_err("is refused");
        }
    }
}
