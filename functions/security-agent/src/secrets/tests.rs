//! The kinds one by one. No secret stands in this file: each is made from its description when it
//! is needed, so that the scan of this repository stays silent.

mod stands;

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pact_contract::Severity;
use proptest::prelude::*;

use super::{
    hit::redacted,
    lines::ALLOW,
    make::{ALNUM, Chance, HEX, example, name_for, pem, token},
    place::Place,
    scan::WORK_PER_BYTE,
    text::{Text, Work},
    *,
};

fn engine() -> &'static Engine {
    crate::validate_secrets::engine().expect("the kinds are valid")
}

fn found(path: &str, text: &str) -> Vec<(String, Severity, u32)> {
    let scan = engine().scan(path, text.as_bytes());
    assert!(scan.not_read.is_empty(), "{:?}", scan.not_read);
    scan.found.into_iter().map(|(_, f)| (f.code.to_string(), f.severity, f.line)).collect()
}

fn codes(path: &str, text: &str) -> Vec<String> {
    found(path, text).into_iter().map(|f| f.0).collect()
}

#[test]
fn there_are_two_hundred_kinds_and_each_has_a_code_of_its_own() {
    let engine = engine();
    let mut seen = BTreeSet::new();
    for kind in &engine.kinds {
        assert!(seen.insert(&kind.code), "{} stands twice", kind.code);
        assert!(!kind.title.is_empty(), "{}", kind.code);
        assert!(kind.near.is_empty() != kind.keys.is_empty(), "{}", kind.code);
    }
    assert!(seen.len() >= 200, "{}", seen.len());
}

/// Other findings are shown with the lines around them, in which secrets may stand.
#[test]
fn no_kind_is_shown_with_the_lines_of_another_finding() {
    let engine = engine();
    let mut shown = Vec::new();
    for (index, kind) in engine.kinds.iter().enumerate() {
        for round in 0..4u64 {
            let mut chance = Chance::new(1_000 * round + index as u64 + 1);
            let secret = example(kind, &mut chance);
            let name = name_for(kind);
            let name = name.trim_start_matches('?');
            for line in [
                format!("{name} = \"{secret}\""),
                format!("{name}={secret}"),
                format!("  {name}: {secret}"),
                format!("address = \"https://x.acme.dev/?{name}={secret}\""),
            ] {
                let masked = pact_agent::shown::masked(&line);
                let behind = secret.split_once("://").map_or(secret.as_str(), |(_, behind)| behind);
                let letters: Vec<char> = behind.chars().skip(4).collect();
                let part = |part: &[char]| masked.contains(&part.iter().collect::<String>());
                if letters.windows(8).any(part) {
                    shown.push(format!("{}: {line} is shown as {masked}", kind.code));
                }
            }
        }
    }
    assert!(shown.is_empty(), "{} of them:\n{}", shown.len(), shown.join("\n"));
}

#[test]
fn every_kind_is_found_by_its_own_description_and_its_mask_is_not() {
    let engine = engine();
    let mut wrong = Vec::new();
    for (index, kind) in engine.kinds.iter().enumerate() {
        for round in 0..4u64 {
            let mut chance = Chance::new(1_000 * round + index as u64 + 1);
            let secret = example(kind, &mut chance);
            let name = name_for(kind);
            let line = if name.starts_with('?') {
                format!("address = \"https://x.acme.dev/{name}={secret}\"\n")
            } else {
                format!("{name} = \"{secret}\"\n")
            };
            let text = format!("first line\n{line}last line\n");
            let hits = found("app/settings.conf", &text);
            // A form that several providers share is found as one of them.
            let ours = hits
                .iter()
                .any(|(code, _, at)| *at == 2 && (kind.code == **code || !kind.near.is_empty()));
            let known = hits.iter().any(|(code, _, at)| *at == 2 && code != "secret-assignment");
            if !(ours || known && kind.check.is_none() && hits.len() == 1) {
                wrong.push(format!("{} not found: {text:?} {hits:?}", kind.code));
            }
            // The same in capitals X is a mask.
            let keep = kind
                .keys
                .first()
                .map_or(0, |k| if secret.starts_with(k.as_str()) { k.len() } else { 0 });
            let mask: String = secret
                .char_indices()
                .map(|(i, c)| if i >= keep && c.is_ascii_alphanumeric() { 'X' } else { c })
                .collect();
            let masked = text.replace(&secret, &mask);
            if !found("app/settings.conf", &masked).is_empty() {
                wrong.push(format!("{} mask found: {masked:?}", kind.code));
            }
            // A piece of a longer word is none.
            if kind.near.is_empty() && kind.is_prefix {
                let glued = format!("x = \"q7{secret}\"\n");
                if codes("a.md", &glued).contains(&kind.code.to_string()) {
                    wrong.push(format!("{} found within a word: {glued:?}", kind.code));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), engine.kinds.len(), wrong.join("\n"));
}

#[test]
fn a_token_is_found_in_every_coding_and_place() {
    let mut chance = Chance::new(5);
    let token = token(&mut chance);
    let twice = STANDARD.encode(STANDARD.encode(format!("x={token}")));
    for text in [
        format!("https://{token}@github.com/a/b.git"),
        format!("https://x-access-token:{token}@github.com/a/b.git"),
        format!("a\\n{token}\\n"),
        format!("x%3D{token}%26"),
        format!("k: {}", STANDARD.encode(&token)),
        format!("k: {twice}"),
        format!("k: {}", token.bytes().map(|b| format!("{b:02x}")).collect::<String>()),
        format!("{{\"a\":\"{token}\"}}"),
        format!("{}{token}", "x".repeat(100_000) + " "),
    ] {
        let codes = codes("a.txt", &text);
        assert_eq!(codes, ["secret-github-token"], "{}", &text[..text.len().min(200)]);
    }
    assert_eq!(codes("a.txt", &format!("abc{token}")), [""; 0]);
}

#[test]
fn only_the_own_line_of_a_comment_is_allowed_and_only_with_a_reason() {
    let mut chance = Chance::new(6);
    let (a, b, c) = (token(&mut chance), token(&mut chance), token(&mut chance));
    let text = format!("a = '{a}' # {ALLOW} fixture\nb = '{b}'\nc = '{c}' # {ALLOW}\n");
    let scan = engine().scan("a.py", text.as_bytes());
    assert_eq!(scan.found.iter().map(|(_, f)| f.line).collect::<Vec<_>>(), [2, 3]);
    let allowed: Vec<_> =
        scan.allowed.iter().map(|(path, found, why)| (path.as_str(), found.line, why)).collect();
    assert_eq!(allowed, [("a.py", 1, &"fixture".to_owned())]);
}

#[test]
fn made_up_values_weigh_less_in_tests_but_a_right_checksum_does_not() {
    let mut chance = Chance::new(7);
    let key = pem(&mut chance, "RSA ").join("\n");
    let severity = |path: &str, text: &str| found(path, text).first().map(|f| f.1);
    assert_eq!(severity("src/tls.rs", &key), Some(Severity::High));
    assert_eq!(severity("tests/tls.rs", &key), Some(Severity::Low));
    let right = token(&mut chance);
    assert_eq!(severity("tests/a.py", &right), Some(Severity::Critical));
    let made_up = format!("{}{}", &right[..34], chance.text(HEX, 6));
    assert_eq!(severity("tests/a.py", &made_up), Some(Severity::Low));
    assert_eq!(severity("src/a.py", &made_up), Some(Severity::High));
}

#[test]
fn evidence_shows_at_most_a_fifth() {
    assert_eq!(redacted("abcdefghij"), "ab… (10 characters)");
    assert_eq!(redacted(&"a".repeat(40)), "aaaa… (40 characters)");
    assert_eq!(redacted("abc"), "… (3 characters)");
    let mut chance = Chance::new(8);
    let key = pem(&mut chance, "");
    let scan = engine().scan("a", key.join("\\n").as_bytes());
    let evidence = &scan.found[0].1.evidence;
    assert!(!evidence.contains(&key[1][..8]), "{evidence}");
}

#[test]
fn hostile_texts_cost_no_more_than_their_size_allows() {
    // Work is counted, not time: what would take longer is stopped and said.
    let size = 100_000;
    let repeat = |piece: &str| piece.repeat(size / piece.len());
    for text in [
        repeat("postgres://a:"),
        repeat("eyJ"),
        repeat("eyJ-"),
        repeat(&format!("eyJ{} ", "a".repeat(1_990))),
        repeat(&format!("{}\n", "password ".repeat(400))),
        repeat(&format!("-----{} RSA PRIVATE {}-----\n", "BEGIN", "KEY")),
        repeat("plain words of no meaning "),
        repeat("\"kty\":{"),
        repeat("PuTTY-User-Key-File-2: x\n"),
        repeat("curl -u "),
        repeat("%41"),
        repeat("A"),
        repeat("Q~"),
        repeat("password=\""),
        repeat("kind: Secret\ndata:\n  a: b\n---\n"),
    ] {
        let mut work = Work { left: text.len() as u64 * WORK_PER_BYTE, exhausted: false };
        let granted = work.left;
        let seen = Text { text: &text, place: Place::of("a"), depth: 0 };
        let mut hits = Vec::new();
        engine().look(&seen, &mut work, &mut hits);
        assert!(work.exhausted || work.left < granted, "{}", &text[..40]);
        assert!(hits.len() < 10, "{}: {}", &text[..40], hits.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_scanned_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        engine().scan("a", &bytes);
    }

    #[test]
    fn any_text_around_keywords_is_scanned_without_a_panic(
        parts in prop::collection::vec(
            prop_oneof![
                Just("-----BEGIN RSA PRIVATE "), Just("KEY-----"), Just("postgres://"), Just(":"), Just("@"),
                Just("token = \""), Just("\""), Just("\n"), Just("\\n"), Just("ghp_"), Just("eyJ"), Just("."),
                Just("é€😀"), Just("AKIA"), Just("aZ09bY18cX27dW36eV45fU54gT63hS72iR81"), Just("kind: Secret\n"),
                Just("data:\n"), Just("  a: "), Just("\"kty\""), Just("{"), Just("}"), Just("%41"), Just("Basic "),
                Just("curl -u "), Just("twilio"), Just(": |\n"), Just("T3BlbkFJ"), Just("${password:-"),
            ],
            0..60,
        ),
        name in prop_oneof![Just("a.yml"), Just(".netrc"), Just(".pgpass"), Just(".htpasswd"), Just("a.py")],
    ) {
        engine().scan(name, parts.concat().as_bytes());
    }
}

/// A form in which a secret stands: its file, and its lines with the line that has it.
type Form = fn(&mut Chance, &str) -> (&'static str, Vec<String>, usize);

const FORMS: &[(&str, Form)] = &[
    ("env", |c, s| {
        (
            ".env.production",
            vec!["DEBUG=false".into(), format!("{}={s}", env(c)), "PORT=8080".into()],
            1,
        )
    }),
    ("yaml", |c, s| {
        (
            "config/app.yml",
            vec!["server:".into(), "  port: 8080".into(), format!("  {}: {s}", snake(c))],
            2,
        )
    }),
    ("yaml-quoted", |c, s| {
        ("deploy/values.yaml", vec!["auth:".into(), format!("  {}: \"{s}\"", camel(c))], 1)
    }),
    ("properties", |c, s| {
        (
            "src/main/resources/application.properties",
            vec![format!("spring.datasource.{}={s}", snake(c))],
            0,
        )
    }),
    ("ini", |c, s| {
        (
            "etc/my.ini",
            vec!["[client]".into(), "user = app".into(), format!("{} = {s}", snake(c))],
            2,
        )
    }),
    ("python", |c, s| {
        ("app/settings.py", vec!["import os".into(), format!("{} = '{s}'", env(c))], 1)
    }),
    ("javascript", |c, s| {
        (
            "web/src/client.js",
            vec![format!("const client = new Client({{ {}: '{s}' }});", camel(c))],
            0,
        )
    }),
    ("json", |c, s| {
        (
            "config/prod.json",
            vec![
                "{".into(),
                format!("  \"{}\": \"{s}\",", camel(c)),
                "  \"port\": 1".into(),
                "}".into(),
            ],
            1,
        )
    }),
    ("go", |c, s| {
        ("cmd/main.go", vec!["package main".into(), format!("const {} = \"{s}\"", camel(c))], 1)
    }),
    ("java", |c, s| {
        (
            "src/main/java/App.java",
            vec![format!("    private static final String {} = \"{s}\";", env(c))],
            0,
        )
    }),
    ("terraform", |c, s| ("infra/prod.tfvars", vec![format!("{} = \"{s}\"", snake(c))], 0)),
    ("xml", |c, s| ("conf/server.xml", vec![format!("  <{0}>{s}</{0}>", snake(c))], 0)),
    ("shell", |c, s| ("deploy.sh", vec!["#!/bin/sh".into(), format!("export {}={s}", env(c))], 1)),
    ("compose", |c, s| {
        (
            "docker-compose.yml",
            vec![
                "services:".into(),
                "  db:".into(),
                "    environment:".into(),
                format!("      - {}={s}", env(c)),
            ],
            3,
        )
    }),
    ("kubernetes-env", |c, s| {
        (
            "k8s/deployment.yaml",
            vec![
                "        env:".into(),
                format!("        - name: {}", env(c)),
                format!("          value: {s}"),
            ],
            2,
        )
    }),
    ("notebook", |c, s| {
        (
            "train.ipynb",
            vec![format!(
                "{{\"cells\":[{{\"source\":[\"import x\\n\",\"{} = \\\"{s}\\\"\\n\"]}}]}}",
                snake(c)
            )],
            0,
        )
    }),
    ("dockerfile", |c, s| {
        ("Dockerfile", vec!["FROM alpine".into(), format!("ENV {}={s}", env(c))], 1)
    }),
    ("ruby", |c, s| {
        ("config/initializers/a.rb", vec![format!("  config.{} = '{s}'", snake(c))], 0)
    }),
    ("php", |c, s| {
        ("src/config.php", vec!["<?php".into(), format!("  '{}' => '{s}',", snake(c))], 1)
    }),
    ("rust", |c, s| ("src/main.rs", vec![format!("const {}: &str = \"{s}\";", env(c))], 0)),
];

fn env(c: &mut Chance) -> &'static str {
    c.pick(&[
        "DB_PASSWORD",
        "API_TOKEN",
        "CLIENT_SECRET",
        "SMTP_PASSWORD",
        "JWT_SECRET",
        "ADMIN_PASSWORD",
        "AUTH_TOKEN",
        "API_KEY",
    ])
}

fn snake(c: &mut Chance) -> &'static str {
    c.pick(&[
        "password",
        "db_password",
        "api_token",
        "client_secret",
        "access_token",
        "secret_key",
        "api_key",
        "smtp_password",
    ])
}

fn camel(c: &mut Chance) -> &'static str {
    c.pick(&[
        "password",
        "dbPassword",
        "apiToken",
        "clientSecret",
        "accessToken",
        "secretKey",
        "apiKey",
    ])
}

/// What looks like a secret and is none.
fn decoys(c: &mut Chance) -> String {
    let hex = |c: &mut Chance, n| c.text(HEX, n);
    match c.below(16) {
        0 => format!("  \"integrity\": \"sha512-{}==\",", c.text(super::make::B64, 86)),
        1 => format!("checksum = \"{}\"", hex(c, 64)),
        2 => format!("password_sha256: {}", hex(c, 64)),
        3 => "DB_PASSWORD=${DB_PASSWORD}".to_owned(),
        4 => "password = os.environ[\"DB_PASSWORD\"]".to_owned(),
        5 => "api_key: YOUR_API_KEY_HERE".to_owned(),
        6 => format!("commit: {}", hex(c, 40)),
        7 => "url = \"postgres://user:password@localhost:5432/db\"".to_owned(),
        8 => format!("client_id = \"{}\"", c.password(24)),
        9 => "token = getToken(request, \"x-auth-token\");".to_owned(),
        10 => format!("image: registry.acme.dev/app@sha256:{}", hex(c, 64)),
        11 => "secret_name = \"prod/database/password-v2\"".to_owned(),
        12 => "const passwordField = document.querySelector('#password-input-1');".to_owned(),
        13 => format!(
            "trace_id: {}-{}-{}-{}-{}",
            hex(c, 8),
            hex(c, 4),
            hex(c, 4),
            hex(c, 4),
            hex(c, 12)
        ),
        14 => "stripe_key = 'sk_live_XXXXXXXXXXXXXXXXXXXXXXXX'".to_owned(),
        _ => "auth_token: \"abcdefghijklmnopqrstuvwxyz0123456789\"".to_owned(),
    }
}

/// Lines of this repository's own files.
fn surroundings() -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&folder).expect("a folder").flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() && !name.starts_with('.') && name != "target" && name != "secrets" {
                folders.push(entry.path());
            } else if kind.is_file()
                && [".rs", ".md", ".yml", ".yaml", ".toml", ".json"]
                    .iter()
                    .any(|e| name.ends_with(e))
            {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                if text.len() < 400_000 {
                    lines.extend(text.lines().map(str::to_owned));
                }
            }
        }
        if lines.len() > 60_000 {
            break;
        }
    }
    lines
}

/// The corpus that the aim is measured on: 2,000 secrets of all kinds in real surroundings with
/// decoys, and at least as many files without any.
#[test]
fn two_thousand_secrets_are_told_from_their_surroundings() {
    let seed = std::env::var("PACT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(42);
    let mut chance = Chance::new(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let lines = surroundings();
    let engine = engine();
    let mut labels = String::new();
    for number in 0..2_000usize {
        // Half are of a provider's kind, half only have a telling name.
        let (secret, kind, named) = if number % 2 == 0 {
            let kind = &engine.kinds[(number / 2) % engine.kinds.len()];
            (
                example(kind, &mut chance),
                kind.code.clone(),
                (!kind.near.is_empty()).then(|| name_for(kind)),
            )
        } else {
            let length = 16 + chance.below(30);
            let alphabet = chance.pick(&[
                ALNUM,
                HEX,
                "0123456789abcdefghijklmnopqrstuvwxyz",
                super::make::B64,
            ]);
            (
                chance.text(alphabet, if alphabet == HEX { 32 } else { length }),
                pact_contract::codes::SECRET_ASSIGNMENT,
                None,
            )
        };
        let (_, form) = FORMS[chance.below(FORMS.len())];
        let (path, mut block, at) = form(&mut chance, &secret);
        if let Some(name) = named {
            block[at] = if name.starts_with('?') {
                format!("u = \"https://x.acme.dev/{name}={secret}\"")
            } else {
                format!("{name} = \"{secret}\"")
            };
        }
        let start = chance.below(lines.len() - 60);
        let mut text: Vec<String> = lines[start..start + 20].to_vec();
        text.push(decoys(&mut chance));
        let before = text.len();
        text.extend(block);
        text.push(decoys(&mut chance));
        text.extend_from_slice(&lines[start + 20..start + 50]);
        let path = format!("p{number}/{path}");
        let full = folder.path().join(&path);
        std::fs::create_dir_all(full.parent().expect("a parent")).expect("folders");
        std::fs::write(full, text.join("\n")).expect("a file");
        let label = serde_json::json!({ "path": path, "line": before + at + 1, "kind": kind.as_str().trim_start_matches("secret-") });
        labels.push_str(&format!("{label}\n"));
        let clean = folder.path().join(format!("p{number}/clean.rs"));
        let mut text = lines[start..start + 60].to_vec();
        text.push(decoys(&mut chance));
        std::fs::write(clean, text.join("\n")).expect("a file");
    }
    std::fs::write(folder.path().join("labels.jsonl"), labels).expect("labels");
    let corpus = Corpus::open(folder.path()).expect("a corpus");
    let mut faults = Vec::new();
    let (_, all) = score(engine, &corpus, &mut |missed, path, line, what| {
        let what_is = if missed { "missed" } else { "wrong" };
        let text = std::fs::read_to_string(folder.path().join(path)).unwrap_or_default();
        let text = text.lines().nth(line as usize - 1).unwrap_or_default().to_owned();
        faults.push(format!("{what_is} {what} {path}:{line} {text}"));
    })
    .expect("a score");
    assert!(
        all.precision() >= 0.97 && all.recall() >= 0.97,
        "precision {:.3}, recall {:.3}, seed {seed}\n{}",
        all.precision(),
        all.recall(),
        faults.join("\n")
    );
}

/// Measures how much is found in a folder in which nobody left a secret:
/// `PACT_SECRETS_CORPUS=<folder> cargo test -p pact-security-agent corpus -- --ignored --nocapture`.
#[test]
#[ignore = "reads the folder that PACT_SECRETS_CORPUS names"]
#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn corpus_findings_by_rule() {
    let Some(root) = std::env::var_os("PACT_SECRETS_CORPUS") else {
        println!("skipped: PACT_SECRETS_CORPUS is not set");
        return;
    };
    let engine = engine();
    let mut folders = vec![std::path::PathBuf::from(root)];
    let (mut files, mut bytes) = (0u64, 0u64);
    let mut counts: BTreeMap<(Severity, String), u64> = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let Ok(content) = std::fs::read(entry.path()) else { continue };
            if !kind.is_file() {
                continue;
            }
            files += 1;
            bytes += content.len() as u64;
            let scan = engine.scan(&entry.path().display().to_string(), &content);
            for (path, why) in &scan.not_read {
                println!("NOT READ {path}: {why}");
            }
            for (path, f) in scan.found {
                let text = String::from_utf8_lossy(&content);
                let line: String = text
                    .lines()
                    .nth(f.line as usize - 1)
                    .unwrap_or_default()
                    .trim()
                    .chars()
                    .take(160)
                    .collect();
                println!("{:?} {} {path}:{} {:?} {line}", f.severity, f.code, f.line, f.evidence);
                *counts.entry((f.severity, f.code.to_string())).or_default() += 1;
            }
        }
    }
    println!("{files} files, {bytes} bytes");
    for ((severity, code), count) in counts {
        println!("{count:6} {severity:?} {code}");
    }
}
