//! Configuration of the channels: accounts from environment variables, addresses and tokens from the
//! installation's secrets.
//!
//! A channel that is not configured, or not rightly, does not keep the others from working: its
//! messages go to the outbox with the reason. Values are secrets and are never in a reason.

use std::net::IpAddr;

use lettre::message::Mailbox;
use pact_agent::secrets::{JIRA, SLACK, SMTP};
use url::{Host, Url};

/// A channel that is not configured, with what to do about it.
pub type Unconfigured = String;

/// The channels.
#[derive(Clone)]
pub struct Config {
    /// Slack's incoming webhook.
    pub slack: Result<Url, Unconfigured>,
    /// The mail server.
    pub smtp: Result<Smtp, Unconfigured>,
    /// Jira.
    pub jira: Result<Jira, Unconfigured>,
}

/// A mail server.
#[derive(Clone)]
pub struct Smtp {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// Sender of every message.
    pub from: Mailbox,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    None,
    /// By `STARTTLS` where the server offers it.
    Opportunistic,
    /// By `STARTTLS`, or nothing is sent.
    Required,
    /// From the first byte.
    Wrapper,
}

/// A Jira account.
#[derive(Clone)]
pub struct Jira {
    /// Base address, with `/` at its end.
    pub url: Url,
    /// User, an e-mail address.
    pub user: String,
    /// API token.
    pub token: String,
}

impl Config {
    /// Reads and checks variables and secrets; `get` is how either is looked up: what it says, or
    /// what to do where there is nothing. An empty one counts as unset.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Result<String, Unconfigured>) -> Self {
        let get = |name: &str| match get(name) {
            Ok(text) if text.trim().is_empty() => Err(unset(name)),
            Ok(text) => Ok(text.trim().to_owned()),
            Err(reason) => Err(reason),
        };
        Self { slack: http(SLACK, &get), smtp: smtp(&get), jira: jira(&get) }
    }
}

/// That there is nothing of this name.
pub(crate) fn unset(name: &str) -> Unconfigured {
    format!("the installation does not set {name}")
}

fn http(
    name: &str,
    get: &impl Fn(&str) -> Result<String, Unconfigured>,
) -> Result<Url, Unconfigured> {
    let text = get(name)?;
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("{name} is not an http:// or https:// address")),
    }
}

fn smtp(get: &impl Fn(&str) -> Result<String, Unconfigured>) -> Result<Smtp, Unconfigured> {
    let mut faults = Vec::new();
    let server =
        get(SMTP).and_then(|text| server(&text).map_err(|reason| format!("{SMTP} {reason}")));
    let server = server.map_err(|fault| faults.push(fault)).ok();
    let from = get("PACT_SMTP_FROM").and_then(|text| {
        text.parse::<Mailbox>().map_err(|_| "PACT_SMTP_FROM is not an e-mail address".to_owned())
    });
    let from = from.map_err(|fault| faults.push(fault)).ok();
    match (server, from) {
        (Some((host, port, tls, credentials)), Some(from)) => {
            Ok(Smtp { host, port, tls, credentials, from })
        }
        _ => Err(faults.join("; ")),
    }
}

type Server = (String, u16, Tls, Option<(String, String)>);

/// Reads `smtp://user:password@host:port` or `smtps://…`; `?tls=none|opportunistic|required`
/// changes how `smtp` is protected. Without it a password never leaves this machine unprotected.
fn server(text: &str) -> Result<Server, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not an smtp:// or smtps:// address")?;
    // In an address of this kind an IPv4 host is read as a name.
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err("names no host"),
    };
    let loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let credentials = match url.password() {
        None if url.username().is_empty() => None,
        None => return Err("has a user and no password"),
        Some(password) => Some((decode(url.username())?, decode(password)?)),
    };
    let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value);
    let (tls, port) = match (url.scheme(), asked.as_deref()) {
        ("smtps", None) => (Tls::Wrapper, 465),
        ("smtp", Some("none")) => (Tls::None, 25),
        ("smtp", Some("opportunistic")) => (Tls::Opportunistic, 587),
        ("smtp", Some("required")) => (Tls::Required, 587),
        ("smtp", None) if loopback => (Tls::None, 25),
        ("smtp", None) if credentials.is_some() => (Tls::Required, 587),
        ("smtp", None) => (Tls::Opportunistic, 25),
        ("smtp", Some(_)) => return Err("has a tls other than none, opportunistic or required"),
        _ => return Err("is not an smtp:// or smtps:// address"),
    };
    Ok((host, url.port().unwrap_or(port), tls, credentials))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok())?
        });
        match escaped {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => out.push(*first),
        }
    }
    String::from_utf8(out).map_err(|_| "has a user or password that is not text")
}

fn jira(get: &impl Fn(&str) -> Result<String, Unconfigured>) -> Result<Jira, Unconfigured> {
    let url = http("PACT_JIRA_URL", get);
    let user = get("PACT_JIRA_USER");
    let token = get(JIRA);
    match (url, user, token) {
        (Ok(mut url), Ok(user), Ok(token)) => {
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            url.set_query(None);
            url.set_fragment(None);
            Ok(Jira { url, user, token })
        }
        (url, user, token) => {
            let faults: Vec<_> =
                [url.err(), user.err(), token.err()].into_iter().flatten().collect();
            Err(faults.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Config {
        Config::read(|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| (*v).to_owned()).ok_or_else(|| unset(name))
        })
    }

    fn faults(config: &Config) -> Vec<&str> {
        [config.slack.as_ref().err(), config.smtp.as_ref().err(), config.jira.as_ref().err()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn nothing_set_names_every_variable() {
        let config = read(&[(SLACK, " ")]);
        let faults = faults(&config);
        assert_eq!(faults.len(), 3);
        assert!(faults[1].contains(SMTP) && faults[1].contains("PACT_SMTP_FROM"));
        assert!(faults[2].contains("PACT_JIRA_USER") && faults[2].contains(JIRA));
    }

    #[test]
    fn wrong_values_are_not_repeated() {
        let config = read(&[
            (SLACK, "hooks.slack.test/secret"),
            (SMTP, "imap://user:secret@host"),
            ("PACT_SMTP_FROM", "secret"),
            ("PACT_JIRA_URL", "ftp://secret"),
        ]);
        let faults = faults(&config);
        assert_eq!(faults.len(), 3);
        assert!(faults.iter().all(|f| !f.contains("secret")), "{faults:?}");
    }

    #[test]
    fn a_password_is_protected_unless_it_stays_on_this_machine() {
        let cases = [
            ("smtps://u:p@mail.example", ("mail.example", 465, Tls::Wrapper)),
            ("smtp://u:p@mail.example", ("mail.example", 587, Tls::Required)),
            ("smtp://u:p@mail.example:2525", ("mail.example", 2525, Tls::Required)),
            ("smtp://mail.example", ("mail.example", 25, Tls::Opportunistic)),
            ("smtp://u:p@127.0.0.1:1025", ("127.0.0.1", 1025, Tls::None)),
            ("smtp://u:p@localhost:1025", ("localhost", 1025, Tls::None)),
            ("smtp://u:p@[::1]:1025", ("::1", 1025, Tls::None)),
            ("smtp://relay?tls=none", ("relay", 25, Tls::None)),
        ];
        for (text, expected) in cases {
            let (host, port, tls, _) = server(text).expect("valid");
            assert_eq!((host.as_str(), port, tls), expected, "{text}");
        }
        let (_, _, _, credentials) = server("smtp://a%40b:p%2Fq%25@h").expect("valid");
        assert_eq!(credentials, Some(("a@b".to_owned(), "p/q%".to_owned())));
        for wrong in ["http://h", "smtp://", "smtp://user@h", "smtp://h?tls=maybe", "h:25"] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_jira_address_keeps_its_path() {
        let config = read(&[
            ("PACT_JIRA_URL", "https://host.example/jira"),
            ("PACT_JIRA_USER", "u"),
            (JIRA, "t"),
        ]);
        let jira = config.jira.expect("configured");
        assert_eq!(jira.url.as_str(), "https://host.example/jira/");
    }
}
