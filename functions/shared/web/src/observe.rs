//! Spans.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use lambda_http::RequestExt as _;
use pact_agent::telemetry::{self, SpanFields};
use tracing::Instrument as _;

/// Makes every line of a request's log say which function wrote it, and which request, trace and
/// route it belongs to: a layer of the function's router.
pub async fn observe(function: &'static str, request: Request, next: Next) -> Response {
    let Some(context) = request.lambda_context_ref() else { return next.run(request).await };
    let span = telemetry::invocation_span(function, context);
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let action = format!("{} {}", request.method(), path.unwrap_or("of no route"));
    telemetry::record(&span, &SpanFields { action: Some(&action), ..SpanFields::default() });
    next.run(request).instrument(span).await
}
