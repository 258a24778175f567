//! Against a server with GitHub's documented rules for its Apps.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use pact_agent::testing::Memory;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{method, path},
};

use super::*;

const APP: &str = "Iv23li.c1ient";

/// An App's private key in PEM, and what its proofs are checked with.
fn key() -> (String, DecodingKey) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    (pem, DecodingKey::from_rsa_der(pair.public_key().as_ref()))
}

/// A proof counts for ten minutes at most, is of this App, and signed with its key.
struct ForProof(DecodingKey, ResponseTemplate);

impl Respond for ForProof {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = request.headers.get("authorization").map(|value| value.to_str().unwrap());
        let proof = header.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_issuer(&[APP]);
        rules.set_required_spec_claims(&["iss", "exp"]);
        let now = Timestamp::now().as_second();
        let counts = decode::<Value>(proof, &self.0, &rules).is_ok_and(|proof| {
            let time = |name: &str| proof.claims[name].as_i64().unwrap();
            time("iat") <= now && time("exp") - time("iat") <= 600
        });
        if counts && request.headers.get("x-github-api-version").is_some() {
            return self.1.clone();
        }
        ResponseTemplate::new(401)
            .set_body_json(json!({ "message": "A JSON web token could not be decoded" }))
    }
}

struct World {
    server: MockServer,
    memory: Arc<Memory>,
    tokens: HostTokens,
    public: DecodingKey,
}

fn lends(status: u16, minutes: i64) -> ResponseTemplate {
    let until = Timestamp::now() + SignedDuration::from_mins(minutes);
    ResponseTemplate::new(status).set_body_json(
        json!({ "token": "ghs_16C7e42F292c6912E7", "expires_at": until.to_string() }),
    )
}

fn says(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "message": message }))
}

impl World {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let (pem, public) = key();
        let memory = Memory::new();
        memory.set_secret("github-app-key", &pem);
        let api = format!("{}/api/v3/", server.uri());
        let settings = AppSettings::read(|name| match name {
            "PACT_GITHUB_APP" => Some(APP.to_owned()),
            _ => Some(api.clone()),
        });
        let tokens = HostTokens::new(memory.clone(), settings.unwrap());
        Self { server, memory, tokens, public }
    }

    async fn answers(&self, installation: ResponseTemplate, token: ResponseTemplate) {
        self.server.reset().await;
        for (verb, at, answer) in [
            ("GET", "/api/v3/repos/acme/web/installation", installation),
            ("POST", "/api/v3/app/installations/7/access_tokens", token),
        ] {
            let answer = ForProof(self.public.clone(), answer);
            Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&self.server).await;
        }
    }

    async fn find(&self, purpose: Purpose) -> Found {
        let (name, api) = ("acme/web".parse().unwrap(), format!("{}/api/v3", self.server.uri()));
        self.tokens.find(&name, Some(&api), purpose).await.unwrap()
    }

    async fn lease(&self, purpose: Purpose) -> Lease {
        let (name, api) = ("acme/web".parse().unwrap(), format!("{}/api/v3", self.server.uri()));
        self.tokens.lease(&name, Some(&api), purpose).await.unwrap()
    }

    async fn asked(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }
}

fn installed() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "id": 7 }))
}

fn is_lent() -> Found {
    Found::Lent(Secret::new("ghs_16C7e42F292c6912E7"))
}

#[tokio::test]
async fn a_token_is_for_one_repository_and_purpose_and_is_used_until_shortly_before_its_end() {
    let world = World::new().await;
    world.answers(installed(), lends(201, 60)).await;
    for _ in 0..3 {
        assert_eq!(world.find(Purpose::Statuses).await, is_lent());
    }
    let asked = world.asked().await;
    assert_eq!(asked.len(), 2, "once for three");
    let wanted: Value = asked[1].body_json().unwrap();
    let statuses = json!({ "repositories": ["web"], "permissions": { "statuses": "write" } });
    assert_eq!(wanted, statuses);
    assert_eq!(world.find(Purpose::Fetch).await, is_lent());
    let wanted: Value = world.asked().await[3].body_json().unwrap();
    assert_eq!(wanted["permissions"], json!({ "contents": "read" }));
    // What the host does not take any more is asked for anew.
    let mut lease = world.lease(Purpose::Fetch).await;
    world.answers(installed(), lends(201, 4)).await;
    assert!(!world.tokens.renew(&mut lease).await.unwrap(), "it is the same one");
    assert_eq!(world.find(Purpose::Fetch).await, is_lent());
    assert_eq!(world.asked().await.len(), 4, "one that ends at once is not kept");
}

#[tokio::test]
async fn a_token_that_the_host_does_not_take_is_replaced_once_for_a_question() {
    let world = World::new().await;
    world.answers(installed(), lends(201, 60)).await;
    let (mut first, mut second) =
        (world.lease(Purpose::Fetch).await, world.lease(Purpose::Fetch).await);
    let until = Timestamp::now() + SignedDuration::from_mins(60);
    let other = json!({ "token": "ghs_other", "expires_at": until.to_string() });
    world.answers(installed(), ResponseTemplate::new(201).set_body_json(other)).await;
    assert!(world.tokens.renew(&mut first).await.unwrap());
    assert_eq!(*first.found(), Found::Lent(Secret::new("ghs_other")));
    // Who was refused at the same time gets that one, and asks for none.
    assert!(world.tokens.renew(&mut second).await.unwrap());
    assert_eq!(second.found(), first.found());
    assert_eq!(world.asked().await.len(), 2);
    assert!(!world.tokens.renew(&mut first).await.unwrap(), "once is enough");
    // What somebody gave is theirs to change.
    world.memory.set_secret("repositories/acme/web/source-token", "own");
    let mut given = world.lease(Purpose::Fetch).await;
    assert!(!world.tokens.renew(&mut given).await.unwrap());
    assert_eq!(*given.found(), Found::Given(Secret::new("own")));
}

#[tokio::test]
async fn each_answer_means_what_github_documents() {
    let world = World::new().await;
    let reset = (Timestamp::now() + SignedDuration::from_secs(90)).as_second().to_string();
    let spent = says(403, "API rate limit exceeded")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset", &*reset);
    let mend = Some(360);
    for (installation, token, said, wait) in [
        (says(404, "Not Found"), lends(201, 60), "not installed on the repository", mend),
        (
            installed(),
            says(422, "The permissions requested are not granted"),
            "write commit statuses",
            mend,
        ),
        (installed(), says(403, "This installation has been suspended"), "suspended", mend),
        (installed(), spent, "rate limit", Some(90)),
        (installed(), says(429, "").insert_header("retry-after", "77"), "answers 429", Some(77)),
        (says(502, ""), lends(201, 60), "answers 502", None),
        (installed(), says(503, "").insert_header("retry-after", "5"), "answers 503", Some(5)),
        (installed(), ResponseTemplate::new(201).set_body_string("<html>"), "no token", mend),
        (says(302, ""), lends(201, 60), "no token", mend),
    ] {
        world.answers(installation, token).await;
        let Found::Later { why, wait: waits } = world.find(Purpose::Statuses).await else {
            panic!("{said}: there is a token");
        };
        assert!(why.contains(said), "{why}");
        let near = waits.map(|waits| waits.as_secs() + i64::from(waits.subsec_nanos() > 0));
        assert!(
            near == wait || near.zip(wait).is_some_and(|(a, b)| b - a == 1),
            "{why}: {waits:?}"
        );
    }
    // Another App's key.
    let (pem, _) = key();
    world.memory.set_secret("github-app-key", &pem);
    world.answers(installed(), lends(201, 60)).await;
    let Found::Later { why, .. } = world.find(Purpose::Statuses).await else { panic!("a token") };
    assert!(why.contains("401") && why.contains("does not belong"), "{why}");
    world.memory.set_secret("github-app-key", "ghp_token");
    let Found::Missing(why) = world.find(Purpose::Statuses).await else { panic!("a token") };
    assert!(why.contains("/memory/github-app-key") && !why.contains("ghp_token"), "{why}");
}

#[tokio::test]
async fn a_repositorys_own_token_comes_first_and_a_proof_goes_to_no_other_host() {
    let world = World::new().await;
    world.answers(installed(), lends(201, 60)).await;
    let name: RepositoryName = "acme/web".parse().unwrap();
    for api in [Some("https://git.example/api/v3"), None] {
        let found = world.tokens.find(&name, api, Purpose::Statuses).await.unwrap();
        let Found::Missing(why) = found else { panic!("{api:?}") };
        assert!(why.contains("repositories/acme/web/status-token"), "{why}");
        world.memory.set_secret("source-token", "for-all");
        let found = world.tokens.find(&name, api, Purpose::Fetch).await.unwrap();
        assert_eq!(found, Found::Given(Secret::new("for-all")));
    }
    assert_eq!(world.find(Purpose::Fetch).await, is_lent(), "the App's before that of all");
    world.memory.set_secret("repositories/acme/web/source-token", "own");
    assert_eq!(world.find(Purpose::Fetch).await, Found::Given(Secret::new("own")));
    let asked = world.asked().await.len();
    world.memory.set_secret("repositories/acme/web/status-token", "own");
    assert_eq!(world.find(Purpose::Workflows).await, Found::Given(Secret::new("own")));
    assert_eq!(world.asked().await.len(), asked);
}

#[test]
fn the_settings_of_an_app_are_checked() {
    let read = |id: &str, api: &str| {
        AppSettings::read(|name| Some(if name == "PACT_GITHUB_APP" { id } else { api }.to_owned()))
    };
    assert_eq!(read(" ", "x"), Ok(None));
    assert!(read("1234", "").is_ok_and(|app| app.unwrap().is_at("https://api.github.com")));
    let own = read("1234", "https://git.example/api/v3/").unwrap().unwrap();
    assert!(own.is_at("https://git.example/api/v3"));
    for (id, api) in
        [("a b", ""), ("1", "http://git.example"), ("1", "git.example"), ("1", "https://u@h/?q")]
    {
        assert!(read(id, api).is_err(), "{id} {api}");
    }
}
