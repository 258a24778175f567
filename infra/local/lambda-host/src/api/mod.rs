//! The Lambda API over HTTP, as AWS SDKs call it: `Invoke`; what describes functions; and what makes
//! and changes them, with their versions, aliases and addresses.

mod describe;
mod fault;
mod invoke;
mod manage;

use crate::{host::Host, urls};
use axum::{
    Router,
    http::Uri,
    response::Response,
    routing::{get, post},
};
use describe::Programs;
use fault::Fault;
use std::sync::Arc;

impl Host {
    /// The operations on functions, at their own paths. From here on the addresses of functions are
    /// served too.
    ///
    /// Who may call what is asked before: it is not known here.
    pub fn router(&self) -> Router {
        urls::serve(self);
        let functions = Router::new()
            .route("/2015-03-31/functions", get(describe::list))
            .route("/2015-03-31/functions/", get(describe::list))
            .route("/2015-03-31/functions/{name}", get(describe::function))
            .route("/2015-03-31/functions/{name}/configuration", get(describe::configuration))
            .route("/2019-09-30/functions/{name}/concurrency", get(describe::concurrency))
            .with_state((self.clone(), Arc::new(Programs::default())));
        Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke::invoke))
            .with_state(self.clone())
            .merge(functions)
            .merge(manage::router(self.clone()))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
    }
}

async fn unknown(uri: Uri) -> Response {
    let message = format!("this host has no operation of Lambda at {}", uri.path());
    Fault::new(404, "UnknownOperationException", message).into()
}
