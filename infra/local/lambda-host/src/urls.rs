//! Serves the HTTP addresses of functions.

use crate::{
    host::Host,
    http_api::{self, HttpRoute, Options},
    managed::{Managed, UrlServer},
    name::qualified,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 6 << 20;
/// The longest that a function may take: its own time limit ends it before.
const LONGEST: Duration = Duration::from_secs(905);

/// Who may ask at an address.
#[derive(Clone)]
struct Door {
    managed: Arc<Managed>,
    function: String,
    qualifier: String,
}

/// Serves every address, those of later too, until the host is gone. A second call does nothing.
pub(crate) fn serve(host: &Host) {
    let Some(managed) = host.managed().cloned() else { return };
    let Some(mut to_serve) = managed.urls_to_serve() else { return };
    let host = host.clone();
    tokio::spawn(async move {
        let mut servers = JoinSet::new();
        loop {
            tokio::select! {
                server = to_serve.recv() => match server {
                    Some(server) => drop(servers.spawn(one(host.clone(), managed.clone(), server))),
                    None => return,
                },
                Some(_) = servers.join_next() => {}
                () = host.closed() => return,
            }
        }
    });
}

async fn one(host: Host, managed: Arc<Managed>, server: UrlServer) {
    let UrlServer { listener, function, qualifier, closed } = server;
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%function, %error, "the address of a function cannot be served");
            return;
        }
    };
    let alias = Some(qualifier.as_str()).filter(|alias| !alias.is_empty());
    let route = HttpRoute {
        method: "ANY".to_owned(),
        path: "$default".to_owned(),
        function: qualified(function.clone(), alias),
    };
    let options =
        Options { max_body: MAX_BODY, timeout: LONGEST, function_url: true, ..Options::default() };
    let door = Door { managed, function, qualifier };
    let router: Router = http_api::router(host, vec![route], options)
        .layer(middleware::from_fn_with_state(door, admit));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, service) => {
            if let Err(error) = served {
                tracing::error!(%error, "the address of a function is served no more");
            }
        }
        // The address was deleted.
        _ = closed => {}
    }
}

/// As on AWS, an address is closed until its own settings and the function's policy open it. What is
/// signed is not let in here: there is nobody who could sign.
async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    if door.managed.is_public(&door.function, &door.qualifier) {
        return next.run(request).await;
    }
    let message = json!({
        "Message": "Forbidden. For troubleshooting Function URL authorization issues, see: the \
                    AuthType of the URL, and a permission for lambda:InvokeFunctionUrl",
    });
    (StatusCode::FORBIDDEN, Json(message)).into_response()
}
