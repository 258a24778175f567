//! One request to a probe, bounded in time and size.

use std::{path::PathBuf, sync::OnceLock, time::Duration};

use pact_agent::AgentError;
use pact_contract::settings::Probe;
use reqwest::{header::HeaderMap, redirect};
use tokio::time::Instant;
use url::{Host, Url};

use crate::config::Config;

/// Bytes of an answer that are read.
const MAX_BODY: usize = 1024 * 1024;
/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Sends requests. The connections' set-up is made when it is first needed, and kept.
pub(crate) struct Client {
    config: Config,
    client: OnceLock<reqwest::Client>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A response.
    Response {
        /// Its status.
        status: u16,
        /// Whether the body has what the probe wants.
        contains: bool,
        /// Time until the body, or as much of it as is read, was there.
        latency: Duration,
    },
    /// None, for this reason.
    None(String),
    /// Nobody is there to take a request, for this reason.
    Refused(String),
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: OnceLock::new() }
    }

    fn client(&self) -> Result<reqwest::Client, AgentError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("pact-monitor/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::custom(|attempt| {
                let first = attempt.previous().first().and_then(Url::host_str);
                let here = first.is_some() && first == attempt.url().host_str();
                if here && attempt.previous().len() <= MAX_REDIRECTS {
                    attempt.follow()
                } else {
                    // The redirect itself is the answer.
                    attempt.stop()
                }
            }))
            // A kept connection could still lead to the release before.
            .pool_max_idle_per_host(0)
            // What is measured is the service, not a proxy.
            .no_proxy()
            .build()
            .map_err(|e| AgentError::internal("cannot set up the HTTP client").caused_by(e))?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// The file that says how the machine's reverse proxy is asked, if there is one, and with what.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub(crate) fn proxy(&self) -> Result<Option<(PathBuf, reqwest::Client)>, AgentError> {
        let Some(file) = self.config.traffic() else { return Ok(None) };
        Ok(Some((file.to_owned(), self.client()?)))
    }

    /// The probe's whole address.
    ///
    /// # Errors
    /// Says why there is none, or why it may not be requested.
    pub(crate) fn address(&self, base: Option<&str>, probe: &Probe) -> Result<Url, String> {
        let whole = probe.path.starts_with("http://") || probe.path.starts_with("https://");
        let text = if whole {
            probe.path.clone()
        } else {
            let base = base.ok_or_else(|| {
                format!("the environment has no address for the probe {:?}", probe.path)
            })?;
            format!("{}/{}", base.trim_end_matches('/'), probe.path.trim_start_matches('/'))
        };
        self.checked(&text)
    }

    /// An address that may be requested.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn checked(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|e| format!("{text:?} is not an address: {e}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "an address to probe begins with http:// or https://, not {}://",
                url.scheme()
            ));
        }
        let host = url.host().ok_or_else(|| format!("{text:?} has no host"))?;
        if is_link_local(&host) {
            return Err(format!("{host} is an address of the machine itself, not of a service"));
        }
        let authority = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        if self.config.runtime_api() == Some(authority.as_str()) {
            return Err(format!("{authority} is not a service that may be asked"));
        }
        Ok(url)
    }

    /// Sends one request.
    ///
    /// # Errors
    /// When the client cannot be set up. Everything that can go wrong on the way is an [`Answer`].
    pub(crate) async fn get(
        &self,
        url: &Url,
        contains: Option<&str>,
        timeout: Duration,
    ) -> Result<Answer, AgentError> {
        let client = self.client()?;
        let begun = Instant::now();
        let answer = tokio::time::timeout(timeout, async {
            let mut response = client.get(url.clone()).send().await?;
            let status = response.status().as_u16();
            let other = diverted(response.headers());
            let body = beginning(&mut response).await?;
            Ok::<_, reqwest::Error>((status, body, other))
        })
        .await;
        Ok(match answer {
            // What another release answers in its place says nothing good of this one.
            Ok(Ok((_, _, Some(reason)))) => Answer::None(reason),
            Ok(Ok((status, body, None))) => Answer::Response {
                status,
                contains: contains.is_none_or(|text| String::from_utf8_lossy(&body).contains(text)),
                latency: begun.elapsed(),
            },
            Ok(Err(error)) if error.is_connect() => Answer::Refused(reason(error)),
            Ok(Err(error)) => Answer::None(reason(error)),
            Err(_) => Answer::None(format!("no answer within {} ms", timeout.as_millis())),
        })
    }

    /// Asks by GET, which changes nothing wherever the address leads, and returns the answer's status
    /// and as much of its body as is read.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        query: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), String> {
        let client = self.client().map_err(|error| error.chain())?;
        let mut url = url.clone();
        url.query_pairs_mut().extend_pairs(query);
        let request = client.get(url);
        let answer = tokio::time::timeout(timeout, async {
            let mut response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, beginning(&mut response).await?))
        });
        match answer.await {
            Ok(answer) => answer.map_err(reason),
            Err(_) => Err(format!("no answer within {} ms", timeout.as_millis())),
        }
    }
}

/// As much of a body as is read.
async fn beginning(response: &mut reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_BODY.saturating_sub(body.len());
        body.extend(chunk.iter().take(room));
        if body.len() >= MAX_BODY {
            break;
        }
    }
    Ok(body)
}

/// What a proxy says was wrong with the release whose turn it was, by `Proxy-Status` (RFC 9209): what
/// answers then is another one, or the proxy itself.
fn diverted(headers: &HeaderMap) -> Option<String> {
    let said = headers.get_all("proxy-status").iter().filter_map(|value| value.to_str().ok());
    let error = said.flat_map(|value| value.split(';')).find_map(|part| {
        let (name, error) = part.split_once('=')?;
        (name.trim() == "error").then(|| error.trim())
    })?;
    let error: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Some(format!("the release did not answer, its proxy says: {error}"))
}

/// Cloud platforms answer there with credentials.
fn is_link_local(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_link_local(),
        Host::Ipv6(ip) => {
            ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_link_local())
        }
        Host::Domain(_) => false,
    }
}

/// The innermost reason, which is the one that helps: `Connection refused`.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    pact_agent::text::truncated(&innermost.to_string(), 200)
}

/// The address for people: without user, password and query, which may hold secrets.
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(base: Option<&str>, path: &str) -> Result<String, String> {
        let client = Client::new(Config::with_runtime_api(Some("127.0.0.1:9001")));
        let probe = Probe { path: path.to_owned(), ..Probe::default() };
        client.address(base, &probe).map(|u| u.to_string())
    }

    #[test]
    fn a_path_is_below_the_environment_and_a_whole_address_stands_for_itself() {
        for (base, path, expected) in [
            (Some("http://h:1"), "/health", "http://h:1/health"),
            (Some("http://h:1/app/"), "health?x=1", "http://h:1/app/health?x=1"),
            (None, "https://other/x", "https://other/x"),
            (Some("http://h"), "//evil/x", "http://h/evil/x"),
            (Some("http://h"), "@evil/x", "http://h/@evil/x"),
        ] {
            assert_eq!(address(base, path).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_must_not_be_probed_is_refused() {
        for (base, path) in [
            (None, "/health"),
            (Some("file:///etc"), "/passwd"),
            (Some("not an address"), "/"),
            (None, "http://169.254.169.254/latest/meta-data"),
            (None, "http://[fe80::1]/"),
            (None, "http://[::ffff:169.254.169.254]/"),
            (None, "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next"),
        ] {
            assert!(address(base, path).is_err(), "{base:?} {path}");
        }
    }

    #[test]
    fn what_another_release_answers_is_no_answer() {
        let headers = |value: &'static str| {
            HeaderMap::from_iter([(
                "proxy-status".parse().expect("a name"),
                value.parse().expect("a value"),
            )])
        };
        assert_eq!(diverted(&HeaderMap::new()), None);
        assert_eq!(diverted(&headers("cache.example; received-status=200")), None);
        let said = diverted(&headers("local-proxy; error=connection_refused; details=\"r2\""));
        assert!(said.expect("an error").ends_with("connection_refused"));
    }

    #[test]
    fn secrets_in_addresses_are_not_shown() {
        let url = Url::parse("http://user:secret@h:8080/p?token=secret").expect("an address");
        assert_eq!(shown(&url), "http://h:8080/p");
    }
}
