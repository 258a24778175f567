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
    EnvironmentKey, ErrorName, Finding, ReleaseId, StageStatus,
    actions::ReleaseRecord,
    run::DeploymentStatus,
    settings::{Environment, Probe},
};
use serde_json::{Value, json};

use super::world::{Answer, World, environment_of, key};
use crate::{
    Aws,
    names::hash,
    steps::{INTERRUPTED, Steps},
    targets::{Shifted, Surroundings, Target, open},
};

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
        assert_eq!(alias["Description"], format!("pact acme/web:staging: {release}"));
        assert!(alias.get("RoutingConfig").is_none(), "{alias}");
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

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_versions_and_the_way_back_is_one_update_of_the_alias() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    functions.assert_in_effect("r1", None).await;
    let (answer, again) = world.deploy("r1", &shop).await.expect("no fault");
    assert_eq!(again.status, DeploymentStatus::Live);
    assert!(answer.response.summary.contains("as before"), "{}", answer.response.summary);
    world.deploy_well("r2", &shop).await;
    functions.assert_in_effect("r2", Some("r1")).await;
    assert_eq!(functions.versions().await, 4, "$LATEST, the one before all, r1 and r2");
    // Nothing but the code was changed.
    let now = functions.settled().await;
    assert_eq!(now["Environment"]["Variables"], json!({ "KEPT": "yes" }));
    assert_eq!(now["Timeout"], 20);
    let (answer, _) = world.status(Some("r2"), &shop).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);

    let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    let (codes, aliases) = (count(&functions.trouble.codes), count(&functions.trouble.aliases));
    for _ in 0..2 {
        let (answer, back) = world.roll_back("r2", &shop).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        functions.assert_in_effect("r1", None).await;
    }
    assert_eq!(count(&functions.trouble.codes), codes, "no upload");
    assert_eq!(count(&functions.trouble.aliases), aliases + 1);
    world.end("run-r2").await;
    // The first one is taken back to what was there before all deployments.
    world.roll_back("r1", &shop).await.expect("no fault");
    let alias = functions.alias().await;
    assert_eq!((&alias["FunctionVersion"], &alias["Description"]), (&json!("1"), &json!("")));
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_was_not_there_goes_with_the_first_release() {
    let functions = Functions::without_alias().await;
    let world = &functions.world;
    world.deploy_well("r1", &shop()).await;
    functions.assert_in_effect("r1", None).await;
    world.roll_back("r1", &shop()).await.expect("no fault");
    let page = functions.ask("GET", &format!("{SHOP}/aliases"), Value::Null).await;
    assert_eq!(page["Aliases"], json!([]));
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_the_same_code_is_the_same_version() {
    let functions = Functions::new().await;
    let world = &functions.world;
    world.deploy_well("same-1", &shop()).await;
    let versions = functions.versions().await;
    world.deploy_well("same-2", &shop()).await;
    assert_eq!(functions.versions().await, versions);
    assert_eq!(functions.alias().await["Description"], "pact acme/web:staging: same-2");
    let (_, back) = world.roll_back("same-2", &shop()).await.expect("no fault");
    assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("same-1"));
    assert_eq!(functions.alias().await["Description"], "pact acme/web:staging: same-1");
    functions.end().await;
}

/// Interrupts the deployment of `r2` after ever more steps, and says whether there were more.
async fn interrupted(functions: &Functions, steps: usize) -> bool {
    functions.world.deploy_well("r1", &shop()).await;
    let result =
        functions.world.deploy_with(Steps::interrupted_after(steps), "run-r2", "r2", &shop()).await;
    match result {
        Err(error) => {
            assert!(error.message.contains(INTERRUPTED), "{}", error.chain());
            true
        }
        Ok(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_was_interrupted_anywhere_is_completed_or_taken_back() {
    for steps in 0.. {
        let functions = Functions::new().await;
        if !interrupted(&functions, steps).await {
            println!("kill matrix: lambda, agent: {} cases", 2 * steps);
            assert!(steps > 4, "only {steps} steps");
            functions.end().await;
            return;
        }
        for _ in 0..2 {
            let again =
                functions.world.deploy_with(Steps::default(), "run-r2", "r2", &shop()).await;
            assert_eq!(again.expect("no fault").0.response.status, StageStatus::Passed);
            functions.assert_in_effect("r2", Some("r1")).await;
        }
        assert_eq!(functions.versions().await, 4, "after {steps} steps");
        functions.end().await;

        let functions = Functions::new().await;
        assert!(interrupted(&functions, steps).await);
        for back in [Steps::interrupted_after(steps % 4), Steps::default(), Steps::default()] {
            let done = functions.world.roll_back_with(back, "run-r2", "r2", &shop()).await;
            match done {
                Ok((answer, _)) => assert_eq!(answer.response.status, StageStatus::Passed),
                Err(error) => assert!(error.message.contains(INTERRUPTED), "{}", error.chain()),
            }
        }
        functions.assert_in_effect("r1", None).await;
        functions.end().await;
    }
}

/// The agent is killed after every step of a shift, the first, a further one and the last: the same call
/// again completes it, and so does the way back.
#[tokio::test(flavor = "multi_thread")]
async fn a_shift_that_was_interrupted_anywhere_is_completed_or_taken_back() {
    let mut cases = 0;
    for (before, to) in [(None, 10), (Some(10), 60), (Some(60), 100)] {
        'steps: for steps in 0.. {
            for again in [true, false] {
                let (functions, shop) = (Functions::new().await, shop());
                let world = &functions.world;
                world.deploy_well("r1", &shop).await;
                if let Some(before) = before {
                    world.step_well(&shop, before).await;
                }
                let cut = world.step(Steps::interrupted_after(steps), &shop, to).await;
                let Err(error) = cut else {
                    functions.end().await;
                    break 'steps;
                };
                assert!(error.message.contains(INTERRUPTED), "{}", error.chain());
                cases += 1;
                if !again {
                    world.judged_bad(&shop).await;
                    functions.assert_in_effect("r1", None).await;
                } else if to == 100 {
                    world.step_well(&shop, to).await;
                    functions.assert_in_effect("r2", Some("r1")).await;
                } else {
                    world.step_well(&shop, to).await;
                    let alias = functions.alias().await;
                    let weights = &alias["RoutingConfig"]["AdditionalVersionWeights"];
                    let share = weights.as_object().and_then(|all| all.values().next());
                    let share = share.and_then(Value::as_f64).expect("a weight");
                    assert!((share * 100.0 - f64::from(to)).abs() < 0.01, "{steps}: {alias}");
                }
                functions.end().await;
            }
        }
    }
    println!("kill matrix: lambda, agent, the steps of a shift: {cases} cases");
    assert!(cases >= 16, "only {cases} cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_shared_in_steps_and_taken_back() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    world.deploy_well("r2", &shop).await;
    // As it is while `r2` is beside `r1`: prepared, and not in effect.
    world.roll_back("r2", &shop).await.expect("no fault");
    let target = functions.target(&shop);
    assert!(target.weights());
    let release = functions.record("r2", &shop);
    for (weight, share) in [(10, Some(0.1)), (50, Some(0.5)), (50, Some(0.5)), (0, None)] {
        let shifted = target.shift(&release, weight).await.expect("no fault");
        assert!(matches!(shifted, Shifted::Done { .. }));
        let alias = functions.alias().await;
        let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        let share_now = weights.and_then(|weights| weights.values().next()?.as_f64());
        assert_eq!(share_now, share, "{alias}");
        assert_eq!(alias["Description"], "pact acme/web:staging: r1");
    }
    target.shift(&release, 30).await.expect("no fault");
    let status = target.status(&"r1".parse().expect("a name"), 100).await.expect("no fault");
    assert!(status.problems[0].message.contains("30 %"), "{}", status.problems[0].message);
    target.shift(&release, 100).await.expect("no fault");
    assert_eq!(functions.answer().await["body"], "r2");
    assert!(target.status(&release.release, 100).await.expect("no fault").problems.is_empty());
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_by_hand_is_said() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    let by_hand = json!({ "FunctionVersion": "1" });
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), by_hand).await;
    let (answer, _) = world.status(Some("r1"), &shop).await.expect("no fault");
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "alias-moved");
    assert!(
        finding.message.contains("leads to version 1, not to version 2"),
        "{}",
        finding.message
    );
    // The next deployment leads it again; another environment's alias is left alone.
    world.deploy_well("r2", &shop).await;
    functions.assert_in_effect("r2", Some("r1")).await;
    let other = json!({ "Description": "pact acme/web:production: r9" });
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), other).await;
    let taken = self::finding(world.deploy("r3", &shop).await);
    assert_eq!(taken.code, "folder-taken");
    assert!(taken.message.contains("acme/web:production"), "{}", taken.message);
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_named_and_replaces_nothing() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    for (settings, code) in [
        (shop_with(json!({ "function": "nobody" })), "function-missing"),
        (shop_with(json!({ "artifact": "target" })), "artifact-missing"),
        (shop_with(json!({ "build": [["not-built"]] })), "build-failed"),
        (
            shop_with(json!({ "role": "arn:aws:iam::999999999999:role/pact-deploy-other" })),
            "role-refused",
        ),
    ] {
        let refused = finding(world.deploy("r2", &settings).await);
        assert_eq!(refused.code, code, "{}", refused.message);
        assert!(refused.remedy.is_some(), "{code}");
        functions.assert_in_effect("r1", None).await;
    }
    let mut artifact = functions.world.wanted("r2", &shop).await;
    artifact["source"]["key"] = "sources/none".into();
    let gone = world.act(Steps::default(), "deploy.to_staging", "run-r2", artifact).await;
    assert_eq!(gone.expect_err("is gone").name, ErrorName::SourceUnavailable);
    world.end("run-r2").await;
    // A passing throttle is waited for; one that stays is a fault, and nothing is changed.
    functions.trouble.throttled.store(2, Ordering::SeqCst);
    world.deploy_well("r3", &shop).await;
    functions.trouble.throttled.store(1000, Ordering::SeqCst);
    let throttled = world.deploy("r4", &shop).await.expect_err("is throttled");
    assert_eq!(throttled.name, ErrorName::TargetUnavailable, "{}", throttled.message);
    functions.trouble.throttled.store(0, Ordering::SeqCst);
    functions.assert_serves("r3").await;
    functions.end().await;
}

impl Functions {
    async fn assert_serves(&self, release: &str) {
        assert_eq!(self.answer().await["body"], release);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_well_gets_no_request() {
    let functions = Functions::new().await;
    let (world, mut shop) = (&functions.world, shop());
    let address = "/2021-10-31/functions/shop/url?Qualifier=live";
    functions.ask("POST", address, json!({ "AuthType": "NONE" })).await;
    let wanted = |contains: Option<&str>| Probe {
        path: "/health".to_owned(),
        contains: contains.map(str::to_owned),
        interval_ms: 50,
        deadline_seconds: 5,
        ..Probe::default()
    };
    shop.health = vec![wanted(Some("r1"))];
    world.deploy_well("r1", &shop).await;
    let changes = functions.trouble.aliases.load(Ordering::SeqCst);
    for (release, probe, says) in [
        ("broken-1", wanted(None), "an error of the function (Unhandled)"),
        ("r2", wanted(Some("r3")), "answers /health with 200, without \"r3\""),
        // As with every step of a strategy, so before the first one too.
        ("broken-2", wanted(None), "on purpose"),
    ] {
        let settings = Environment { health: vec![probe], ..shop.clone() };
        let mut wanted = world.wanted(release, &settings).await;
        if release == "broken-2" {
            wanted["weight"] = 0.into();
        }
        let run = format!("run-{release}");
        let answer = world.act(Steps::default(), "deploy.to_staging", &run, wanted).await;
        world.end(&run).await;
        let refused = finding(answer);
        assert_eq!(refused.code, "function-unhealthy", "{}", refused.message);
        assert!(refused.message.contains(says), "{}", refused.message);
        assert_eq!(functions.trouble.aliases.load(Ordering::SeqCst), changes);
        functions.assert_in_effect("r1", None).await;
    }
    functions.end().await;
}

#[tokio::test]
async fn an_installation_without_services_says_so() {
    let world = World::new();
    let refused = finding(world.deploy("r1", &shop()).await);
    assert_eq!(refused.code, "target-refused");
    assert!(refused.message.contains("no functions"), "{}", refused.message);
    let _: EnvironmentKey = key();
}

/// An emulator of AWS that others wrote, as a process; ended when it is dropped.
pub(super) struct Emulator {
    pub(super) url: String,
    child: std::process::Child,
    folder: Option<tempfile::TempDir>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

#[expect(clippy::print_stderr, reason = "what was skipped is said")]
/// Starts one where it is installed, as `tests/emulators/run` does it; says so where it is not.
pub(super) async fn emulator(name: &str) -> Option<Emulator> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let program = cache.join("pact-ci/emulators/bin").join(name);
    if !program.is_file() {
        eprintln!("skipped: {name} is not installed; tests/emulators/run installs it");
        return None;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = std::process::Command::new(program);
    if name == "moto_server" {
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    }
    let child = command
        .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
        .envs([("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0")])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("MOTO_ACCOUNT_ID", "000000000000")])
        .envs(["HOME", "TMPDIR", "S3_DATA_DIR", "STATE_DIR"].map(|name| (name, folder.path())))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let emulator =
        Emulator { url: format!("http://127.0.0.1:{port}"), child, folder: Some(folder) };
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed().as_secs() < 60, "{name} does not listen");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Some(emulator)
}

/// Makes a role, which emulators look for.
async fn make_role(url: &str, name: &str) {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("Action", "CreateRole"), ("Version", "2010-05-08"), ("RoleName", name)])
        .append_pair("AssumeRolePolicyDocument", trust)
        .finish();
    let answer = reqwest::Client::new()
        .post(url)
        .header("authorization", SCOPE.replace("/lambda/", "/iam/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .expect("is answered");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

/// What nobody here wrote understands the unchanged agent: code, versions, aliases, roles. Invocations
/// are left out, as moto needs containers for them; `shares`: whether it can be asked for provisioned
/// concurrency, as is done before traffic is shared.
async fn on_an_emulator(name: &str, shares: bool) {
    let Some(mut emulator) = emulator(name).await else { return };
    make_role(&emulator.url, "shop").await;
    let folder = emulator.folder.take().expect("a folder");
    let trouble = Arc::new(Trouble::default());
    let functions = Functions::over(emulator.url.clone(), None, trouble, folder).await;
    functions.with_alias().await;
    let (world, shop) = (&functions.world, shop());
    let leads = async || {
        let alias = functions.alias().await;
        let text = |field: &str| alias[field].as_str().unwrap_or_default().to_owned();
        (text("FunctionVersion"), text("Description"))
    };
    let own = |version: &str, release: &str| {
        (version.to_owned(), format!("pact acme/web:staging: {release}"))
    };
    world.deploy_well("r1", &shop).await;
    assert_eq!(leads().await, own("2", "r1"));
    world.deploy_well("r2", &shop).await;
    assert_eq!(leads().await, own("3", "r2"));
    let (answer, _) = world.status(Some("r2"), &shop).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    for _ in 0..2 {
        let (_, back) = world.roll_back("r2", &shop).await.expect("no fault");
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        assert_eq!(leads().await, own("2", "r1"));
    }
    if shares {
        let target = functions.target(&shop);
        target.shift(&functions.record("r2", &shop), 10).await.expect("no fault");
    }
    world.end("run-r2").await;
    let missing = finding(world.deploy("r3", &shop_with(json!({ "function": "nobody" }))).await);
    assert_eq!(missing.code, "function-missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_understands_the_agent() {
    on_an_emulator("moto_server", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_understands_the_agent() {
    on_an_emulator("ministack", true).await;
}
