//! Signing in by an OpenID Connect provider: one that does as it should, and every way not to.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use pact_web::access::People;
use sha2::Digest as _;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

use super::*;

const HOST: &str = "pact.example.com";
const ALLOW: &str = "@example.org=read, group:ops=operate+approve";

/// A provider, of which a test may change anything.
struct Provider {
    server: MockServer,
    key: EncodingKey,
    jwk: Value,
    document: Value,
    secret: Option<&'static str>,
}

fn key() -> (EncodingKey, Value) {
    let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let key = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    let key = EncodingKey::from_ec_der(key.as_ref());
    let mut jwk =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
    jwk["kid"] = json!("k1");
    jwk["use"] = json!("sig");
    (key, jwk)
}

impl Provider {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let (key, jwk) = key();
        let at = |path: &str| format!("{}{path}", server.uri());
        let document = json!({
            "issuer": server.uri(),
            "authorization_endpoint": at("/authorize?tenant=1"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/keys"),
            "userinfo_endpoint": at("/userinfo"),
            "scopes_supported": ["openid", "email", "groups"],
        });
        Self { server, key, jwk, document, secret: Some("s+cr:t") }
    }

    async fn says(&self, at: &str, status: u16, body: &Value) {
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(path(at)).respond_with(answer).with_priority(2).mount(&self.server).await;
    }

    /// A gateway that lets people in whom this one knows.
    async fn gateway(&self) -> Gateway {
        self.says("/.well-known/openid-configuration", 200, &self.document).await;
        let world = World::new();
        if let Some(secret) = self.secret {
            world.set_secret("sign-in-secret", secret);
        }
        let mut gateway = world.gateway();
        let people = People::read(|name| {
            let value = match name {
                "PACT_SIGN_IN_ISSUER" => self.server.uri(),
                "PACT_SIGN_IN_CLIENT" => "pact client".to_owned(),
                "PACT_SIGN_IN_ALLOW" => ALLOW.to_owned(),
                _ => return None,
            };
            Some(value)
        });
        gateway.ports.doors = gateway.ports.doors.for_people(people.unwrap().map(Arc::new));
        gateway
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": self.server.uri(), "aud": "pact client", "sub": "248289761001",
            "iat": now, "exp": now + 300, "nonce": nonce,
            "email": "Ada@Example.org", "email_verified": true, "groups": ["ops", "cats"],
        })
    }

    fn signed(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        encode(&header, claims, &self.key).unwrap()
    }

    async fn keys(&self) {
        self.says("/keys", 200, &json!({ "keys": [{ "kty": "new" }, self.jwk] })).await;
    }

    /// Gives this token for any code.
    async fn gives(&self, id_token: &str) {
        self.keys().await;
        let tokens = json!({ "id_token": id_token, "access_token": "at", "token_type": "Bearer" });
        self.says("/token", 200, &tokens).await;
    }
}

/// What came back: status, headers and where it leads.
struct Came {
    status: u16,
    headers: HeaderMap,
    to: String,
}

impl Came {
    /// A part of the query of the address that it leads to.
    fn part(&self, name: &str) -> String {
        let url = url::Url::parse("http://none").unwrap().join(&self.to).unwrap();
        let found = url.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The cookie of this name that the browser is to keep.
    fn cookie(&self, name: &str) -> Option<String> {
        let mut all = self.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
        let set = all.rfind(|set| set.starts_with(&format!("{name}=")))?;
        Some(set.split(';').next().unwrap().to_owned())
    }

    fn refused(&self) -> String {
        assert_eq!(self.status, 303);
        assert!(self.to.starts_with("/sign-in?"), "{}", self.to);
        assert_eq!(self.cookie("__Host-pact"), None, "nobody is signed in");
        self.part("refused")
    }
}

async fn get(gateway: &Gateway, path: &str, cookie: Option<&str>) -> Came {
    let mut request = Request::get(path).header("host", HOST);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router(gateway.clone()).oneshot(request).await.unwrap();
    let headers = response.headers().clone();
    let to = headers.get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    Came { status: response.status().as_u16(), headers, to }
}

/// A browser that was sent to the provider: what it was sent with, and the cookie it keeps.
async fn begun(gateway: &Gateway) -> (Came, String) {
    let came = get(gateway, "/v1/sign-in?next=/runs%3Fstatus%3Dfailed", None).await;
    assert_eq!(came.status, 303);
    let cookie = came.cookie("__Host-pact-sign-in").unwrap_or_default();
    (came, cookie)
}

/// Back from the provider, with its answer to what was begun.
async fn back(gateway: &Gateway, begun: &(Came, String)) -> Came {
    let query = format!("code=c0de&state={}", begun.0.part("state"));
    get(gateway, &format!("/v1/sign-in/callback?{query}"), Some(&begun.1)).await
}

#[tokio::test]
async fn whom_the_provider_knows_is_signed_in_under_their_name_with_what_is_granted() {
    let provider = Provider::new().await;
    let gateway = provider.gateway().await;
    provider.keys().await;
    let begun = begun(&gateway).await;
    let sent = &begun.0;
    assert!(sent.to.starts_with(&format!("{}/authorize?tenant=1&", provider.server.uri())));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "pact client"),
        ("redirect_uri", "https://pact.example.com/v1/sign-in/callback"),
        ("scope", "openid email groups"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent.part(name), value);
    }
    provider.gives(&provider.signed(&provider.claims(&sent.part("nonce")))).await;
    let came = back(&gateway, &begun).await;
    assert_eq!((came.status, came.to.as_str()), (303, "/runs?status=failed"));
    assert_eq!(came.headers["referrer-policy"], "no-referrer");
    assert_eq!(came.cookie("__Host-pact-sign-in").as_deref(), Some("__Host-pact-sign-in="));

    // The code was redeemed by whoever began, with the secret written as in a form.
    let asked = provider.server.received_requests().await.unwrap();
    let redeemed = asked.iter().find(|request| request.url.path() == "/token").unwrap();
    let basic = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode("pact+client:s%2Bcr%3At")
    );
    assert_eq!(redeemed.headers["authorization"], basic.as_str());
    let form: std::collections::BTreeMap<_, _> =
        url::form_urlencoded::parse(&redeemed.body).into_owned().collect();
    assert_eq!((&*form["code"], &*form["grant_type"]), ("c0de", "authorization_code"));
    assert_eq!(form["redirect_uri"], sent.part("redirect_uri"));
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert_eq!(proof, sent.part("code_challenge"));
    assert!(!form.contains_key("client_secret"));

    let cookie = came.cookie("__Host-pact").unwrap();
    let caller = Request::get("/v1/caller").header("host", HOST).header("cookie", &cookie);
    let (status, caller) = send(&gateway, caller.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(caller["owner"], "ada@example.org");
    assert_eq!(caller["scopes"], json!(["read", "approve", "operate"]));
    // Other rules, another provider, none: whoever was let in has to come again.
    for people in [None, Some("@example.org=read")] {
        let mut other = gateway.clone();
        let people = people.map(|allow| {
            let issuer = provider.server.uri();
            let read = People::read(|name| match name {
                "PACT_SIGN_IN_ISSUER" => Some(issuer.clone()),
                "PACT_SIGN_IN_CLIENT" => Some("pact client".to_owned()),
                "PACT_SIGN_IN_ALLOW" => Some(allow.to_owned()),
                _ => None,
            });
            Arc::new(read.unwrap().unwrap())
        });
        other.ports.doors = other.ports.doors.for_people(people);
        let caller = Request::get("/v1/caller").header("host", HOST).header("cookie", &cookie);
        assert_eq!(send(&other, caller.body(Body::empty()).unwrap()).await.0, 401);
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_in_anything_signs_nobody_in() {
    let now = jiff::Timestamp::now().as_second();
    let (other_key, _) = key();
    let hour = 3_600;
    for (what, change) in [
        ("the issuer", json!({ "iss": "https://evil.example" })),
        ("issuers", json!({ "iss": ["https://evil.example"] })),
        ("the audience", json!({ "aud": "another client" })),
        ("no audience", json!({ "aud": null })),
        ("audiences", json!({ "aud": ["pact client", "another client"] })),
        ("the party", json!({ "azp": "another client" })),
        ("expired", json!({ "exp": now - 90 })),
        ("no end", json!({ "exp": null })),
        ("not yet", json!({ "nbf": now + hour })),
        ("of the future", json!({ "iat": now + hour })),
        ("an old one", json!({ "iat": now - hour })),
        ("no beginning", json!({ "iat": null })),
        ("the nonce", json!({ "nonce": "0".repeat(64) })),
        ("no nonce", json!({ "nonce": null })),
        ("nobody", json!({ "sub": "" })),
    ] {
        let provider = Provider::new().await;
        let gateway = provider.gateway().await;
        provider.keys().await;
        let begun = begun(&gateway).await;
        let mut claims = provider.claims(&begun.0.part("nonce"));
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        provider.gives(&provider.signed(&claims)).await;
        assert_eq!(back(&gateway, &begun).await.refused(), "sign_in_failed", "{what}");
    }
    let signed = |provider: &Provider, claims: &Value, how: &str| -> String {
        let body = |header: Value| {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}", part(&header), part(claims))
        };
        let good = provider.signed(claims);
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        match how {
            "unsigned" => format!("{}.", body(json!({ "alg": "none", "kid": "k1" }))),
            "as unsigned" => {
                let signature = good.rsplit('.').next().unwrap();
                format!("{}.{signature}", body(json!({ "alg": "none", "kid": "k1" })))
            }
            "cut" => format!("{}.", good.rsplit_once('.').unwrap().0),
            "by another key" => encode(&header, claims, &other_key).unwrap(),
            "by an unknown key" => {
                header.kid = Some("k2".to_owned());
                encode(&header, claims, &provider.key).unwrap()
            }
            "by the secret" => {
                let key = EncodingKey::from_secret(b"s+cr:t");
                encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
            }
            "by the public key" => {
                let key = EncodingKey::from_secret(provider.jwk.to_string().as_bytes());
                header.alg = Algorithm::HS256;
                encode(&header, claims, &key).unwrap()
            }
            "asks for more" => {
                header.crit = Some(vec!["b64".to_owned()]);
                encode(&header, claims, &provider.key).unwrap()
            }
            "changed" => {
                let mut parts: Vec<_> = good.split('.').map(str::to_owned).collect();
                let mut claims = claims.clone();
                claims["email"] = json!("root@example.org");
                parts[1] = URL_SAFE_NO_PAD.encode(claims.to_string());
                parts.join(".")
            }
            _ => "not a token".to_owned(),
        }
    };
    for how in [
        "unsigned",
        "as unsigned",
        "cut",
        "by another key",
        "by an unknown key",
        "by the secret",
        "by the public key",
        "asks for more",
        "changed",
        "none",
    ] {
        let provider = Provider::new().await;
        let gateway = provider.gateway().await;
        provider.keys().await;
        let begun = begun(&gateway).await;
        let claims = provider.claims(&begun.0.part("nonce"));
        provider.gives(&signed(&provider, &claims, how)).await;
        assert_eq!(back(&gateway, &begun).await.refused(), "sign_in_failed", "{how}");
    }
}

#[tokio::test]
async fn an_answer_counts_in_the_browser_that_asked_and_once() {
    let provider = Provider::new().await;
    let gateway = provider.gateway().await;
    provider.keys().await;
    let first = begun(&gateway).await;
    let other = begun(&gateway).await;
    provider.gives(&provider.signed(&provider.claims(&first.0.part("nonce")))).await;
    let state = first.0.part("state");
    let callback = |query: &str| format!("/v1/sign-in/callback?{query}");
    let (good, iss) = (format!("code=c&state={state}"), "iss=https%3A%2F%2Fevil.example");
    for (query, cookie) in [
        (good.clone(), None),
        (good.clone(), Some("__Host-pact-sign-in=")),
        (good.clone(), Some(&*other.1)),
        (format!("code=c&state={}", other.0.part("state")), Some(&*first.1)),
        ("code=c".to_owned(), Some(&*first.1)),
        (format!("{good}&state={state}"), Some(&*first.1)),
        (format!("{good}&{iss}"), Some(&*first.1)),
        (format!("state={state}"), Some(&*first.1)),
        (format!("error=access_denied&error_description=no&state={state}"), Some(&*first.1)),
        (format!("code={}&state={state}", "c".repeat(5_000)), Some(&*first.1)),
        (String::new(), None),
    ] {
        let came = get(&gateway, &callback(&query), cookie).await;
        assert_eq!(came.refused(), "sign_in_failed", "{query}");
    }
    let asked = |requests: Vec<wiremock::Request>| {
        requests.iter().filter(|request| request.url.path() == "/token").count()
    };
    let count = asked(provider.server.received_requests().await.unwrap());
    assert_eq!(count, 0, "no code is redeemed for a browser that did not ask");
    assert_eq!(back(&gateway, &first).await.to, "/runs?status=failed");
    // The browser has no cookie any more; whoever kept it finds that the provider takes a code once.
    let came = get(&gateway, &callback(&good), None).await;
    assert_eq!(came.refused(), "sign_in_failed");
    provider.server.reset().await;
    provider.says("/token", 400, &json!({ "error": "invalid_grant" })).await;
    assert_eq!(back(&gateway, &first).await.refused(), "sign_in_failed");
}

#[tokio::test]
async fn whom_nothing_is_granted_to_is_not_let_in_and_an_unverified_address_is_nobodys() {
    for (change, owner) in [
        (json!({ "email": "eve@evil.example", "groups": [] }), None),
        (json!({ "email_verified": false, "groups": ["cats"] }), None),
        (json!({ "email_verified": null, "groups": [] }), None),
        (json!({ "email": "eve@evil.example", "groups": "ops" }), Some("eve@evil.example")),
        (json!({ "email_verified": false }), Some("sub:248289761001")),
    ] {
        let provider = Provider::new().await;
        let gateway = provider.gateway().await;
        provider.keys().await;
        provider.says("/userinfo", 200, &json!({ "sub": "248289761001" })).await;
        let begun = begun(&gateway).await;
        let mut claims = provider.claims(&begun.0.part("nonce"));
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        provider.gives(&provider.signed(&claims)).await;
        let came = back(&gateway, &begun).await;
        let Some(owner) = owner else {
            assert_eq!(came.refused(), "no_grant", "{change}");
            continue;
        };
        let cookie = came.cookie("__Host-pact").unwrap();
        let caller = Request::get("/v1/caller").header("host", HOST).header("cookie", &cookie);
        let (_, caller) = send(&gateway, caller.body(Body::empty()).unwrap()).await;
        assert_eq!(caller["owner"], owner, "{change}");
    }
}

#[tokio::test]
async fn what_the_token_does_not_say_is_asked_for_and_must_be_of_the_same_person() {
    for (sub, to) in [("248289761001", "/runs?status=failed"), ("7", "")] {
        let provider = Provider { secret: None, ..Provider::new().await };
        let gateway = provider.gateway().await;
        provider.keys().await;
        let begun = begun(&gateway).await;
        let mut claims = provider.claims(&begun.0.part("nonce"));
        for name in ["email", "email_verified", "groups"] {
            claims.as_object_mut().unwrap().remove(name);
        }
        provider.gives(&provider.signed(&claims)).await;
        let more = json!({ "sub": sub, "email": "ada@example.org", "email_verified": true });
        Mock::given(method("GET"))
            .and(path("/userinfo"))
            .and(header("authorization", "Bearer at"))
            .respond_with(ResponseTemplate::new(200).set_body_json(&more))
            .mount(&provider.server)
            .await;
        let came = back(&gateway, &begun).await;
        if to.is_empty() {
            assert_eq!(came.refused(), "sign_in_failed");
        } else {
            assert_eq!(came.to, to);
        }
        let asked = provider.server.received_requests().await.unwrap();
        let redeemed = asked.iter().find(|request| request.url.path() == "/token").unwrap();
        // Without a secret the proof alone says who asks.
        assert!(!redeemed.headers.contains_key("authorization"));
        assert!(String::from_utf8_lossy(&redeemed.body).contains("client_id=pact+client"));
    }
}

#[tokio::test]
async fn a_provider_that_is_away_or_odd_is_named_as_such() {
    let odd: &[(&str, Value)] = &[
        ("issuer", json!("https://evil.example")),
        ("authorization_endpoint", json!("http://evil.example/authorize")),
        ("token_endpoint", json!("http://evil.example/token")),
        ("jwks_uri", Value::Null),
        ("code_challenge_methods_supported", json!(["plain"])),
    ];
    for (name, value) in odd {
        let mut provider = Provider::new().await;
        provider.document[*name] = value.clone();
        let gateway = provider.gateway().await;
        provider.keys().await;
        assert_eq!(begun(&gateway).await.0.refused(), "provider_unavailable", "{name}");
    }
    let provider = Provider::new().await;
    let gateway = provider.gateway().await;
    provider.says("/keys", 200, &json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] })).await;
    assert_eq!(begun(&gateway).await.0.refused(), "provider_unavailable");

    for (status, body) in
        [(500, json!({})), (401, json!({ "error": "invalid_client" })), (200, json!({}))]
    {
        let provider = Provider::new().await;
        let gateway = provider.gateway().await;
        provider.keys().await;
        let begun = begun(&gateway).await;
        provider.says("/token", status, &body).await;
        assert_eq!(back(&gateway, &begun).await.refused(), "provider_unavailable", "{status}");
    }
    let gateway = World::new().gateway();
    assert_eq!(get(&gateway, "/v1/sign-in", None).await.status, 404, "none is set up");
    assert_eq!(get(&gateway, "/v1/sign-in/callback?code=a", None).await.status, 404);
}

#[tokio::test]
async fn keys_that_were_changed_are_asked_for_anew_and_not_each_time() {
    let mut provider = Provider::new().await;
    provider.jwk["kid"] = json!("k0");
    let gateway = provider.gateway().await;
    provider.keys().await;
    let begun = begun(&gateway).await;
    provider.server.reset().await;
    provider.says("/.well-known/openid-configuration", 200, &provider.document).await;
    provider.jwk["kid"] = json!("k1");
    provider.gives(&provider.signed(&provider.claims(&begun.0.part("nonce")))).await;
    assert_eq!(back(&gateway, &begun).await.refused(), "sign_in_failed", "asked a moment ago");
    gateway.ports.provider.age(jiff::SignedDuration::from_secs(31)).await;
    assert_eq!(back(&gateway, &begun).await.to, "/runs?status=failed");
}
