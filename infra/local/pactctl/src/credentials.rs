//! Credentials of the local stack's AWS endpoint: a pair for each function, and one for the owner of
//! the data folder.
//!
//! On AWS a function has the credentials of its role and nobody else has them. Here it is the same:
//! the endpoint answers to what is signed with a pair of this folder, and to nothing else that can
//! reach the port. The signature is the one of AWS, version 4.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use axum::http::{HeaderMap, Method, Uri};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::data::Secrets;

/// How the id of a role's pair begins, as on AWS.
const ROLE: &str = "ASIA";
/// Id of the owner's pair.
pub(crate) const OWNER: &str = "pactctl";
/// How far a caller's clock may be off; AWS allows as much.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// An access key.
#[derive(Clone)]
pub(crate) struct Pair {
    /// Its id, which every request shows.
    pub id: String,
    /// Its secret, which none does.
    pub secret: String,
}

/// The pairs of one data folder. They stay the same from start to start.
#[derive(Clone)]
pub(crate) struct Credentials {
    key: String,
    /// Secrets by id.
    known: BTreeMap<String, String>,
}

/// What credentials of a role stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// ARN of the role.
    pub role: String,
    /// Whose pair it was taken on with.
    pub caller: String,
    /// Until when it is good, in seconds of the epoch.
    pub expires: i64,
}

/// Whose signature a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// That of a pair.
    Pair(String),
    /// That of a role.
    Role(Session),
}

/// Why a request is refused, as AWS words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Name of the error.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
}

impl Refused {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Credentials {
    /// The owner's pair alone.
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let mut credentials = Self { key: secrets.aws.clone(), known: BTreeMap::new() };
        credentials.add(OWNER);
        credentials
    }

    /// The pairs of these functions too.
    pub(crate) fn with<'i>(mut self, ids: impl IntoIterator<Item = &'i str>) -> Self {
        for id in ids {
            self.add(id);
        }
        self
    }

    fn add(&mut self, id: &str) {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else { return };
        mac.update(id.as_bytes());
        self.known.insert(id.to_owned(), hex::encode(mac.finalize().into_bytes()));
    }

    /// The owner's pair.
    pub(crate) fn own(&self) -> Pair {
        self.pair(OWNER)
    }

    /// The pair with this id; one that opens nothing where there is none.
    pub(crate) fn pair(&self, id: &str) -> Pair {
        Pair { id: id.to_owned(), secret: self.secret(id).unwrap_or_default().to_owned() }
    }

    /// The secret of a pair.
    pub(crate) fn secret(&self, id: &str) -> Option<&str> {
        self.known.get(id).map(String::as_str)
    }

    /// Credentials of a role: a pair, and the token that goes with it. Nothing is kept of them: the
    /// token says what they are, and nobody else can make one.
    pub(crate) fn issue(&self, session: &Session) -> Option<(Pair, String)> {
        let said = hex::encode(serde_json::to_vec(session).ok()?);
        let token = format!("{said}.{}", self.sealed("token", &said)?);
        Some((self.of_token(&token)?, token))
    }

    /// The pair that a token goes with.
    fn of_token(&self, token: &str) -> Option<Pair> {
        let id = self.sealed("id", token)?.get(..16)?.to_ascii_uppercase();
        Some(Pair { id: format!("{ROLE}{id}"), secret: self.sealed("secret", token)? })
    }

    fn sealed(&self, what: &str, text: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).ok()?;
        mac.update(format!("role {what} {text}").as_bytes());
        Some(hex::encode(mac.finalize().into_bytes()))
    }

    /// What a token says, if it is one of this folder and still good, with the pair that goes with it.
    fn session(&self, token: &str, now: Timestamp) -> Option<(Session, Pair)> {
        let (said, seal) = token.split_once('.')?;
        if !bool::from(self.sealed("token", said)?.as_bytes().ct_eq(seal.as_bytes())) {
            return None;
        }
        let session: Session = serde_json::from_slice(&hex::decode(said).ok()?).ok()?;
        (session.expires > now.as_second()).then_some((session, self.of_token(token)?))
    }

    /// Checks the signature over a whole request, and says whose it is.
    ///
    /// # Errors
    /// What AWS would answer.
    pub(crate) fn verify(
        &self,
        request: (&Method, &Uri, &HeaderMap, &[u8]),
        now: Timestamp,
    ) -> Result<Caller, Refused> {
        let (method, uri, headers, body) = request;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = header("authorization").ok_or_else(|| {
            Refused::new(
                "MissingAuthenticationToken",
                "The request is not signed; `pactctl env` has credentials.",
            )
        })?;
        let claim = Claim::read(authorization).ok_or_else(|| {
            Refused::new(
                "IncompleteSignature",
                "The Authorization header is not one of signature version 4.",
            )
        })?;
        let unknown = || {
            Refused::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        };
        let (caller, pair) = match header("x-amz-security-token") {
            Some(token) if claim.id.starts_with(ROLE) => {
                let (session, pair) = self
                    .session(token, now)
                    .filter(|(_, pair)| pair.id == claim.id)
                    .ok_or_else(unknown)?;
                (Caller::Role(session), pair)
            }
            _ => {
                let secret = self.known.get(claim.id).ok_or_else(unknown)?;
                let pair = Pair { id: claim.id.to_owned(), secret: secret.clone() };
                (Caller::Pair(claim.id.to_owned()), pair)
            }
        };
        let time = header("x-amz-date").and_then(instant).ok_or_else(|| {
            Refused::new("IncompleteSignature", "The header X-Amz-Date is missing or no date.")
        })?;
        if now.duration_since(time).unsigned_abs() > SKEW {
            return Err(Refused::new(
                "InvalidSignatureException",
                "Signature expired or not yet valid: the clocks differ.",
            ));
        }
        let wrong = || {
            Refused::new(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided.",
            )
        };
        let signed = claim
            .headers
            .split(';')
            .filter(|name| *name != "x-amz-date")
            .map(|name| header(name).map(|value| (name, value)))
            .collect::<Option<Vec<_>>>()
            .filter(|headers| headers.iter().any(|(name, _)| *name == "host"))
            .ok_or_else(wrong)?;
        let identity =
            aws_credential_types::Credentials::new(&pair.id, &pair.secret, None, None, "pactctl")
                .into();
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(claim.region)
            .name(claim.service)
            .time(SystemTime::from(time))
            .settings(settings)
            .build()
            .map_err(|_| wrong())?
            .into();
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        let address = format!("http://localhost{target}");
        let signable = SignableRequest::new(
            method.as_str(),
            &address,
            signed.into_iter(),
            SignableBody::Bytes(body),
        )
        .map_err(|_| wrong())?;
        let (_, signature) = sign(signable, &parameters).map_err(|_| wrong())?.into_parts();
        if bool::from(signature.as_bytes().ct_eq(claim.signature.as_bytes())) {
            return Ok(caller);
        }
        Err(wrong())
    }
}

/// What an Authorization header claims.
struct Claim<'h> {
    id: &'h str,
    region: &'h str,
    service: &'h str,
    headers: &'h str,
    signature: &'h str,
}

impl<'h> Claim<'h> {
    fn read(authorization: &'h str) -> Option<Self> {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let mut scope = field("Credential")?.split('/');
        let (id, _date, region, service) =
            (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let ends = scope.next() == Some("aws4_request") && scope.next().is_none();
        let (headers, signature) = (field("SignedHeaders")?, field("Signature")?);
        ends.then_some(Self { id, region, service, headers, signature })
    }
}

/// The service that an Authorization header is for, checked or not.
pub(crate) fn claimed_service(authorization: &str) -> Option<&str> {
    Claim::read(authorization).map(|claim| claim.service)
}

/// `20261126T154134Z`.
fn instant(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "20261126T154134Z";

    fn credentials(key: &str) -> Credentials {
        let secrets = Secrets {
            webhook: String::new(),
            api_token: String::new(),
            aws: key.to_owned(),
            log_key: String::new(),
        };
        Credentials::new(&secrets).with(["GatewayFunction"])
    }

    /// Signs as a client does.
    fn signed(pair: &Pair, target: &str, body: &[u8]) -> (Uri, HeaderMap) {
        let identity =
            aws_credential_types::Credentials::new(&pair.id, &pair.secret, None, None, "t").into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("lambda")
            .time(SystemTime::from(instant(AT).unwrap()))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let address = format!("http://127.0.0.1:4566{target}");
        let headers = [("host", "127.0.0.1:4566"), ("x-amz-target", "A.B")];
        let request =
            SignableRequest::new("POST", &address, headers.into_iter(), SignableBody::Bytes(body))
                .unwrap();
        let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
        let mut http = axum::http::Request::builder().uri(target).body(()).unwrap();
        for (name, value) in headers {
            http.headers_mut().insert(name, value.parse().unwrap());
        }
        instructions.apply_to_request_http1x(&mut http);
        let (parts, ()) = http.into_parts();
        (parts.uri, parts.headers)
    }

    #[test]
    fn what_a_client_signs_is_let_in_and_no_changed_byte_of_it() {
        let credentials = credentials("key");
        let now = instant(AT).unwrap();
        let path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax/invocations?Qualifier=%24LATEST";
        let (uri, headers) = signed(&credentials.pair("GatewayFunction"), path, b"{}");
        let verify = |uri: &Uri, headers: &HeaderMap, body: &[u8], now| {
            credentials.verify((&Method::POST, uri, headers, body), now)
        };
        let own = Caller::Pair("GatewayFunction".to_owned());
        assert_eq!(verify(&uri, &headers, b"{}", now), Ok(own));
        let code = |result: Result<Caller, Refused>| result.unwrap_err().code;
        assert_eq!(code(verify(&uri, &headers, b"{ }", now)), "InvalidSignatureException");
        let other: Uri = path.replace("Ax", "Ay").parse().unwrap();
        assert_eq!(code(verify(&other, &headers, b"{}", now)), "InvalidSignatureException");
        let late = now + jiff::SignedDuration::from_mins(16);
        assert_eq!(code(verify(&uri, &headers, b"{}", late)), "InvalidSignatureException");
        let mut changed = headers.clone();
        changed.insert("x-amz-target", "A.C".parse().unwrap());
        assert_eq!(code(verify(&uri, &changed, b"{}", now)), "InvalidSignatureException");
        let mut unsigned = headers.clone();
        unsigned.remove("authorization");
        assert_eq!(code(verify(&uri, &unsigned, b"{}", now)), "MissingAuthenticationToken");
        assert_eq!(code(verify(&uri, &HeaderMap::new(), b"{}", now)), "MissingAuthenticationToken");
    }

    #[test]
    fn credentials_of_a_role_are_good_for_a_while_and_say_whose_they_are() {
        let credentials = credentials("key");
        let now = instant(AT).unwrap();
        let session = Session {
            role: "arn:aws:iam::000000000000:role/pact-deploy-x".to_owned(),
            caller: "DeployAgentFunction".to_owned(),
            expires: now.as_second() + 60,
        };
        let (pair, token) = credentials.issue(&session).unwrap();
        let (uri, mut headers) = signed(&pair, "/", b"");
        let verify =
            |headers: &HeaderMap, now| credentials.verify((&Method::POST, &uri, headers, b""), now);
        assert_eq!(verify(&headers, now).unwrap_err().code, "UnrecognizedClientException");
        headers.insert("x-amz-security-token", token.parse().unwrap());
        assert_eq!(verify(&headers, now), Ok(Caller::Role(session.clone())));
        let later = now + jiff::SignedDuration::from_secs(61);
        assert_eq!(verify(&headers, later).unwrap_err().code, "UnrecognizedClientException");
        let (_, others) = super::tests::credentials("other").issue(&session).unwrap();
        headers.insert("x-amz-security-token", others.parse().unwrap());
        assert_eq!(verify(&headers, now).unwrap_err().code, "UnrecognizedClientException");
    }

    #[test]
    fn pairs_of_another_folder_and_unknown_ids_are_refused() {
        let now = instant(AT).unwrap();
        let own = credentials("key");
        for (pair, code) in [
            (credentials("other").own(), "InvalidSignatureException"),
            (
                Pair { id: "nobody".to_owned(), secret: "x".to_owned() },
                "UnrecognizedClientException",
            ),
        ] {
            let (uri, headers) = signed(&pair, "/", b"");
            let refused = own.verify((&Method::POST, &uri, &headers, b""), now).unwrap_err();
            assert_eq!(refused.code, code);
        }
    }
}
