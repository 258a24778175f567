//! The agent with functions of the local Lambda host, in processes of their own. The roles are given
//! by a small server beside it: who may take on which is the local stack's and AWS's to say.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use local_lambda_host::{FunctionStore, Host, HostOptions};
use pact_agent::bundle::{EntryKind, Packer};
use pact_contract::{
    Finding, StageStatus, actions::ReleaseRecord, run::DeploymentStatus, settings::Environment,
};
use serde_json::{Value, json};

use super::world::{Answer, World, environment_of, key};
use crate::{
    Aws,
    names::hash,
    steps::Steps,
    targets::{Surroundings, Target, open},
};

mod emulators;
mod kills;
mod refusals;
mod releases;
mod shares;

pub(super) use emulators::emulator;

const PREFIX: &str = "arn:aws:iam::000000000000:role/pact-deploy-";
const SHOP: &str = "/2015-03-31/functions/shop";

/// The small runtime of this repository, built once.
fn bootstrap() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/src/bin/fixture-bootstrap.rs");
        let text = std::fs::read_to_string(&source).expect("the fixture is there");
        let folder = std::env::current_exe().expect("a test").parent().expect("deps").to_owned();
        let built = folder.join(format!("fixture-bootstrap-{:016x}", hash(&text)));
        if !built.exists() {
            let next = folder.join(format!("fixture-bootstrap-{}", std::process::id()));
            let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
            let status = std::process::Command::new(rustc)
                .args(["--edition", "2024", "-C", "strip=symbols", "-o"])
                .arg(&next)
                .arg(&source)
                .status()
                .expect("rustc runs");
            assert!(status.success(), "the fixture does not compile");
            std::fs::rename(&next, &built).expect("moves");
        }
        built
    })
}

/// What a release has: `broken` in its name makes it one.
pub(super) fn pack(packer: &mut Packer, release: &str) {
    let program = std::fs::read(bootstrap()).expect("the runtime is built");
    packer.add("dist/bootstrap", EntryKind::Executable, &program).expect("packs");
    let text = if release.starts_with("same") { "same" } else { release };
    packer.add("dist/release", EntryKind::File, text.as_bytes()).expect("packs");
    let mode = if release.contains("broken") { "error" } else { "" };
    packer.add("dist/mode", EntryKind::File, mode.as_bytes()).expect("packs");
}

/// What the server of roles and functions does beside its work.
#[derive(Default)]
struct Trouble {
    /// So many requests to Lambda are throttled.
    throttled: AtomicUsize,
    /// Roles are refused.
    refuses: AtomicUsize,
    /// Requests to change code, and all that change an alias.
    codes: AtomicUsize,
    aliases: AtomicUsize,
}

/// A world with functions.
struct Functions {
    world: World,
    host: Option<Host>,
    trouble: Arc<Trouble>,
    url: String,
    _folder: tempfile::TempDir,
}

/// Emulators tell by it which service is meant; the local host asks nobody here.
const SCOPE: &str = "AWS4-HMAC-SHA256 Credential=test/20261127/us-east-1/lambda/aws4_request, \
                     SignedHeaders=host, Signature=0";

/// How AWS is reached at an address.
pub(super) fn sdk(url: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .endpoint_url(url)
        .build()
}

async fn assume(State(trouble): State<Arc<Trouble>>, body: Bytes) -> Response {
    let field = |name: &str| {
        url::form_urlencoded::parse(&body).find_map(|(n, v)| (n == name).then(|| v.into_owned()))
    };
    let refused = trouble.refuses.load(Ordering::SeqCst) > 0;
    let expected = field("RoleArn").is_some_and(|role| role.starts_with(PREFIX))
        && field("ExternalId").as_deref() == Some("acme/web:staging");
    if refused || !expected {
        let text = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not \
                    authorized</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
     <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
     <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
     </AssumeRoleResponse>"
        .into_response()
}

async fn watched(State(trouble): State<Arc<Trouble>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path != "/" {
        let counted = match path {
            path if path.ends_with("/code") => Some(&trouble.codes),
            path if path.contains("/aliases") && request.method() != "GET" => {
                Some(&trouble.aliases)
            }
            _ => None,
        };
        counted.map(|count| count.fetch_add(1, Ordering::SeqCst));
        let left = &trouble.throttled;
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            let headers = [("x-amzn-errortype", "TooManyRequestsException")];
            return (StatusCode::TOO_MANY_REQUESTS, headers, "{}").into_response();
        }
    }
    next.run(request).await
}

impl Functions {
    /// With the function `shop`, whose first version no deployment made, and its alias `live`.
    async fn new() -> Self {
        let functions = Self::without_alias().await;
        functions.with_alias().await;
        functions
    }

    async fn with_alias(&self) {
        let functions = self;
        functions.ask("POST", &format!("{SHOP}/versions"), json!({})).await;
        let alias = json!({ "Name": "live", "FunctionVersion": "1" });
        functions.ask("POST", &format!("{SHOP}/aliases"), alias).await;
    }

    async fn without_alias() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let options = HostOptions {
            functions: Some(FunctionStore::new(folder.path(), path)),
            ..HostOptions::default()
        };
        let host = Host::start(options, Vec::new()).await.expect("starts");
        let trouble = Arc::new(Trouble::default());
        let roles = Router::new().route("/", axum::routing::post(assume));
        let router = host
            .router()
            .merge(roles.with_state(Arc::clone(&trouble)))
            .layer(middleware::from_fn_with_state(Arc::clone(&trouble), watched));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self::over(url, Some(host), trouble, folder).await
    }

    /// The function on whatever answers there.
    async fn over(
        url: String,
        host: Option<Host>,
        trouble: Arc<Trouble>,
        folder: tempfile::TempDir,
    ) -> Self {
        let mut world = World::new();
        world.aws = Some(Aws::new(sdk(&url), Some(PREFIX.to_owned())));
        let functions = Self { world, host, trouble, url, _folder: folder };
        // A zip of a `bootstrap` that does nothing.
        let zip = "UEsDBBQAAAAAAAAAIQAdnfsECgAAAAoAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoClBLAQIUAxQAAAAAAAAAIQ\
                   AdnfsECgAAAAoAAAAJAAAAAAAAAAAAAADtAQAAAABib290c3RyYXBQSwUGAAAAAAEAAQA3AAAAMQAAAAAA";
        let new = json!({
            "FunctionName": "shop", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/shop", "Timeout": 20, "Code": { "ZipFile": zip },
            "Environment": { "Variables": { "KEPT": "yes" } },
            "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
        });
        functions.ask("POST", "/2015-03-31/functions", new).await;
        functions.settled().await;
        functions
    }

    async fn end(&self) {
        if let Some(host) = &self.host {
            host.shutdown().await;
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let client = reqwest::Client::new();
        let url = format!("{}{path}", self.url);
        let request = client.request(method.parse().expect("a method"), url);
        let request = request.header("authorization", SCOPE);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await.expect("is answered");
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn settled(&self) -> Value {
        loop {
            let now = self.ask("GET", &format!("{SHOP}/configuration"), Value::Null).await;
            if now["LastUpdateStatus"] != "InProgress" {
                return now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    async fn alias(&self) -> Value {
        self.ask("GET", &format!("{SHOP}/aliases/live"), Value::Null).await
    }

    /// What an invocation of the alias answers.
    async fn answer(&self) -> Value {
        self.ask("POST", &format!("{SHOP}/invocations?Qualifier=live"), json!({})).await
    }

    async fn versions(&self) -> usize {
        let page = self.ask("GET", &format!("{SHOP}/versions"), Value::Null).await;
        page["Versions"].as_array().map_or(0, Vec::len)
    }

    /// Asserts that `release` is in effect, everywhere that says so, and answers.
    async fn assert_in_effect(&self, release: &str, previous: Option<&str>) {
        let record = self.world.record().await;
        let named =
            |r: Option<pact_contract::actions::ReleaseRecord>| r.map(|r| r.release.to_string());
        assert_eq!(named(record.current).as_deref(), Some(release));
        assert_eq!(named(record.previous).as_deref(), previous);
        assert_eq!(record.pending, None);
        let alias = self.alias().await;
        // A wave says of what it is one.
        let description =
            alias["Description"].as_str().unwrap_or_default().replace(" of whole", "");
        assert_eq!(description, format!("pact acme/web:staging: {release}"));
        assert!(alias.get("RoutingConfig").is_none(), "{alias}");
        assert_eq!(self.answer().await["body"], release);
    }

    async fn assert_serves(&self, release: &str) {
        assert_eq!(self.answer().await["body"], release);
    }

    fn record(&self, release: &str, settings: &Environment) -> ReleaseRecord {
        ReleaseRecord {
            release: release.parse().expect("a name"),
            commit: format!("c-{release}"),
            run_id: format!("run-{release}").parse().expect("an id"),
            deployed_at: jiff::Timestamp::now(),
            settings: settings.clone(),
        }
    }

    fn target(&self, settings: &Environment) -> Box<dyn Target> {
        let surroundings = Surroundings {
            key: key(),
            whole: None,
            root: None,
            proxy: None,
            artifacts: self.world.memory.clone() as _,
            aws: self.world.aws.clone(),
            builds: None,
            steps: Steps::default(),
        };
        open(&settings.target, &surroundings).expect("is valid")
    }
}

fn shop() -> Environment {
    shop_with(json!({}))
}

fn shop_with(more: Value) -> Environment {
    let mut settings = json!({ "function": "shop", "artifact": "dist" });
    for (name, value) in more.as_object().expect("an object") {
        settings[name] = value.clone();
    }
    environment_of("lambda", settings)
}

fn finding(answer: Answer) -> Finding {
    let (answer, output) = answer.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", answer.response.summary);
    assert_eq!(output.status, DeploymentStatus::Failed);
    answer.response.findings.into_iter().next().expect("a finding")
}
