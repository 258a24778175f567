//! The files that pages load, and their addresses.

use std::sync::LazyLock;

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use sha2::{Digest, Sha256};

/// One file.
pub(crate) struct Asset {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

pub(crate) const STYLE: Asset = Asset {
    path: "/assets/app.css",
    kind: "text/css; charset=utf-8",
    content: include_str!("../assets/app.css"),
};
pub(crate) const SCRIPT: Asset = Asset {
    path: "/assets/app.js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("../assets/app.js"),
};
pub(crate) const ICON: Asset = Asset {
    path: "/assets/icon.svg",
    kind: "image/svg+xml",
    content: include_str!("../assets/icon.svg"),
};

/// Version of all files together; part of their addresses, so that they may be kept for good.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in [&STYLE, &SCRIPT, &ICON] {
        hash.update(asset.content);
    }
    hex::encode(hash.finalize()).chars().take(12).collect()
});

impl Asset {
    /// Address of this version of the file.
    pub(crate) fn address(&self) -> String {
        format!("{}?v={}", self.path, *VERSION)
    }

    /// The file. Asked for by the address of this version it never changes.
    pub(crate) fn answer(&self, query: Option<&str>) -> Response<Body> {
        let current = query.and_then(|q| q.strip_prefix("v=")) == Some(VERSION.as_str());
        let keep =
            if current { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
        let mut response = Response::new(Body::from(self.content));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        response
    }
}
