//! Events as anybody may cause them, for property tests of the functions.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// Texts that programs stumble over.
const ODD: &[&str] = &[
    "",
    "[",
    "]",
    "a b",
    "%",
    "%zz",
    "%00",
    "%ff",
    "..",
    "//",
    "\u{0}",
    "\r\n",
    "é",
    "💥",
    "W10",
    "{",
    "null",
    "-1",
    "18446744073709551616",
    "'",
    "\"",
    "<script>",
    "a,b",
    "=",
    "&&",
    "#",
    "?",
    "http://x",
    "localhost:99999",
    "[::1]",
    "text/plain; charset=",
    "Bearer ",
    "sha256=",
];
const HEADERS: &[&str] = &[
    "host",
    "content-type",
    "content-length",
    "authorization",
    "cookie",
    "accept",
    "origin",
    "x-forwarded-proto",
    "x-forwarded-for",
    "x-amzn-trace-id",
    "x-github-event",
    "x-github-delivery",
    "x-hub-signature-256",
];

fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(ODD).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => vec(select(ODD), 1..6).prop_map(|parts| parts.concat()),
        1 => "[ -~]{0,300}",
    ]
}

fn headers() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![4 => select(HEADERS).prop_map(str::to_owned), 1 => odd()];
    vec((name, odd()), 0..6)
        .prop_map(|all| all.into_iter().map(|(name, value)| (name, value.into())).collect())
}

/// Events of the HTTP API: mostly on these paths, with anything odd anywhere.
pub fn events(paths: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        4 => select(paths).prop_map(str::to_owned),
        2 => (select(paths), odd()).prop_map(|(path, odd)| format!("{path}/{odd}")),
        1 => odd(),
    ];
    let method = prop_oneof![
        8 => select(&["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"][..])
            .prop_map(str::to_owned),
        1 => odd(),
    ];
    let name = select(&["cursor", "limit", "status", "repository", "branch", "x"][..]);
    let query = prop_oneof![
        2 => Just(String::new()),
        3 => vec((name, odd()), 0..4).prop_map(|all| {
            all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        }),
        1 => odd(),
    ];
    let body = option::of(prop_oneof![
        odd(),
        vec(any::<u8>(), 0..200).prop_map(|bytes| BASE64.encode(bytes)),
    ]);
    (path, method, query, headers(), body, any::<bool>()).prop_map(
        |(path, method, query, headers, body, encoded)| {
            json!({
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": query,
                "headers": headers,
                "requestContext": {
                    "stage": "$default",
                    "timeEpoch": 0,
                    "http": { "method": method, "path": path },
                },
                "body": body,
                "isBase64Encoded": encoded,
            })
        },
    )
}
