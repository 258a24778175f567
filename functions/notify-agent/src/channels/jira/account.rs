//! The installation's account.

use pact_agent::secrets::Parameter;
use url::Url;

use crate::config::{Installed, Unconfigured, Variable};

/// Token of the account.
pub(super) static TOKEN: Parameter = Parameter {
    name: "jira-token",
    about: "token of the Jira account",
    variable: Some("PACT_JIRA_TOKEN"),
};

const URL: &str = "PACT_JIRA_URL";
const USER: &str = "PACT_JIRA_USER";

pub(super) static VARIABLES: [Variable; 2] = [
    Variable { name: URL, about: "address of Jira" },
    Variable { name: USER, about: "user of the Jira account, an e-mail address" },
];

/// An account.
pub(super) struct Account {
    /// Base address, with `/` at its end.
    pub(super) url: Url,
    pub(super) user: String,
    pub(super) token: String,
}

impl Account {
    pub(super) fn read(installed: &Installed) -> Result<Self, Unconfigured> {
        match (installed.address(URL), installed.get(USER), installed.get(TOKEN.name)) {
            (Ok(mut url), Ok(user), Ok(token)) => {
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                url.set_query(None);
                url.set_fragment(None);
                Ok(Self { url, user, token })
            }
            (url, user, token) => {
                let faults: Vec<_> =
                    [url.err(), user.err(), token.err()].into_iter().flatten().collect();
                Err(faults.join("; "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_path_and_what_is_missing_is_named() {
        let read = |url: &str, user: &str| {
            Account::read(&Installed::with(&[(URL, url), (USER, user), (TOKEN.name, "secret")]))
        };
        let account = read("https://host.example/jira?x#y", "u").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(account.url.as_str(), "https://host.example/jira/");
        let faults = read("ftp://secret", " ").err().expect("is not configured");
        assert!(faults.contains(URL) && faults.contains(USER) && !faults.contains("secret"));
        let none = Account::read(&Installed::with(&[])).err().expect("is not configured");
        assert!(none.contains(TOKEN.name), "{none}");
    }
}
