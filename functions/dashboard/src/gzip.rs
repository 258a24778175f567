//! Answers of text are compressed for whoever takes that.

use std::io::Write as _;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Request, Response, header},
    middleware::Next,
};
use flate2::{Compression, write::GzEncoder};

/// Smallest answer that is worth it, in bytes.
const LEAST: usize = 1_000;
/// Largest answer, in bytes: what the function may answer at all.
const MOST: usize = 6_000_000;

/// Compresses what the route answers.
pub(crate) async fn compress(request: Request<Body>, next: Next) -> Response<Body> {
    let wanted = request.headers().get_all(header::ACCEPT_ENCODING).iter().any(takes_gzip);
    let response = next.run(request).await;
    let (mut parts, body) = response.into_parts();
    let text = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let text = text.is_some_and(|kind| {
        ["text/", "application/json", "application/problem+json", "image/svg"]
            .iter()
            .any(|start| kind.starts_with(start))
    });
    if !text || parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Response::from_parts(parts, body);
    }
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !wanted {
        return Response::from_parts(parts, body);
    }
    let plain = match to_bytes(body, MOST).await {
        Ok(plain) => plain,
        Err(error) => {
            tracing::error!(%error, "an answer is larger than any may be");
            parts.status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, Body::empty());
        }
    };
    if plain.len() < LEAST {
        return Response::from_parts(parts, Body::from(plain));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&plain).and_then(|()| encoder.finish());
    match packed {
        Ok(packed) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(packed))
        }
        // Memory is all that it writes to; what is not compressed is an answer too.
        Err(error) => {
            tracing::warn!(%error, "an answer cannot be compressed");
            Response::from_parts(parts, Body::from(plain))
        }
    }
}

/// Whether a value of `Accept-Encoding` names gzip and does not forbid it.
fn takes_gzip(value: &HeaderValue) -> bool {
    let value = value.to_str().unwrap_or_default();
    value.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let zero = |q: &str| q.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        gzip && !parts.any(zero)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_gzip_gets_it() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&HeaderValue::from_static(value)), takes, "{value}");
        }
    }
}
