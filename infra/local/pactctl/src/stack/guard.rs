//! Who gets through the stack's two ports: programs on this machine, and the stack's own pages.
//!
//! Every page that a browser shows can send requests to loopback, and what the ports reach runs
//! commands. A browser says where a request comes from, in headers that no page can change, so each
//! request is judged by them before anything reads it:
//!
//! - **Host** is a name of this machine. A page whose own name was made to lead here (DNS rebinding)
//!   still carries that name.
//! - **Origin** and **Sec-Fetch-Site** name no other origin than this very port. Only following a
//!   link to a page is allowed from anywhere.
//! - **Content-Type** is none that a form could have, unless the stack's own page sends it or a
//!   signature vouches for what is sent.
//!
//! What gets through is not known to be anybody in particular. Credentials are a question behind
//! this one; [`Guard::admit`] is the one place that every request to either port passes.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Uri,
        header::{self, HeaderName},
        request::Parts,
        uri::Authority,
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use pact_contract::problems::{self, ProblemCode};
use pact_web::Problem;
use serde_json::json;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// How the header of a signature begins.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 ";

/// The content types that a page may send anywhere without asking first.
const FORMS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// What judges the requests of one port.
#[derive(Clone)]
pub(crate) struct Guard {
    port: Port,
    names: Arc<BTreeSet<String>>,
}

#[derive(Clone, Copy)]
enum Port {
    /// Pages, and an API for programs; below these paths every request carries a signature.
    Pages { signed: &'static [&'static str] },
    /// An API for programs alone.
    Programs,
}

impl Guard {
    /// Of a port with pages. Below the paths of `signed`, every request carries a signature.
    pub(crate) fn pages(names: &[String], signed: &'static [&'static str]) -> Self {
        Self::new(Port::Pages { signed }, names)
    }

    /// Of a port that has no pages.
    pub(crate) fn programs(names: &[String]) -> Self {
        Self::new(Port::Programs, names)
    }

    /// `names` are hosts that lead to this machine, besides its own.
    fn new(port: Port, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { port, names: Arc::new(names) }
    }

    /// Puts the router behind this guard.
    pub(crate) fn before(self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self, judge))
    }

    /// Whether a request may go on.
    fn admit(&self, request: &Parts) -> Result<(), Refusal> {
        let host = self.host(&request.uri, &request.headers)?;
        let own_page = self.origin(&request.headers, &host)?;
        self.site(request)?;
        self.content_type(request, own_page)
    }

    /// The host that the request is for, in lower case.
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Refusal::host("the request needs one Host header"));
        };
        let host = host.to_str().map(str::to_ascii_lowercase).unwrap_or_default();
        // A request that is meant for a proxy names it twice.
        if uri.authority().is_some_and(|named| !named.as_str().eq_ignore_ascii_case(&host)) {
            return Err(Refusal::host("the request names two hosts"));
        }
        let name = host.parse::<Authority>().ok().filter(|_| !host.contains('@'));
        let known = name.is_some_and(|authority| {
            let name = authority.host();
            let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            name == "localhost"
                || address.is_ok_and(|address| address.is_loopback())
                || self.names.contains(name)
        });
        if known {
            return Ok(host);
        }
        let shown: String = host.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
        Err(Refusal::host(format!(
            "{shown:?} is no name of this machine; `pactctl up --allow-host NAME` makes it one"
        )))
    }

    /// Whether a page of this port sends the request.
    fn origin(&self, headers: &HeaderMap, host: &str) -> Result<bool, Refusal> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(false) };
        let authority = origin.to_str().ok().and_then(|origin| {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
        });
        let own = authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host));
        match self.port {
            Port::Pages { .. } if own && origins.next().is_none() => Ok(true),
            _ => Err(Refusal::page()),
        }
    }

    fn site(&self, request: &Parts) -> Result<(), Refusal> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(site) = request.headers.get(FETCH_SITE) else { return Ok(()) };
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        // Into a window of its own, not a frame of somebody's page.
        let followed_link = reads
            && header("sec-fetch-mode") == Some("navigate")
            && header("sec-fetch-dest") == Some("document");
        match (self.port, site.to_str()) {
            // Typed by whoever sits there.
            (_, Ok("none")) => Ok(()),
            (Port::Pages { .. }, Ok("same-origin")) => Ok(()),
            (Port::Pages { .. }, _) if followed_link => Ok(()),
            _ => Err(Refusal::page()),
        }
    }

    fn content_type(&self, request: &Parts, own_page: bool) -> Result<(), Refusal> {
        if matches!(request.method, Method::GET | Method::HEAD) || own_page {
            return Ok(());
        }
        if let Port::Pages { signed } = self.port
            && signed.iter().any(|below| request.uri.path().starts_with(below))
        {
            return Ok(());
        }
        // What is signed in a header was not sent by a form: a page would have to ask first.
        let header = |name| request.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let signed = header(header::AUTHORIZATION).is_some_and(|a| a.starts_with(SIGNATURE));
        if matches!(self.port, Port::Programs) && signed {
            return Ok(());
        }
        let form = request.headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            let essence = value.split([';', ',']).next().unwrap_or_default().trim();
            FORMS.contains(&essence)
        });
        if form { Err(Refusal::form()) } else { Ok(()) }
    }
}

async fn judge(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match guard.admit(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => {
            tracing::warn!(
                method = %parts.method, path = parts.uri.path(), reason = refusal.message,
                "a request was refused"
            );
            refusal.answer(guard.port)
        }
    };
    // No page of another origin shows or runs what is answered, in browsers of any age.
    let own = HeaderValue::from_static("same-origin");
    response.headers_mut().entry(RESOURCE_POLICY).or_insert(own);
    response
}

/// Why a request may not go on.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    /// As AWS would name it, to programs that ask as they ask AWS.
    aws: &'static str,
    /// As problem details name it.
    code: ProblemCode,
    message: String,
}

impl Refusal {
    fn host(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::MISDIRECTED_REQUEST,
            aws: "AccessDeniedException",
            code: problems::HOST_UNKNOWN,
            message: message.into(),
        }
    }

    fn page() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            aws: "AccessDeniedException",
            code: problems::NOT_FROM_A_PAGE,
            message: "the request comes from a page of another origin".to_owned(),
        }
    }

    fn form() -> Self {
        Self {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            aws: "UnsupportedMediaTypeException",
            code: problems::INVALID_REQUEST,
            message: "any page could send this content type: send JSON as `content-type: \
                      application/json`"
                .to_owned(),
        }
    }

    /// The refusal in the form that whoever asks at this port reads.
    fn answer(self, port: Port) -> Response {
        match port {
            Port::Pages { .. } => {
                Problem::new(self.status, self.code, self.message).into_response()
            }
            Port::Programs => {
                let body = Json(json!({ "__type": self.aws, "message": self.message }));
                (self.status, [("x-amzn-errortype", self.aws)], body).into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const OURS: &str = "127.0.0.1:8787";

    /// Status of the refusal; 200 for what gets through.
    fn status(guard: &Guard, request: &str, headers: &[(&str, &str)]) -> u16 {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let mut built = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            built = built.header(*name, *value);
        }
        let (parts, _) = built.body(Body::empty()).expect("a request").into_parts();
        guard.admit(&parts).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    fn both() -> [Guard; 2] {
        let names = ["Tunnel.example".to_owned()];
        [Guard::pages(&names, &["/webhooks/"]), Guard::programs(&names)]
    }

    #[test]
    fn a_host_that_is_no_name_of_this_machine_is_refused() {
        for guard in both() {
            for host in [
                OURS,
                "localhost:8787",
                "LOCALHOST",
                "[::1]:8787",
                "127.9.8.7",
                "localhost:1",
                "tunnel.example",
                "tunnel.example:443",
            ] {
                assert_eq!(status(&guard, "GET /", &[("host", host)]), 200, "{host}");
            }
            for host in [
                "evil.example",
                "evil.example:8787",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "evil.localhost:8787",
                "10.0.0.1:8787",
                "0.0.0.0:8787",
                "",
                "localhost@evil.example",
                "evil.example@localhost",
                "localhost:8787/",
                "[::2]",
                "not.tunnel.example",
            ] {
                assert_eq!(status(&guard, "GET /", &[("host", host)]), 421, "{host}");
            }
            assert_eq!(status(&guard, "GET /", &[]), 421);
            assert_eq!(status(&guard, "GET /", &[("host", OURS), ("host", OURS)]), 421);
            assert_eq!(status(&guard, "GET http://evil.example/", &[("host", OURS)]), 421);
            assert_eq!(status(&guard, "GET http://127.0.0.1:8787/", &[("host", OURS)]), 200);
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused_whatever_it_sends() {
        for guard in both() {
            for origin in [
                "http://evil.example",
                "null",
                "http://127.0.0.1:3000",
                "http://localhost:8787",
                "http://127.0.0.1",
                "http://127.0.0.1:87870",
                "file://",
                "chrome-extension://abc",
                "",
            ] {
                for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"] {
                    let headers = [("host", OURS), ("origin", origin)];
                    assert_eq!(status(&guard, &format!("{method} /"), &headers), 403, "{origin}");
                }
            }
            for site in ["cross-site", "same-site", "nonsense"] {
                for (mode, dest) in [
                    ("no-cors", "script"),
                    ("no-cors", "image"),
                    ("cors", "empty"),
                    ("navigate", "iframe"),
                ] {
                    let headers = [
                        ("host", OURS),
                        ("sec-fetch-site", site),
                        ("sec-fetch-mode", mode),
                        ("sec-fetch-dest", dest),
                    ];
                    assert_eq!(status(&guard, "GET /", &headers), 403, "{site} {mode} {dest}");
                }
                // A form that another page sends is followed like a link, but it is no reading.
                let headers = [
                    ("host", OURS),
                    ("sec-fetch-site", site),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ];
                assert_eq!(status(&guard, "POST /", &headers), 403, "{site}");
            }
            let twice = [("host", OURS), ("origin", "http://127.0.0.1:8787"), ("origin", "null")];
            assert_eq!(status(&guard, "GET /", &twice), 403);
        }
    }

    #[test]
    fn own_pages_links_to_them_and_what_is_typed_get_through() {
        let [pages, programs] = both();
        let own = [
            ("host", OURS),
            ("origin", "http://127.0.0.1:8787"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        assert_eq!(status(&pages, "POST /v1/pipelines", &own), 200);
        assert_eq!(status(&programs, "POST /", &own), 403, "the port has no pages");
        let tunnelled = [("host", "tunnel.example"), ("origin", "https://tunnel.example")];
        assert_eq!(status(&pages, "POST /v1/pipelines", &tunnelled), 200);
        let link = [
            ("host", OURS),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(status(&pages, "GET /runs/shop-1", &link), 200);
        assert_eq!(status(&programs, "GET /2015-03-31/functions", &link), 403);
        for guard in [pages, programs] {
            let typed = [("host", OURS), ("sec-fetch-site", "none")];
            assert_eq!(status(&guard, "GET /", &typed), 200);
        }
    }

    #[tokio::test]
    async fn a_refusal_has_the_form_of_the_port() {
        for (guard, media_type, member, said) in [
            (both()[0].clone(), "application/problem+json", "code", "host_unknown"),
            (both()[1].clone(), "application/json", "__type", "AccessDeniedException"),
        ] {
            let router = guard.before(Router::new());
            let request = axum::http::Request::builder().header("host", "evil.example");
            let request = request.body(Body::empty()).expect("a request");
            let answer = tower::ServiceExt::oneshot(router, request).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], media_type);
            let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("a body");
            let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(body[member], said, "{body}");
        }
    }

    #[test]
    fn what_a_form_could_send_is_refused_unless_it_is_signed() {
        let [pages, programs] = both();
        for form in [
            "text/plain",
            "TEXT/PLAIN;charset=utf-8",
            "application/x-www-form-urlencoded",
            " multipart/form-data; boundary=x",
            "text/plain, application/json",
        ] {
            let headers = [("host", OURS), ("content-type", form)];
            for guard in [&pages, &programs] {
                assert_eq!(status(guard, "POST /v1/pipelines", &headers), 415, "{form}");
            }
            let signed = [headers[0], headers[1], ("authorization", "AWS4-HMAC-SHA256 x")];
            assert_eq!(status(&programs, "POST /", &signed), 200);
            assert_eq!(status(&pages, "POST /v1/pipelines", &signed), 415, "{form}");
            // A program that only reads may say what it likes.
            assert_eq!(status(&pages, "GET /", &headers), 200);
            assert_eq!(status(&pages, "POST /webhooks/github", &headers), 200);
            assert_eq!(status(&programs, "POST /webhooks/github", &headers), 415);
        }
        for json in ["application/json", "application/x-amz-json-1.0", "application/octet-stream"] {
            for guard in [&pages, &programs] {
                let headers = [("host", OURS), ("content-type", json)];
                assert_eq!(status(guard, "POST /", &headers), 200, "{json}");
            }
        }
        // SDKs send an event for a function without any.
        assert_eq!(status(&programs, "POST /", &[("host", OURS)]), 200);
    }
}
