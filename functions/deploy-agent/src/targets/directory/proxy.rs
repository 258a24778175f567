//! The reverse proxy that services are behind: what is asked of it, and what it answers.
//!
//! It belongs to the machine and not to an installation on AWS: the agent has one where a variable
//! names the file with the proxy's address and token. Everything that is asked can be repeated, so a
//! proxy that is away, because it was killed and is started again, is asked again for a while.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use pact_agent::AgentError;
use pact_contract::error::ErrorName;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{net::TcpStream, time::Instant};

/// How long a proxy that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one answer may take: ending a service waits for its last requests.
const ANSWERS: Duration = Duration::from_secs(90);
/// Most bytes of an answer.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The proxy, by the file that says how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    file: PathBuf,
}

#[derive(Deserialize)]
struct Announcement {
    url: String,
    token: String,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Asked<T> {
    Done(T),
    Refused(Problem),
}

/// Why the proxy did not do it.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    /// Its stable name.
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) detail: String,
}

/// What an instance is started with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Spec {
    pub(crate) command: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) data: Vec<PathBuf>,
    pub(crate) log: PathBuf,
    pub(crate) startup_ms: u64,
    pub(crate) probe_ms: u64,
    pub(crate) settle_ms: u64,
    pub(crate) probes: Vec<Probe>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// What an instance has to answer before it gets a request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Probe {
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) contains: Option<String>,
    pub(crate) give_up_after: u32,
}

/// How the requests are shared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Weights {
    pub(crate) weights: BTreeMap<String, u32>,
    pub(crate) keep_ms: Option<u64>,
    pub(crate) drain_ms: u64,
}

/// A service as it stands.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) port: u16,
    pub(crate) url: String,
    pub(crate) listening: bool,
    pub(crate) instances: BTreeMap<String, Instance>,
}

/// An instance as it stands.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Instance {
    pub(crate) phase: Phase,
    pub(crate) weight: u32,
    /// Its own address, while it takes requests.
    #[serde(default)]
    pub(crate) url: Option<String>,
    pub(crate) restarts: u32,
    pub(crate) last_end: Option<End>,
    pub(crate) failure: Option<Failure>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Starting,
    Ready,
    Restarting,
    Failed,
    Ending,
}

/// When and how an instance ended by itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) how: String,
}

/// Why an instance was never ready.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

/// What kept an instance from being ready.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureKind {
    NotStarted,
    Exited,
    NotListening,
    ProbeFailed,
}

impl Proxy {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned() }
    }

    /// The service of this name, where there is one.
    pub(crate) async fn service(&self, name: &str) -> Result<Option<Service>, AgentError> {
        match self.ask(Method::GET, &service_path(name), &()).await? {
            Asked::Done(service) => Ok(Some(service)),
            Asked::Refused(problem) if problem.code == "not-found" => Ok(None),
            Asked::Refused(problem) => Err(problem.fault("look at the service")),
        }
    }

    /// Makes the service, or moves it to another port.
    pub(crate) async fn put_service(
        &self,
        name: &str,
        port: Option<u16>,
    ) -> Result<Asked<Service>, AgentError> {
        let wanted = BTreeMap::from([("port", port)]);
        self.ask(Method::PUT, &service_path(name), &wanted).await
    }

    /// Starts an instance beside the others.
    pub(crate) async fn put_instance(
        &self,
        name: &str,
        id: &str,
        spec: &Spec,
    ) -> Result<Asked<Service>, AgentError> {
        self.ask(Method::PUT, &instance_path(name, id), spec).await
    }

    /// Shares the requests anew, in one step.
    pub(crate) async fn weigh(
        &self,
        name: &str,
        weights: &Weights,
    ) -> Result<Asked<Service>, AgentError> {
        self.ask(Method::PUT, &format!("{}/weights", service_path(name)), weights).await
    }

    /// Begins to drain and end an instance.
    pub(crate) async fn end_instance(
        &self,
        name: &str,
        id: &str,
        drain_ms: u64,
    ) -> Result<(), AgentError> {
        let ending = BTreeMap::from([("drain_ms", drain_ms)]);
        match self.ask(Method::DELETE, &instance_path(name, id), &ending).await? {
            Asked::Done(()) => Ok(()),
            Asked::Refused(problem) => Err(problem.fault("end an instance of the service")),
        }
    }

    /// Ends the service and its instances, and waits for it.
    pub(crate) async fn end_service(&self, name: &str, drain_ms: u64) -> Result<(), AgentError> {
        let ending = BTreeMap::from([("drain_ms", drain_ms)]);
        match self.ask(Method::DELETE, &service_path(name), &ending).await? {
            Asked::Done(()) => Ok(()),
            Asked::Refused(problem) => Err(problem.fault("end the service")),
        }
    }

    async fn ask<T: DeserializeOwned + 'static>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Asked<T>, AgentError> {
        let body = serde_json::to_vec(body)
            .map_err(|e| AgentError::internal("a request to the proxy has no JSON").caused_by(e))?;
        let body = Bytes::from(body);
        let until = Instant::now() + PATIENCE;
        let (status, answer) = loop {
            match self.send(method.clone(), path, body.clone()).await {
                Ok(answer) => break answer,
                Err(reason) if Instant::now() >= until => return Err(self.away(&reason)),
                Err(reason) => tracing::debug!(reason, "the reverse proxy is asked again"),
            }
            tokio::time::sleep(PAUSE).await;
        };
        let unreadable = |error| self.away(&format!("its answer cannot be read: {error}"));
        if !status.is_success() {
            let problem = serde_json::from_slice::<Problem>(&answer).map_err(unreadable)?;
            return Ok(Asked::Refused(problem));
        }
        let answer = if answer.is_empty() { Bytes::from_static(b"null") } else { answer };
        serde_json::from_slice(&answer).map(Asked::Done).map_err(unreadable)
    }

    fn away(&self, reason: &str) -> AgentError {
        AgentError::new(
            ErrorName::DeployFailed,
            format!(
                "the reverse proxy of {} does not do its part: {reason}; `pactctl up` starts it",
                self.file.display()
            ),
        )
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        // It is read each time: the next proxy may have another address.
        let text = tokio::fs::read(&self.file).await.map_err(|e| format!("it is not up ({e})"))?;
        let Announcement { url, token } = serde_json::from_slice(&text).map_err(text_of)?;
        let address = url.strip_prefix("http://").ok_or("its address is not known")?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, address)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(text_of)?;
        let answered = async {
            let stream = TcpStream::connect(address).await.map_err(text_of)?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(text_of)?;
            let exchange = async {
                let (parts, body) = sender.send_request(request).await?.into_parts();
                Ok::<_, hyper::Error>((parts.status, Limited::new(body, MAX_ANSWER)))
            };
            // The connection ends with the exchange.
            let both = async {
                let (status, body) = exchange.await.map_err(text_of)?;
                let body = body.collect().await.map_err(text_of)?;
                Ok((status, body.to_bytes()))
            };
            tokio::select! {
                answer = both => answer,
                ended = connection => Err(format!("the connection ended: {ended:?}")),
            }
        };
        match tokio::time::timeout(ANSWERS, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", ANSWERS.as_secs())),
        }
    }
}

impl Problem {
    /// The refusal as a fault of this action.
    pub(crate) fn fault(&self, what: &str) -> AgentError {
        let Self { code, detail } = self;
        let message = format!("the reverse proxy does not {what}: {detail} ({code})");
        AgentError::new(ErrorName::DeployFailed, message)
    }
}

fn service_path(name: &str) -> String {
    format!("/v1/services/{name}")
}

fn instance_path(name: &str, id: &str) -> String {
    format!("{}/instances/{id}", service_path(name))
}

fn text_of(error: impl ToString) -> String {
    error.to_string()
}
