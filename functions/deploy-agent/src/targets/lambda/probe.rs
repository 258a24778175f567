//! What a version has to answer before anybody's requests come to it: the environment's health probes, as
//! the alias's address would bring them, by invoking the version itself.
//!
//! Event and answer have the format of function URLs (version 2.0 of payloads): docs.aws.amazon.com,
//! "Invoking Lambda function URLs". An answer without `statusCode` is a body with 200; one that is
//! streamed begins with its head, which eight zero bytes end.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use pact_contract::{Finding, Severity, codes, settings::Probe};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{Function, Invoked, Trouble};

/// Longest time for all probes: an action has 15 minutes.
const MOST: Duration = Duration::from_secs(300);
/// Between two questions after an answer that is not right.
const PAUSE: (u64, u64) = (50, 2_000);
/// Ends the head of a streamed answer.
const HEAD_ENDS: [u8; 8] = [0; 8];
/// How much of what was wrong is told.
const MAX_TOLD: usize = 300;

/// What was heard.
enum Heard {
    Right,
    /// It says that it starts.
    NotYet(String),
    Wrong(String),
}

/// Asks until each probe was answered rightly once; why it was not, where it was not.
pub(super) async fn prove(
    function: &Function,
    version: &str,
    address: &str,
    probes: &[Probe],
) -> Result<Option<Finding>, Trouble> {
    for probe in probes.iter().filter(|probe| probe.path.starts_with('/')) {
        let event = event(probe, address);
        let until = Instant::now() + Duration::from_secs(probe.deadline_seconds).min(MOST);
        let mut wrong = 0_u32;
        loop {
            let asked = function.invoke(version, &event);
            let heard = match tokio::time::timeout_at(until, asked).await {
                Ok(invoked) => heard(probe, &invoked?),
                Err(_) => Heard::NotYet("nothing".to_owned()),
            };
            let (what, given_up) = match heard {
                Heard::Right => break,
                Heard::NotYet(what) => {
                    wrong = 0;
                    (what, false)
                }
                Heard::Wrong(what) => {
                    wrong += 1;
                    (what, probe.give_up_after > 0 && wrong >= probe.give_up_after)
                }
            };
            if given_up || Instant::now() >= until {
                return Ok(Some(unhealthy(function, version, probe, &what)));
            }
            let pause = Duration::from_millis(probe.interval_ms.clamp(PAUSE.0, PAUSE.1));
            tokio::time::sleep_until((Instant::now() + pause).min(until)).await;
        }
    }
    Ok(None)
}

fn unhealthy(function: &Function, version: &str, probe: &Probe, what: &str) -> Finding {
    let told: String = what.chars().filter(|c| !c.is_control()).take(MAX_TOLD).collect();
    let Probe { path, status, .. } = probe;
    Finding::new(
        codes::FUNCTION_UNHEALTHY,
        Severity::High,
        format!(
            "version {version} of {} answers {path} with {told}; {status} is right; no request \
             was given to it",
            function.function
        ),
    )
    .remedy("invoke that version with the path, and look into its log")
}

/// The event of a GET at the alias's address.
fn event(probe: &Probe, address: &str) -> Value {
    let (path, query) = probe.path.split_once('?').unwrap_or((&probe.path, ""));
    let host = address.split("://").last().unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let id = host.split('.').next().unwrap_or_default();
    let now = jiff::Timestamp::now();
    let http = json!({
        "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
        "userAgent": "pact-deploy-agent",
    });
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "host": host, "accept": "*/*", "user-agent": "pact-deploy-agent",
            "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "443", "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous", "apiId": id, "domainName": host, "domainPrefix": id,
            "http": http, "requestId": "00000000-0000-0000-0000-000000000000",
            "routeKey": "$default", "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    })
}

/// The answer of a function that says more than a body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

fn heard(probe: &Probe, invoked: &Invoked) -> Heard {
    let Invoked { payload, error } = invoked;
    if let Some(error) = error {
        let text = String::from_utf8_lossy(payload);
        return Heard::Wrong(format!("an error of the function ({error}): {text}"));
    }
    let (status, body) = answer(payload);
    match status {
        status if status == probe.status => {}
        503 => return Heard::NotYet("503".to_owned()),
        status => return Heard::Wrong(status.to_string()),
    }
    match &probe.contains {
        Some(text) if !holds(&body, text.as_bytes()) => {
            Heard::Wrong(format!("{status}, without {text:?}"))
        }
        _ => Heard::Right,
    }
}

/// Status and body as the address would give them.
fn answer(payload: &[u8]) -> (u16, Vec<u8>) {
    let streamed = payload.windows(HEAD_ENDS.len()).position(|window| window == HEAD_ENDS);
    if let Some((head, rest)) = streamed.and_then(|at| payload.split_at_checked(at))
        && let Ok(Answer { status_code, .. }) = serde_json::from_slice(head)
    {
        return (status_code, rest.get(HEAD_ENDS.len()..).unwrap_or_default().to_vec());
    }
    match serde_json::from_slice(payload) {
        Ok(Answer { status_code, body, is_base64_encoded }) => {
            let body = body.unwrap_or_default();
            let decoded = is_base64_encoded.then(|| STANDARD.decode(&body).ok()).flatten();
            (status_code, decoded.unwrap_or_else(|| body.into_bytes()))
        }
        Err(_) => (200, payload.to_vec()),
    }
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|part| part == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(payload: &[u8], contains: Option<&str>) -> String {
        let probe = Probe { contains: contains.map(str::to_owned), ..Probe::default() };
        let invoked = Invoked { payload: payload.to_vec(), error: None };
        match heard(&probe, &invoked) {
            Heard::Right => "right".to_owned(),
            Heard::NotYet(what) => format!("not yet: {what}"),
            Heard::Wrong(what) => what,
        }
    }

    #[test]
    fn an_answer_is_read_as_the_address_would_give_it() {
        for (payload, contains, expected) in [
            (&br#"{"statusCode":200,"body":"shop"}"#[..], Some("shop"), "right"),
            (
                br#"{"statusCode":200,"body":"c2hvcA==","isBase64Encoded":true}"#,
                Some("shop"),
                "right",
            ),
            (br#"{"statusCode":200}"#, Some("shop"), "200, without \"shop\""),
            (br#"{"statusCode":500,"body":"shop"}"#, None, "500"),
            (br#"{"statusCode":503}"#, None, "not yet: 503"),
            // What is no answer of this form is a body.
            (br#""shop is open""#, Some("shop"), "right"),
            (br#"{"message":"shop"}"#, Some("shop"), "right"),
            (b"", None, "right"),
            (b"{\"statusCode\":201}\0\0\0\0\0\0\0\0shop", None, "201"),
            (b"{\"statusCode\":200}\0\0\0\0\0\0\0\0shop", Some("shop"), "right"),
        ] {
            assert_eq!(says(payload, contains), expected, "{}", String::from_utf8_lossy(payload));
        }
        let failed = Invoked { payload: b"{}".to_vec(), error: Some("Unhandled".to_owned()) };
        let heard = heard(&Probe::default(), &failed);
        assert!(matches!(heard, Heard::Wrong(what) if what.contains("Unhandled")));
    }

    #[test]
    fn an_event_is_that_of_the_address() {
        let probe = Probe { path: "/health?deep=1".to_owned(), ..Probe::default() };
        let event = event(&probe, "https://abc.lambda-url.eu-west-1.on.aws/");
        assert_eq!(event["rawPath"], "/health");
        assert_eq!(event["rawQueryString"], "deep=1");
        assert_eq!(event["requestContext"]["http"]["path"], "/health");
        assert_eq!(event["requestContext"]["apiId"], "abc");
        assert_eq!(event["headers"]["host"], "abc.lambda-url.eu-west-1.on.aws");
    }
}
