//! A host as a process, its protocol, and clients of its services.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use local_proxy::{
    Announcement, Ending, InstanceView, NewService, Phase, ServiceView, Spec, Weights,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// The service of the tests.
pub(crate) const WEB: &str = "web";

/// A host on a folder of its own.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    host: Option<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever a test left behind: all of it bears the mark of the folder.
        self.host.take();
        let folder = self.host_folder().to_string_lossy().into_owned();
        pact_processes::stop(|| pact_processes::marked("LOCAL_PROXY_HOST", &folder))
            .expect("everything ends");
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let mut world = Self { folder: tempfile::tempdir().expect("a folder"), host: None };
        world.start().await;
        world
    }

    /// Where the host keeps what it knows.
    pub(crate) fn host_folder(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("is there").join("host")
    }

    /// Starts the host, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        let child = Command::new(env!("CARGO_BIN_EXE_local-proxy-host"))
            .arg(self.host_folder())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let pid = child.id();
        self.host = Some(child);
        until("the host", || async {
            let announced = Announcement::read(&self.host_folder()).expect("reads")?;
            (Some(announced.pid) == pid && TcpStream::connect(&announced.url[7..]).await.is_ok())
                .then_some(())
        })
        .await;
    }

    /// Kills the host; its services go on.
    pub(crate) async fn kill(&mut self) {
        self.host.take().expect("it runs").kill().await.expect("is killed");
    }

    /// Waits until the host has ended by itself.
    pub(crate) async fn ended(&mut self) -> bool {
        self.host.take().expect("it runs").wait().await.expect("ends").success()
    }

    pub(crate) fn announcement(&self) -> Announcement {
        Announcement::read(&self.host_folder()).expect("reads").expect("is there")
    }

    /// Asks the host for something.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &impl serde::Serialize,
    ) -> (StatusCode, Value) {
        let Announcement { url, token, .. } = self.announcement();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &url[7..])
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(serde_json::to_vec(body).expect("json")))
            .expect("a request");
        let port = url.rsplit_once(':').expect("a port").1.parse().expect("a number");
        let answer = Client::connect(port).await.expect("connects").send(request).await;
        let answer = answer.expect("is answered");
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    async fn ask_well(&self, method: Method, path: &str, body: &impl serde::Serialize) -> Value {
        let (status, body) = self.ask(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// Makes the service; its port.
    pub(crate) async fn service(&self) -> u16 {
        let path = format!("/v1/services/{WEB}");
        let view = self.ask_well(Method::PUT, &path, &NewService::default()).await;
        serde_json::from_value::<ServiceView>(view).expect("a service").port
    }

    pub(crate) async fn view(&self) -> ServiceView {
        let view = self.ask_well(Method::GET, &format!("/v1/services/{WEB}"), &json!(null)).await;
        serde_json::from_value(view).expect("a service")
    }

    pub(crate) async fn instance(&self, id: &str) -> Option<InstanceView> {
        self.view().await.instances.remove(id)
    }

    /// What an instance is started with, whose version is its name.
    pub(crate) fn spec(&self, id: &str, mode: &str) -> Spec {
        let env = [("MODE", mode), ("VERSION", id)].map(|(n, v)| (n.to_owned(), v.to_owned()));
        Spec {
            command: vec![example("fixture-server").display().to_string()],
            folder: self.folder.path().to_owned(),
            env: env.into(),
            port_variable: "PORT".to_owned(),
            data: Vec::new(),
            log: self.folder.path().join(format!("{id}.log")),
            startup_ms: 20_000,
            probe_ms: 20_000,
            settle_ms: 0,
            probes: Vec::new(),
            labels: [("release".to_owned(), id.to_owned())].into(),
        }
    }

    pub(crate) async fn put(&self, id: &str, spec: &Spec) -> (StatusCode, Value) {
        self.ask(Method::PUT, &format!("/v1/services/{WEB}/instances/{id}"), spec).await
    }

    /// Starts an instance and waits for what becomes of it.
    pub(crate) async fn begin(&self, id: &str, spec: &Spec) -> InstanceView {
        let (status, body) = self.put(id, spec).await;
        assert!(status.is_success(), "{status} {body}");
        until("the instance", || async {
            let instance = self.instance(id).await.expect("is there");
            (instance.phase != Phase::Starting).then_some(instance)
        })
        .await
    }

    /// Starts one that is well.
    pub(crate) async fn ready(&self, id: &str) {
        let instance = self.begin(id, &self.spec(id, "good")).await;
        assert_eq!(instance.phase, Phase::Ready, "{instance:?}");
    }

    pub(crate) async fn weigh(
        &self,
        weights: &[(&str, u32)],
        keep_ms: Option<u64>,
        drain_ms: u64,
    ) -> (StatusCode, Value) {
        let weights = weights.iter().map(|(id, weight)| ((*id).to_owned(), *weight)).collect();
        let wanted = Weights { weights, keep_ms, drain_ms };
        self.ask(Method::PUT, &format!("/v1/services/{WEB}/weights"), &wanted).await
    }

    /// Lets an instance have all requests; the others stay warm.
    pub(crate) async fn shift(&self, id: &str) {
        let (status, body) = self.weigh(&[(id, 100)], None, 30_000).await;
        assert!(status.is_success(), "{status} {body}");
    }

    pub(crate) async fn end(&self, id: &str, drain_ms: u64) {
        let path = format!("/v1/services/{WEB}/instances/{id}");
        self.ask_well(Method::DELETE, &path, &Ending { drain_ms }).await;
    }

    /// Waits until an instance is gone.
    pub(crate) async fn gone(&self, id: &str) {
        until("its end", || async { self.instance(id).await.is_none().then_some(()) }).await;
    }
}

/// Waits for a condition.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    condition: impl Fn() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An example of this crate, which is built with its tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a test");
    let path = exe.parent().and_then(Path::parent).expect("a folder").join("examples").join(name);
    assert!(path.exists(), "{} is missing: build the workspace with its examples", path.display());
    path
}

/// A connection that is kept.
pub(crate) struct Client(SendRequest<Full<Bytes>>);

/// What was answered.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn connect(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| e.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        tokio::spawn(async move { connection.with_upgrades().await.unwrap_or_default() });
        Ok(Self(sender))
    }

    pub(crate) async fn respond(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, String> {
        self.0.ready().await.map_err(|e| e.to_string())?;
        self.0.send_request(request).await.map_err(|e| format!("{e:?}"))
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Heard, String> {
        let (parts, body) = self.respond(request).await?.into_parts();
        let body = body.collect().await.map_err(|e| format!("{e:?}"))?.to_bytes();
        Ok(Heard { status: parts.status, headers: parts.headers, body })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Heard, String> {
        self.send(get(path)).await
    }
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header(HOST, "web.test").body(Full::default()).expect("a request")
}

/// One request by a connection of its own.
pub(crate) async fn fetch(port: u16, path: &str) -> Result<Heard, String> {
    Client::connect(port).await?.get(path).await
}
