//! The Lambda Runtime API of one instance: where its process asks for events and answers them.
//!
//! Every instance has a listener of its own. Who asks is told by where they ask, so a program needs
//! nothing but `host:port`, as on AWS; and that address is known to the process alone, see
//! [`loopback`].

use crate::{loopback, sync::lock};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
};

/// A runtime needs one connection, or one for each request.
const MAX_CONNECTIONS: usize = 64;
/// The pause after a connection could not be accepted: there are too many open files.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What a runtime posts about its invocation.
#[derive(Debug)]
pub(crate) enum Reply {
    Response(Bytes),
    Error(Bytes),
    TooLarge,
}

/// What an invocation is known by to the function.
#[derive(Debug, Clone)]
pub(crate) struct InvocationContext {
    pub(crate) request_id: String,
    /// Header of the trace that it is part of.
    pub(crate) trace: String,
    /// The version that serves it.
    pub(crate) version: String,
    /// The ARN that was invoked, with the qualifier that the caller gave.
    pub(crate) arn: String,
    /// What the caller tells of itself, as JSON.
    pub(crate) client_context: Option<String>,
}

impl InvocationContext {
    /// A new invocation, in this trace or in one of its own.
    pub(crate) fn new(
        arn: String,
        version: &str,
        trace: Option<&str>,
        client_context: Option<String>,
    ) -> Self {
        let version = version.to_owned();
        let trace = match trace.filter(|header| header.starts_with("Root=")) {
            Some(header) => header.to_owned(),
            None => {
                let id = uuid::Uuid::new_v4().simple().to_string();
                let (head, tail) = id.split_at_checked(8).unwrap_or_default();
                format!("Root=1-{head}-{tail};Sampled=0")
            }
        };
        let request_id = uuid::Uuid::new_v4().to_string();
        InvocationContext { request_id, trace, version, arn, client_context }
    }
}

/// An invocation on its way to the process.
pub(crate) struct Work {
    pub(crate) context: InvocationContext,
    pub(crate) payload: Bytes,
    pub(crate) deadline_ms: i64,
    pub(crate) reply: oneshot::Sender<Reply>,
    pub(crate) delivered: Arc<AtomicBool>,
}

/// How far an instance has come.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    Starting,
    Ready,
    InitFailed(Bytes),
}

/// The API of one instance, served until this is dropped.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    work: mpsc::Sender<Work>,
    exchange: Arc<Exchange>,
    server: JoinHandle<()>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What passes between the host and the process.
struct Exchange {
    /// The host header of whoever asks for this address.
    host: String,
    max_payload: usize,
    work: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    current: Mutex<Option<(String, oneshot::Sender<Reply>)>>,
    phase: watch::Sender<Phase>,
}

impl RuntimeApi {
    /// Listens; the process may be started now, and told the address.
    pub(crate) fn open(max_payload: usize) -> io::Result<RuntimeApi> {
        let listener = TcpListener::from_std(loopback::listen()?)?;
        let address = listener.local_addr()?;
        let (work, receiver) = mpsc::channel(1);
        let exchange = Arc::new(Exchange {
            host: address.to_string(),
            max_payload,
            work: tokio::sync::Mutex::new(receiver),
            current: Mutex::new(None),
            phase: watch::Sender::new(Phase::Starting),
        });
        let server = tokio::spawn(serve(listener, router(Arc::clone(&exchange))));
        Ok(RuntimeApi { address, work, exchange, server })
    }

    /// What the process is told.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How far the process has come, now and later.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.exchange.phase.subscribe()
    }

    /// Hands an invocation over. False when the process has not taken the one before.
    pub(crate) fn send(&self, work: Work) -> bool {
        self.work.try_send(work).is_ok()
    }

    /// Nobody waits for the invocation any more.
    pub(crate) fn forget(&self) {
        lock(&self.exchange.current).take();
    }
}

/// With the names of headers written as Lambda writes them: a script may look for just that.
async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(router.clone());
                    let mut http = http1::Builder::new();
                    let connection =
                        http.title_case_headers(true).serve_connection(TokioIo::new(stream), service);
                    connections.spawn(async move {
                        // The process may end in the middle of a request.
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "a connection to the Runtime API broke");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the Runtime API cannot accept a connection");
                    tokio::time::sleep(BACK_OFF).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"errorType": self.1, "errorMessage": self.2}))).into_response()
    }
}

fn router(exchange: Arc<Exchange>) -> Router {
    const BASE: &str = "/2018-06-01/runtime";
    Router::new()
        .route(&format!("{BASE}/invocation/next"), get(next))
        .route(&format!("{BASE}/invocation/{{request}}/response"), post(response))
        .route(&format!("{BASE}/invocation/{{request}}/error"), post(error))
        .route(&format!("{BASE}/init/error"), post(init_error))
        .layer(middleware::from_fn_with_state(Arc::clone(&exchange), only_the_process))
        .with_state(exchange)
}

/// No page in a browser gets here, whatever it knows: it says that it is one, or which name it has
/// given this address.
async fn only_the_process(
    State(exchange): State<Arc<Exchange>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    let page = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    let renamed = headers.get(header::HOST).is_some_and(|host| host != exchange.host.as_str());
    if page || renamed {
        return Err(Refusal(StatusCode::FORBIDDEN, "Forbidden", "only the instance may ask here"));
    }
    Ok(next.run(request).await)
}

async fn next(State(exchange): State<Arc<Exchange>>) -> Result<Response, Refusal> {
    exchange.phase.send_if_modified(|phase| {
        let starting = matches!(phase, Phase::Starting);
        if starting {
            *phase = Phase::Ready;
        }
        starting
    });
    let work = exchange.work.lock().await.recv().await;
    let work = work.ok_or(Refusal(StatusCode::GONE, "Gone", "the host ends"))?;
    work.delivered.store(true, Ordering::SeqCst);
    *lock(&exchange.current) = Some((work.context.request_id.clone(), work.reply));
    let headers = [
        ("lambda-runtime-aws-request-id", Some(work.context.request_id)),
        ("lambda-runtime-deadline-ms", Some(work.deadline_ms.to_string())),
        ("lambda-runtime-invoked-function-arn", Some(work.context.arn)),
        ("lambda-runtime-trace-id", Some(work.context.trace)),
        ("lambda-runtime-client-context", work.context.client_context),
        ("content-type", Some("application/json".to_owned())),
    ];
    let mut response = Response::new(Body::from(work.payload));
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The body, or nothing when it is over the limit. It is read even then, up to a bound: who is cut
/// off in the middle of sending would take that for a broken connection.
async fn read(exchange: &Exchange, body: Body) -> Option<Bytes> {
    let read = axum::body::to_bytes(body, exchange.max_payload.saturating_mul(8)).await;
    read.ok().filter(|body| body.len() <= exchange.max_payload)
}

async fn response(
    State(exchange): State<Arc<Exchange>>,
    Path(request): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read(&exchange, body).await;
    let large = body.is_none();
    finish(&exchange, &request, body.map_or(Reply::TooLarge, Reply::Response))?;
    if large {
        let message = "Exceeded maximum allowed payload size";
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message));
    }
    Ok(accepted())
}

async fn error(
    State(exchange): State<Arc<Exchange>>,
    Path(request): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read(&exchange, body).await;
    finish(&exchange, &request, body.map_or(Reply::TooLarge, Reply::Error))?;
    Ok(accepted())
}

async fn init_error(State(exchange): State<Arc<Exchange>>, body: Body) -> Response {
    let body = read(&exchange, body).await.unwrap_or_default();
    exchange.phase.send_replace(Phase::InitFailed(body));
    accepted()
}

fn finish(exchange: &Exchange, request: &str, reply: Reply) -> Result<(), Refusal> {
    let mut current = lock(&exchange.current);
    match current.take_if(|(id, _)| id == request) {
        // Nobody listens when the time limit has just passed.
        Some((_, to_caller)) => {
            to_caller.send(reply).ok();
            Ok(())
        }
        None => Err(Refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")),
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_stays_in_its_trace_or_begins_one() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let of = |trace| InvocationContext::new(String::new(), "1", trace, None).trace;
        assert_eq!(of(Some(header)), header);
        let (one, other) = (of(None), of(Some("whatever")));
        assert!(one.starts_with("Root=1-") && other.starts_with("Root=1-"));
        assert_ne!(one, other);
    }

    #[tokio::test]
    async fn a_page_in_a_browser_takes_no_event() {
        let api = RuntimeApi::open(1000).unwrap();
        let address = api.address();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{address}/2018-06-01/runtime/invocation/next");
        let reply = oneshot::channel().0;
        let context = InvocationContext::new("arn".to_owned(), "1", None, None);
        let (payload, delivered) = (Bytes::from_static(b"{}"), Arc::new(AtomicBool::new(false)));
        assert!(api.send(Work { context, payload, deadline_ms: 1, reply, delivered }));
        for (name, value) in [
            ("origin", format!("http://{address}")),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("host", format!("evil.example:{}", address.port())),
        ] {
            let answer = client.get(&url).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{name}");
        }
        assert!(matches!(*api.phase().borrow(), Phase::Starting), "it counts as started");
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.headers()["lambda-runtime-invoked-function-arn"], "arn");
        assert!(matches!(*api.phase().borrow(), Phase::Ready));
        drop(api);
        assert!(client.get(&url).send().await.is_err(), "it is served on");
    }
}
