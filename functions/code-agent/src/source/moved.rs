//! A repository that its host says is elsewhere: renamed, or behind another spelling of its address.
//!
//! A redirect is followed by whoever knows what may be asked, and one step at a time: an address that is
//! allowed could otherwise lead to any other one.

use std::time::Duration;

use pact_agent::AgentError;
use pact_hosts::Guard;
use reqwest::{Client, header, redirect::Policy};
use url::Url;

use crate::config::Config;

/// Most steps.
const STEPS: usize = 5;
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What git asks for first.
const REFS: &str = "/info/refs";
const QUERY: &str = "service=git-upload-pack";

/// Where the repository at `url` is; none where its host does not say that it is elsewhere.
///
/// # Errors
/// `ERR_INVALID_INTENT` where it leads to what may not be asked.
pub(crate) async fn moved(config: &Config, url: &Url) -> Result<Option<Url>, AgentError> {
    let client = Client::builder()
        .redirect(Policy::none())
        .timeout(ANSWER)
        .dns_resolver(Guard::new(config.allowed.clone()))
        .build()
        .map_err(|error| AgentError::internal("there is no HTTP client").caused_by(error))?;
    let mut at = url.clone();
    for _ in 0..STEPS {
        let Some(next) = step(&client, &at).await else {
            return Ok((at != *url).then_some(at));
        };
        let refused = match at.scheme() == "https" && next.scheme() != "https" {
            true => Err("it is not asked over an open line".to_owned()),
            false => config.allowed.check(&next),
        };
        refused.map_err(|why| {
            AgentError::invalid(format!("repository.url {url} leads to {next}: {why}"))
        })?;
        at = next;
    }
    Err(AgentError::invalid(format!("repository.url {url} leads from one address to another")))
}

/// The address that it is redirected to. Whatever else goes wrong was told by who fetched it.
async fn step(client: &Client, url: &Url) -> Option<Url> {
    let asked = format!("{}{REFS}?{QUERY}", url.as_str().trim_end_matches('/'));
    let answer = client.get(asked).send().await.ok()?;
    if !answer.status().is_redirection() {
        return None;
    }
    let to = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let mut to = answer.url().join(to).ok()?;
    // What does not lead to the same question leads to a page.
    let path = to.path().strip_suffix(REFS)?.to_owned();
    if to.query() != Some(QUERY) || !to.username().is_empty() || to.password().is_some() {
        return None;
    }
    to.set_path(&path);
    to.set_query(None);
    to.set_fragment(None);
    Some(to)
}
