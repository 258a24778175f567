//! Whether an ID token counts, and what it says of somebody: OpenID Connect Core 1.0, sections 2 and
//! 3.1.3.7.

use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind, jwk::Jwk,
};
use pact_web::access::{People, Person, SIGN_IN_LIFE, SignIn};
use serde_json::{Map, Value};

/// Largest token.
const MAX_TOKEN: usize = 64 * 1024;
/// How far the provider's clock may be off, in seconds.
const LEEWAY: u64 = 60;
/// Longest subject, as the specification has it.
const MAX_SUBJECT: usize = 255;
/// Most groups of somebody, and the longest name of one.
const MAX_GROUPS: usize = 1_000;
const MAX_GROUP: usize = 256;

/// What a provider signs with. Secrets of both sides are not among them: the installation's own
/// secret would be a key, and a public key a secret.
const SIGNED: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A key of the provider.
pub(crate) struct Key {
    id: Option<String>,
    /// What alone it signs with, where the provider says so.
    algorithm: Option<String>,
    key: DecodingKey,
}

impl Key {
    /// Of a key of RFC 7517; none of one that signs no tokens, or of a kind that is not known.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        if text("use").is_some_and(|used| used != "sig") || text("kty")? == "oct" {
            return None;
        }
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: text("kid"), algorithm: text("alg"), key })
    }
}

/// Why a token does not count.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// It names a key that the provider is not known to have.
    #[error("the token is signed with a key that the provider does not have")]
    UnknownKey,
    /// Anything else.
    #[error("the token does not count: {0}")]
    Token(String),
}

/// What a provider says of somebody.
#[derive(Debug)]
pub(crate) struct Claims(Map<String, Value>);

/// What the token says, if it counts.
///
/// # Errors
/// Where it does not.
pub(crate) fn verify(
    token: &str,
    keys: &[Key],
    people: &People,
    sign_in: &SignIn,
    now: Timestamp,
) -> Result<Claims, Wrong> {
    let wrong = |why: &str| Wrong::Token(why.to_owned());
    if token.len() > MAX_TOKEN {
        return Err(wrong("it is too long"));
    }
    // `none` is no algorithm here.
    let header = decode_header(token)
        .map_err(|error| Wrong::Token(format!("it is no token that is signed: {error}")))?;
    if !SIGNED.contains(&header.alg) {
        return Err(wrong("no provider signs with its algorithm"));
    }
    if header.crit.is_some() {
        return Err(wrong("its header asks for what is not known here"));
    }
    let algorithm = format!("{:?}", header.alg);
    let fits = |key: &&Key| {
        key.key.family().algorithms().contains(&header.alg)
            && key.algorithm.as_ref().is_none_or(|only| *only == algorithm)
            && (header.kid.is_none() || key.id == header.kid)
    };
    let mut rules = Validation::new(header.alg);
    rules.set_issuer(&[people.issuer()]);
    rules.set_audience(&[people.client()]);
    rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY;
    let mut refused = Wrong::UnknownKey;
    for key in keys.iter().filter(fits) {
        match decode::<Map<String, Value>>(token, &key.key, &rules) {
            Ok(found) => return own(Claims(found.claims), people, sign_in, now),
            Err(error) => {
                let other = matches!(error.kind(), ErrorKind::InvalidSignature);
                refused = Wrong::Token(error.to_string());
                // Without an id in the header it may be any key's.
                if !other {
                    break;
                }
            }
        }
    }
    Err(refused)
}

/// What the library does not look at.
fn own(claims: Claims, people: &People, sign_in: &SignIn, now: Timestamp) -> Result<Claims, Wrong> {
    let wrong = |why: &str| Err(Wrong::Token(why.to_owned()));
    if claims.text("iss") != Some(people.issuer()) {
        return wrong("its issuer is not one text");
    }
    let audiences = claims.0.get("aud").and_then(Value::as_array).map_or(1, Vec::len);
    match claims.text("azp") {
        Some(party) if party != people.client() => return wrong("it was made for another client"),
        None if audiences > 1 => return wrong("it does not say for which of its audiences it is"),
        _ => {}
    }
    let subject = claims.subject();
    let plain = subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if subject.is_empty() || subject.len() > MAX_SUBJECT || !plain {
        return wrong("its subject is nobody");
    }
    if !claims.text("nonce").is_some_and(|nonce| sign_in.has_nonce(nonce)) {
        return wrong("it was made for another attempt");
    }
    let leeway = i64::try_from(LEEWAY).unwrap_or(0);
    let issued = claims.0.get("iat").and_then(Value::as_f64);
    // Seconds of any time that there may be are exact in a float.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let (now, most) = (now.as_second() as f64, (SIGN_IN_LIFE.as_secs() + leeway) as f64);
    match issued {
        None => wrong("it does not say when it was made"),
        Some(issued) if issued > now + 60.0 => wrong("it is of the future"),
        Some(issued) if issued < now - most => wrong("it was made before somebody signed in"),
        Some(_) => Ok(claims),
    }
}

impl Claims {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// Who it is. An address that the provider has not verified is anybody's.
    pub(crate) fn person(&self, people: &People) -> Person {
        let verified = match self.0.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            // As some providers write it.
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        let email = self.text("email").filter(|_| verified).and_then(Person::address);
        let groups = people.groups_claim().and_then(|claim| self.0.get(claim));
        let groups = match groups {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all
                .iter()
                .filter_map(|group| group.as_str().filter(|name| name.len() <= MAX_GROUP))
                .map(str::to_owned)
                .take(MAX_GROUPS)
                .collect(),
            _ => Vec::new(),
        };
        Person { subject: self.subject().to_owned(), email, groups }
    }

    /// Whether all that the rules may ask for is known. Many providers put into the token what was not
    /// asked for elsewhere alone.
    pub(crate) fn is_enough(&self, person: &Person, people: &People) -> bool {
        let groups = people.groups_claim();
        person.email.is_some() && groups.is_none_or(|claim| self.0.contains_key(claim))
    }

    /// The same with what else the provider says; none where that is of somebody else. What the token
    /// says stays.
    pub(crate) fn with(mut self, more: Map<String, Value>) -> Option<Self> {
        if more.get("sub").and_then(Value::as_str) != Some(self.subject()) {
            return None;
        }
        // An address and whether it is verified belong together.
        let own = self.0.contains_key("email") && self.0.contains_key("email_verified");
        for (name, value) in more {
            let address = matches!(&*name, "email" | "email_verified");
            if address && !own {
                self.0.insert(name, value);
            } else if !address {
                self.0.entry(name).or_insert(value);
            }
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn people() -> People {
        let read = People::read(|name| {
            let value = match name {
                "PACT_SIGN_IN_ISSUER" => "https://id.example.org",
                "PACT_SIGN_IN_CLIENT" => "pact",
                "PACT_SIGN_IN_ALLOW" => "group:ops=operate",
                _ => return None,
            };
            Some(value.to_owned())
        });
        read.unwrap().unwrap()
    }

    fn claims(value: Value) -> Claims {
        let Value::Object(map) = value else { panic!("an object") };
        Claims(map)
    }

    #[test]
    fn an_address_counts_where_it_is_verified() {
        let email = |verified: Value| {
            let said = claims(json!({ "sub": "7", "email": "A@b.c", "email_verified": verified }));
            said.person(&people()).email
        };
        assert_eq!(email(json!(true)).as_deref(), Some("a@b.c"));
        assert_eq!(email(json!("true")).as_deref(), Some("a@b.c"));
        for not in [json!(false), json!("false"), json!(1), Value::Null] {
            assert_eq!(email(not.clone()), None, "{not}");
        }
        let said = claims(json!({ "sub": "7", "email": "a@b.c" }));
        assert_eq!(said.person(&people()).email, None);
    }

    #[test]
    fn what_else_is_said_adds_to_the_token_and_changes_nothing_in_it() {
        let more = |value: Value| match value {
            Value::Object(map) => map,
            _ => panic!("an object"),
        };
        let token = || claims(json!({ "sub": "7", "groups": ["ops"] }));
        let person = token()
            .with(more(json!({
                "sub": "7", "groups": ["root"], "email": "a@b.c", "email_verified": true,
            })))
            .unwrap()
            .person(&people());
        assert_eq!(
            (person.email.as_deref(), &*person.groups),
            (Some("a@b.c"), &["ops".into()][..])
        );
        assert!(token().with(more(json!({ "sub": "8", "email": "a@b.c" }))).is_none());
        let unverified = claims(json!({ "sub": "7", "email": "x@y.z", "email_verified": false }));
        let said = more(json!({ "sub": "7", "email_verified": true }));
        assert_eq!(unverified.with(said).unwrap().person(&people()).email, None);
        // Else the token's address would be verified by what is said of another one.
        let half = claims(json!({ "sub": "7", "email": "x@y.z" }));
        let said = more(json!({ "sub": "7", "email": "a@b.c", "email_verified": true }));
        assert_eq!(half.with(said).unwrap().person(&people()).email.as_deref(), Some("a@b.c"));
    }

    #[test]
    fn a_shared_secret_is_no_key_of_a_provider() {
        assert!(Key::read(&json!({ "kty": "oct", "k": "c2VjcmV0" })).is_none());
        assert!(
            Key::read(&json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA", "use": "enc" }))
                .is_none()
        );
        assert!(
            Key::read(&json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" })).is_none()
        );
        assert!(Key::read(&json!([])).is_none());
    }
}
