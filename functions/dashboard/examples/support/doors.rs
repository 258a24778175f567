//! Somebody who is let in, for the preview and the tests.

use std::sync::Arc;

use axum::{Router, extract::Request, http::HeaderValue, middleware::map_request};
use pact_agent::{access::MemoryAccess, testing::Memory};
use pact_web::access::{API_TOKEN, Doors};

const TOKEN: &str = "token-of-the-preview";

/// Doors with one token, the installation's.
pub(crate) fn doors() -> Doors {
    let (access, memory) = (Arc::<MemoryAccess>::default(), Memory::new());
    memory.set_secret(API_TOKEN.name, TOKEN);
    Doors::new(Arc::clone(&access) as _, access, memory)
}

/// Has every request send that token.
pub(crate) fn signed_in(router: Router) -> Router {
    router.layer(map_request(|mut request: Request| async move {
        let bearer = HeaderValue::from_static("Bearer token-of-the-preview");
        request.headers_mut().insert("authorization", bearer);
        request
    }))
}
