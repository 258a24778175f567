//! The connections that all clients of a function share: the SDK's and the object store's.
//!
//! They are set up at the first request, and those with TLS only at the first that needs it:
//! reading the machine's root certificates is more work than all else that a function does before
//! it can ask for work.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector as Connect, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector, http_client_fn,
    },
    orchestrator,
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};

/// Longest wait for a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for one request of the object store, its whole body included.
const OBJECT: Duration = Duration::from_secs(30);

/// Connections; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Kinds>);

#[derive(Debug, Default)]
struct Kinds {
    secure: OnceLock<Connector>,
    /// To addresses without TLS. They trust no certificate, and read none.
    plain: OnceLock<Connector>,
}

impl Connections {
    fn connector(&self, uri: &str) -> &Connector {
        if uri.starts_with("http://") {
            self.0.plain.get_or_init(|| connector(TrustStore::empty()))
        } else {
            self.0.secure.get_or_init(|| connector(TrustStore::default()))
        }
    }

    /// The HTTP client of the SDK. Its own would be set up when a client is made.
    pub(crate) fn sdk(&self) -> SharedHttpClient {
        let connections = SharedHttpConnector::new(self.clone());
        // The timeouts of one attempt and of the whole request are above this.
        http_client_fn(move |_, _| connections.clone())
    }
}

fn connector(trusted: TrustStore) -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).build();
    let tls = TlsContext::builder().with_trust_store(trusted).build();
    Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls.unwrap_or_default())
        .connector_settings(settings)
        .sleep_impl(TokioSleep::new())
        .proxy_config(ProxyConfig::from_env())
        .build()
}

impl Connect for Connections {
    fn call(&self, request: orchestrator::HttpRequest) -> HttpConnectorFuture {
        self.connector(request.uri()).call(request)
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connections {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = request.map(|body| match body.content_length() {
            // Not `is_empty`, which says of a payload the opposite of what is.
            0 => SdkBody::empty(),
            _ => SdkBody::from_body_1_x(body),
        });
        let request = orchestrator::HttpRequest::try_from(request)
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let answer = async {
            let response =
                self.connector(request.uri()).call(request).await.map_err(not_answered)?;
            let (parts, body) = response
                .try_into_http1x()
                .map_err(|error| HttpError::new(HttpErrorKind::Decode, error))?
                .into_parts();
            let body = ByteStream::new(body).collect().await;
            // Cut off in the middle: whoever asked may ask again.
            let body = body.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e))?;
            let body = http_body_util::Full::new(body.into_bytes());
            let body =
                HttpResponseBody::new(http_body_util::BodyExt::map_err(body, |e| match e {}));
            Ok(HttpResponse::from_parts(parts, body))
        };
        match tokio::time::timeout(OBJECT, answer).await {
            Ok(answer) => answer,
            Err(late) => Err(HttpError::new(HttpErrorKind::Timeout, late)),
        }
    }
}

fn not_answered(error: ConnectorError) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_io() {
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new_boxed(kind, error.into_source())
}

#[cfg(test)]
mod tests {
    use object_store::{PutPayload, client::HttpRequestBody};
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

    use super::*;

    #[tokio::test]
    async fn what_is_sent_arrives_whole_and_so_does_the_answer() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_bytes(vec![7; 100_000]);
        Mock::given(method("PUT")).respond_with(answer).mount(&server).await;
        let parts = [vec![1; 70_000], vec![2; 5]].map(bytes::Bytes::from);
        let bodies = [
            HttpRequestBody::from(PutPayload::from_iter(parts.clone())),
            HttpRequestBody::from(parts.concat()),
            HttpRequestBody::from(PutPayload::new()),
            HttpRequestBody::empty(),
        ];

        for body in bodies {
            let length = body.content_length();
            let mut request = HttpRequest::new(body);
            *request.method_mut() = "PUT".parse().unwrap();
            *request.uri_mut() = server.uri().parse().unwrap();
            request.headers_mut().insert("content-length", length.into());
            let response = HttpService::call(&Connections::default(), request).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.into_body().bytes().await.unwrap(), vec![7; 100_000]);
        }

        let received = server.received_requests().await.unwrap();
        let received: Vec<Vec<u8>> = received.into_iter().map(|request| request.body).collect();
        assert_eq!(received, [parts.concat(), parts.concat(), vec![], vec![]]);
    }
}
