//! The heads of a repository's branches, as its git host shows them: the reading half of git's
//! transfer protocol over HTTP (gitprotocol-v2, `ls-refs`; where a host speaks the older one, its
//! advertisement). Nothing is fetched.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gix_packetline::{PacketLineRef, decode};
use pact_agent::secrets::Secret;
use reqwest::{Client, Request, header, redirect::Policy};
use url::Url;

use pact_hosts::{Guard, Sources};

use crate::validate;

/// Longest wait for a connection, and for a whole answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// Most of an answer that is read: some ten thousand branches.
const MAX_BODY: usize = 4 << 20;

const VERSION: (&str, &str) = ("Git-Protocol", "version=2");

/// How hosts are asked.
pub(crate) struct Asking {
    /// Whom.
    pub(crate) sources: Sources,
    /// With what.
    pub(crate) client: RefsClient,
    /// How long one answer may take.
    pub(crate) patience: Duration,
}

impl Asking {
    /// Of what is allowed.
    pub(crate) fn of(sources: Sources) -> Self {
        let guard = Guard::new(sources.clone());
        let client = RefsClient { guard, client: OnceLock::new() };
        Self { sources, client, patience: ANSWER }
    }
}

/// What a host showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The head of each branch, by its short name.
    pub(crate) heads: BTreeMap<String, String>,
    /// The default branch.
    pub(crate) default_branch: Option<String>,
}

/// Why a host showed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It cannot be reached, or does not answer in time: so is what else is there.
    Host(String),
    /// It does not show this repository.
    Repository(String),
    /// It does not take what it was asked with, or wants to be asked with something.
    Unauthorized(String),
}

/// The client that asks the hosts, made when the first is asked.
pub(crate) struct RefsClient {
    guard: Guard,
    client: OnceLock<Client>,
}

impl RefsClient {
    fn get(&self) -> Result<&Client, Trouble> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            // An address that was checked is the one that is asked.
            .redirect(Policy::none())
            .dns_resolver(self.guard.clone())
            .user_agent(concat!("git/2 pact/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Trouble::Repository(format!("there is no HTTP client: {error}")))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks for the heads of the repository at the address, with the token where there is one.
    ///
    /// # Errors
    /// Whose trouble it is, and why, with no secret in it.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        token: Option<&Secret>,
        patience: Duration,
    ) -> Result<Shown, Trouble> {
        let asked = tokio::time::timeout(patience, self.both(url, token)).await;
        asked.unwrap_or_else(|_| Err(Trouble::Host("it did not answer in time".to_owned())))
    }

    async fn both(&self, url: &Url, token: Option<&Secret>) -> Result<Shown, Trouble> {
        let client = self.get()?;
        let base = url.as_str().trim_end_matches('/');
        let request = |mut request: Request| {
            if let Some(token) = token {
                let pair = STANDARD.encode(format!("x-access-token:{}", token.reveal()));
                let mut value = header::HeaderValue::from_str(&format!("Basic {pair}"))
                    .map_err(|_| Trouble::Repository("its token is none".to_owned()))?;
                value.set_sensitive(true);
                request.headers_mut().insert(header::AUTHORIZATION, value);
            }
            Ok(request)
        };
        let wrong = |error: reqwest::Error| failed(&error);
        let advertised = client
            .get(format!("{base}/info/refs?service=git-upload-pack"))
            .header(VERSION.0, VERSION.1)
            .build()
            .map_err(wrong)?;
        let body = answer(client, request(advertised)?).await?;
        if !speaks_version_2(&body)? {
            return read(&body);
        }
        let wanted = client
            .post(format!("{base}/git-upload-pack"))
            .header(VERSION.0, VERSION.1)
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
            .body(question())
            .build()
            .map_err(wrong)?;
        read(&answer(client, request(wanted)?).await?)
    }
}

/// What is sent: the branches, and which is the default one.
fn question() -> String {
    let lines = ["command=ls-refs\n"];
    let arguments = ["symrefs\n", "ref-prefix HEAD\n", "ref-prefix refs/heads/\n"];
    let framed = |line: &&str| format!("{:04x}{line}", line.len() + 4);
    let text = |lines: &[&str]| lines.iter().map(framed).collect::<String>();
    format!("{}0001{}0000", text(&lines), text(&arguments))
}

async fn answer(client: &Client, request: Request) -> Result<Vec<u8>, Trouble> {
    let mut response = client.execute(request).await.map_err(|error| failed(&error))?;
    let status = response.status();
    if status.is_server_error() || status == 429 {
        return Err(Trouble::Host(format!("it answers {}", status.as_u16())));
    }
    if status == 401 {
        return Err(Trouble::Unauthorized("its host answers 401".to_owned()));
    }
    if !status.is_success() {
        return Err(Trouble::Repository(format!("its host answers {}", status.as_u16())));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + part.len() > MAX_BODY {
            let message = format!("its host's answer has more than {MAX_BODY} bytes");
            return Err(Trouble::Repository(message));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

fn failed(error: &reqwest::Error) -> Trouble {
    let what = if error.is_connect() {
        "it cannot be reached"
    } else if error.is_timeout() {
        "it did not answer in time"
    } else {
        "it did not answer"
    };
    Trouble::Host(what.to_owned())
}

/// The lines of an answer, each without its end.
fn lines(mut body: &[u8]) -> Result<Vec<&[u8]>, Trouble> {
    let wrong = || Trouble::Repository("what its host answers is not git's protocol".to_owned());
    let mut lines = Vec::new();
    while !body.is_empty() {
        let decode::Stream::Complete { line, bytes_consumed } =
            decode::streaming(body).map_err(|_| wrong())?
        else {
            return Err(wrong());
        };
        if let PacketLineRef::Data(data) = line {
            lines.push(data.strip_suffix(b"\n").unwrap_or(data));
        }
        body = body.get(bytes_consumed..).ok_or_else(wrong)?;
    }
    Ok(lines)
}

fn speaks_version_2(body: &[u8]) -> Result<bool, Trouble> {
    Ok(lines(body)?.iter().take(3).any(|line| *line == b"version 2"))
}

/// Reads refs in either version: `<id> <ref>`, then what is said of it: after a space in the newer one,
/// after a NUL, and of the first alone, in the older.
fn read(body: &[u8]) -> Result<Shown, Trouble> {
    let mut shown = Shown::default();
    for line in lines(body)? {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        let (text, capabilities) = text.split_once('\0').unwrap_or((text, ""));
        let mut words = text.split(' ');
        let (Some(id), Some(name)) = (words.next(), words.next()) else { continue };
        let targets = words
            .filter_map(|word| word.strip_prefix("symref-target:"))
            .chain(capabilities.split(' ').filter_map(|word| word.strip_prefix("symref=HEAD:")));
        if name == "HEAD" || !capabilities.is_empty() {
            let branch = targets.filter_map(|target| target.strip_prefix("refs/heads/")).next();
            shown.default_branch = branch.map(str::to_owned).or(shown.default_branch);
        }
        if let (Ok(commit), Some(branch)) = (validate::commit(id), name.strip_prefix("refs/heads/"))
            && validate::branch(branch).is_ok()
        {
            shown.heads.insert(branch.to_owned(), commit);
        }
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(lines: &[&str]) -> Vec<u8> {
        let line = |line: &&str| format!("{:04x}{line}", line.len() + 4);
        lines.iter().map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn both_versions_of_the_protocol_say_the_same() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let shown = Shown {
            heads: [("main".to_owned(), one.clone()), ("a/b".to_owned(), two.clone())].into(),
            default_branch: Some("main".to_owned()),
        };
        let newer = framed(&[
            &format!("{one} HEAD symref-target:refs/heads/main\n"),
            &format!("{two} refs/heads/a/b\n"),
            &format!("{one} refs/heads/main\n"),
        ]);
        assert_eq!(read(&[newer, b"0000".to_vec()].concat()).unwrap(), shown);
        let older = framed(&[
            "# service=git-upload-pack\n",
            &format!("{one} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git/2\n"),
            &format!("{two} refs/heads/a/b\n"),
            &format!("{one} refs/heads/main\n"),
            &format!("{two} refs/pull/1/head\n"),
            &format!("{two} refs/heads/bad..name\n"),
        ]);
        assert_eq!(read(&older).unwrap(), shown);
        assert!(!speaks_version_2(&older).unwrap());
        let capabilities = framed(&["# service=git-upload-pack\n", "version 2\n", "ls-refs\n"]);
        assert!(speaks_version_2(&capabilities).unwrap());
    }

    #[test]
    fn what_is_not_the_protocol_is_said_to_be_none() {
        for body in [&b"<html>"[..], b"zzzz", b"0009ab", b"0003", b"0004"] {
            assert!(matches!(read(body), Err(Trouble::Repository(_))), "{body:?}");
        }
        assert_eq!(read(b""), Ok(Shown::default()));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(read(&body));
        }

        #[test]
        fn any_lines_are_read(lines in prop::collection::vec("[ -~\\x00]{1,60}", 0..20)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert!(read(&framed(&lines)).is_ok());
        }
    }
}
