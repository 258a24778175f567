//! One request, forwarded.
//!
//! Bodies stream both ways. Headers that are for one connection stay on it (RFC 9110, 7.6.1); the
//! instance is told who asked (`X-Forwarded-For`, `-Host`, `-Proto`, `Via`).
//!
//! A request of which nothing was sent, because the instance takes no connection, goes to the next
//! one. So does one that may be repeated (RFC 9110, 9.2.2) and has no body, when the connection ends
//! before the answer begins. An answer that did not come from the instance whose turn it was says so
//! in `Proxy-Status` (RFC 9209), with the `error` of that instance: it proves nothing about it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Frame, Incoming, SizeHint},
    header::{
        CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue, RETRY_AFTER, TE,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
    http::{request, uri::PathAndQuery},
};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use serde_json::json;

use crate::{
    balance::{Backend, Balancer, InFlight},
    sync::lock,
    traffic,
};

/// What a client gets.
pub(crate) type Answer = Response<Either<Full<Bytes>, Counted>>;

/// Name in `Via` and `Proxy-Status`.
const NAME: &str = "local-proxy";
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Headers of one connection, besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    TRANSFER_ENCODING,
    UPGRADE,
];
/// How long a connection to an instance may take.
const CONNECTS: Duration = Duration::from_secs(2);
/// A kept connection is used again within this time: servers close idle ones after some seconds, and
/// whoever sends at that moment loses.
const IDLE: Duration = Duration::from_millis(1500);
/// Kept connections to an instance.
const MAX_IDLE: usize = 64;
/// Largest head of an answer.
const MAX_HEAD: usize = 64 * 1024;

/// Connections to instances.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// For what may be repeated.
    kept: Client<HttpConnector, Relay>,
    /// For what must not: each has a connection of its own, which is not just being closed.
    fresh: Client<HttpConnector, Relay>,
    /// How long the head of an answer may take.
    patience: Duration,
}

impl Upstream {
    pub(crate) fn new(patience: Duration) -> Self {
        let client = |idle| {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(CONNECTS));
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(idle)
                .http1_max_buf_size(MAX_HEAD)
                .set_host(false)
                .build(connector)
        };
        Self { kept: client(MAX_IDLE), fresh: client(0), patience }
    }

    /// Asks one instance.
    async fn ask(
        &self,
        address: SocketAddr,
        head: &Head,
        body: Relay,
    ) -> Result<Response<Incoming>, Missed> {
        let client = if head.repeatable { &self.kept } else { &self.fresh };
        let request = head.request(address, body).ok_or(Missed::Unsendable)?;
        match tokio::time::timeout(self.patience, client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Missed::from_error(&error)),
            Err(_) => Err(Missed::TimedOut),
        }
    }
}

/// Why an instance did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    /// It was not ready.
    NotReady,
    /// It took no connection: nothing was sent.
    Refused,
    /// The connection ended, or what came was no HTTP.
    Broken,
    /// The answer did not begin in time.
    TimedOut,
    /// The request cannot be put in a form that can be sent.
    Unsendable,
}

impl Missed {
    fn from_error(error: &legacy::Error) -> Self {
        if error.is_connect() { Self::Refused } else { Self::Broken }
    }

    /// The error type of RFC 9209.
    fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "destination_unavailable",
            Self::Refused => "connection_refused",
            Self::Broken => "connection_terminated",
            Self::TimedOut => "http_response_timeout",
            Self::Unsendable => "http_request_error",
        }
    }
}

/// Forwards a request to whose turn it is.
pub(crate) async fn forward(
    balancer: &Balancer,
    upstream: &Upstream,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if request.method() == Method::CONNECT {
        return Ok(problem(StatusCode::NOT_IMPLEMENTED, "this is no proxy for other hosts"));
    }
    let Some(pick) = balancer.pick() else {
        return Ok(unavailable("no release serves this address"));
    };
    let to_upgrade = upgrade_of(request.headers());
    let on_client = to_upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let (counts, begun) = (!traffic::is_check(&parts.headers), Instant::now());
    let tell = |backend: &Backend, status| {
        if counts {
            backend.traffic.add(status, begun.elapsed());
        }
    };
    let head = Head::new(parts, peer, to_upgrade, &body);
    let body = Arc::new(Shared { body: Mutex::new(body), touched: AtomicBool::new(false) });

    let starts_with = |backend: &Arc<Backend>| Arc::ptr_eq(backend, &pick.chosen);
    let mut missed = None;
    if !pick.ways.first().is_some_and(|(backend, _)| starts_with(backend)) {
        pick.chosen.missed.fetch_add(1, Ordering::Relaxed);
        tell(&pick.chosen, None);
        missed = Some((Missed::NotReady, Arc::clone(&pick.chosen)));
    }
    let mut first = pick.first;
    for (backend, address) in &pick.ways {
        let in_flight = first.take().unwrap_or_else(|| backend.enter());
        let why = match upstream.ask(*address, &head, Relay(Arc::clone(&body))).await {
            Ok(response) => {
                backend.answered.fetch_add(1, Ordering::Relaxed);
                tell(backend, Some(response.status()));
                let from = missed.as_ref().map(|(why, whose)| (*why, whose.as_ref()));
                return Ok(answer(response, on_client, in_flight, from));
            }
            Err(why) => why,
        };
        backend.missed.fetch_add(1, Ordering::Relaxed);
        tell(backend, None);
        tracing::debug!(instance = backend.id, why = why.as_str(), "did not answer");
        let again = match why {
            Missed::Refused => !body.touched.load(Ordering::SeqCst),
            Missed::Broken => head.repeatable,
            Missed::NotReady | Missed::TimedOut | Missed::Unsendable => false,
        };
        missed.get_or_insert((why, Arc::clone(backend)));
        if !again {
            return Ok(failed(why, &backend.id));
        }
    }
    Ok(match missed {
        Some((why @ (Missed::Refused | Missed::Broken), whose)) => failed(why, &whose.id),
        _ => unavailable("the release that serves this address is being started"),
    })
}

/// The head of a request as every instance is asked.
struct Head {
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    /// It has no body, and asking twice is as good as asking once.
    repeatable: bool,
}

impl Head {
    fn new(
        parts: request::Parts,
        peer: SocketAddr,
        to_upgrade: Option<HeaderValue>,
        body: &Incoming,
    ) -> Self {
        let request::Parts { method, uri, mut headers, version, .. } = parts;
        let trailers = headers.get_all(TE).iter().any(|te| {
            te.to_str()
                .is_ok_and(|te| te.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers")))
        });
        strip(&mut headers);
        headers.remove(TE);
        // It is answered here, when the body is first asked for.
        headers.remove(EXPECT);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        if !headers.contains_key(HOST)
            && let Some(host) = uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok())
        {
            headers.insert(HOST, host);
        }
        if let Some(host) = headers.get(HOST).cloned() {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
        headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
        append(&mut headers, FORWARDED_FOR, &peer.ip().to_string());
        let spoken = if version == Version::HTTP_10 { "1.0" } else { "1.1" };
        append(&mut headers, VIA, &format!("{spoken} {NAME}"));
        let upgrades = to_upgrade.is_some();
        if let Some(protocol) = to_upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, protocol);
        }
        let safe = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let path = uri.path_and_query().cloned();
        Self {
            repeatable: safe && !upgrades && body.is_end_stream(),
            method,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            headers,
        }
    }

    fn request(&self, address: SocketAddr, body: Relay) -> Option<Request<Relay>> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(address.to_string())
            .path_and_query(self.path.clone())
            .build()
            .ok()?;
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }
}

/// Removes what is for one connection only.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Adds an element to a header that is a list.
fn append(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let before: Vec<_> = headers.get_all(&name).iter().filter_map(|v| v.to_str().ok()).collect();
    let all = before.into_iter().chain([element]).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(name, value);
    }
}

/// The protocol that a request, or its answer, changes to.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers.get_all(CONNECTION).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|v| v.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade")))
    });
    headers.get(UPGRADE).filter(|_| asks).cloned()
}

/// What the instance answered, for the client.
fn answer(
    mut response: Response<Incoming>,
    on_client: Option<hyper::upgrade::OnUpgrade>,
    in_flight: InFlight,
    missed: Option<(Missed, &Backend)>,
) -> Answer {
    let protocol = upgrade_of(response.headers());
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    strip(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    if let Some((why, whose)) = missed {
        let text =
            format!("{NAME}; error={}; details=\"{} did not answer\"", why.as_str(), whose.id);
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(PROXY_STATUS, value);
        }
    }
    if !upgraded {
        return response.map(|body| Either::Right(Counted { body, _in_flight: in_flight }));
    }
    let (Some(on_client), Some(protocol)) = (on_client, protocol) else {
        return problem(StatusCode::BAD_GATEWAY, "the release changes to a protocol unasked");
    };
    let on_instance = hyper::upgrade::on(&mut response);
    tokio::spawn(tunnel(on_client, on_instance, in_flight));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, protocol);
    response.map(|_| Either::Left(Full::default()))
}

/// Carries bytes both ways until both sides have ended.
async fn tunnel(
    on_client: hyper::upgrade::OnUpgrade,
    on_instance: hyper::upgrade::OnUpgrade,
    _in_flight: InFlight,
) {
    let (client, instance) = match tokio::try_join!(on_client, on_instance) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "a connection was not upgraded");
            return;
        }
    };
    let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut instance).await {
        tracing::debug!(%error, "an upgraded connection was cut");
    }
}

fn failed(why: Missed, instance: &str) -> Answer {
    let (status, what) = match why {
        Missed::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "did not answer in time"),
        Missed::Refused => (StatusCode::BAD_GATEWAY, "takes no connection"),
        Missed::NotReady | Missed::Broken | Missed::Unsendable => {
            (StatusCode::BAD_GATEWAY, "ended the connection before it answered")
        }
    };
    let mut answer = problem(status, &format!("the release {what}"));
    let text = format!("{NAME}; error={}; details=\"{instance} did not answer\"", why.as_str());
    if let Ok(value) = HeaderValue::from_str(&text) {
        answer.headers_mut().insert(PROXY_STATUS, value);
    }
    answer
}

fn unavailable(detail: &str) -> Answer {
    let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    let text = format!("{NAME}; error=destination_unavailable");
    if let Ok(value) = HeaderValue::from_str(&text) {
        answer.headers_mut().insert(PROXY_STATUS, value);
    }
    answer
}

/// Problem details, as RFC 9457 has them.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Answer {
    let body = json!({
        "status": status.as_u16(), "title": status.canonical_reason(), "detail": detail,
    });
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(body.to_string()))));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// A request's body, which can be given to another instance as long as nobody has read of it.
#[derive(Debug)]
struct Shared {
    body: Mutex<Incoming>,
    touched: AtomicBool,
}

/// The body as one instance gets it.
#[derive(Debug)]
pub(crate) struct Relay(Arc<Shared>);

impl Body for Relay {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.touched.store(true, Ordering::SeqCst);
        Pin::new(&mut *lock(&self.0.body)).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0.body).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0.body).size_hint()
    }
}

/// An answer's body: the request is in flight until it has ended.
#[derive(Debug)]
pub(crate) struct Counted {
    body: Incoming,
    _in_flight: InFlight,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
