//! Where secrets hide: a repository for each place, with secrets made anew in every run.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pact_contract::{
    Finding, PushIndex, Severity,
    changes::{BeforeFile, PassingFile},
};
use proptest::prelude::*;

use super::*;
use crate::secrets::make::{Chance, HEX, pem, token};

const ACTION: &str = "security.validate_secrets";

/// Another one in each run; a failure names it.
pub(super) fn chance() -> (Chance, u64) {
    let seed = std::env::var("PACT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.expect("after 1970").as_secs() ^ u64::from(std::process::id()) << 20
    });
    (Chance::new(seed), seed)
}

async fn check(files: &[(&str, Vec<u8>)]) -> ResponseEnvelope {
    Bench::of_bytes(files).await.run(ACTION).await
}

/// Findings that block.
fn blocking(response: &ResponseEnvelope) -> Vec<&Finding> {
    response.response.findings.iter().filter(|f| f.severity >= Severity::High).collect()
}

async fn blocks(name: &str, files: &[(&str, String)], count: usize) {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(p, c)| (*p, c.clone().into_bytes())).collect();
    let response = check(&files).await;
    let found = blocking(&response);
    assert_eq!(found.len(), count, "{name}: {found:#?}");
    assert_eq!(status(&response), StageStatus::Failed, "{name}");
}

#[tokio::test]
async fn secrets_block_in_whatever_form_they_stand() {
    let (mut c, seed) = chance();
    let b64 = |text: &str| STANDARD.encode(text);
    let t = token(&mut c);
    let name = |name: &str| format!("{name} (seed {seed})");
    let pw = |c: &mut Chance, n| c.password(n);
    blocks(
        &name("generic-only"),
        &[("app.py", format!("DB_PASSWORD = \"{}\"\n", pw(&mut c, 16)))],
        1,
    )
    .await;
    blocks(
        &name("base64"),
        &[(
            "secret.yaml",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  token: {}\n",
                b64(&t)
            ),
        )],
        1,
    )
    .await;
    blocks(
        &name("unquoted"),
        &[
            ("app.yml", format!("db:\n  password: {}\n", pw(&mut c, 20))),
            ("app.properties", format!("spring.datasource.password={}\n", pw(&mut c, 20))),
            ("my.ini", format!("[client]\npassword = {}\n", pw(&mut c, 20))),
        ],
        3,
    )
    .await;
    let cells = format!(
        "{{\"cells\":[{}{{\"cell_type\":\"code\",\"source\":[\"api_key = \\\"{}\\\"\\n\"]}}]}}",
        "{\"cell_type\":\"markdown\",\"source\":[\"words\"]},".repeat(120),
        pw(&mut c, 20)
    );
    blocks(&name("ipynb"), &[("a.ipynb", cells)], 1).await;
    let minified = format!(
        "{{{}\"password\":\"{}\"}}",
        "\"key\":\"a plain value\",".repeat(300),
        pw(&mut c, 20)
    );
    blocks(&name("minified"), &[("config.json", minified)], 1).await;
    let login = b64(&format!("deploy:{}", pw(&mut c, 18)));
    let (npm_login, a, b, d) =
        (b64(&format!("ci:{}", pw(&mut c, 18))), pw(&mut c, 14), pw(&mut c, 14), pw(&mut c, 14));
    blocks(
        &name("auth-basic"),
        &[
            (
                ".docker/config.json",
                format!("{{\"auths\":{{\"registry.acme.dev\":{{\"auth\":\"{login}\"}}}}}}"),
            ),
            (".npmrc", format!("//registry.acme.dev/:_auth={npm_login}\n")),
            (".netrc", format!("machine git.acme.dev\n  login bob\n  password {a}\n")),
            (".pgpass", format!("db.acme.dev:5432:shop:app:{b}\n")),
            (".git-credentials", format!("https://bob:{d}@git.acme.dev\n")),
            (
                ".htpasswd",
                format!(
                    "bob:$apr1${}${}\n",
                    pw(&mut c, 8),
                    c.text("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 22)
                ),
            ),
        ],
        6,
    )
    .await;
    let putty = format!(
        "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 2\n{}\n{}\nPrivate-Lines: 2\n{}\n{}\nPrivate-MAC: {}\n",
        c.text(crate::secrets::make::B64, 64),
        c.text(crate::secrets::make::B64, 64),
        c.text(crate::secrets::make::B64, 64),
        c.text(crate::secrets::make::B64, 64),
        c.text(HEX, 40)
    );
    let jwk = format!(
        "{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{}\",\"y\":\"{}\",\"d\":\"{}\"}}",
        pw(&mut c, 43),
        pw(&mut c, 43),
        pw(&mut c, 43)
    );
    blocks(&name("putty-jwk"), &[("id.ppk", putty), ("key.jwk", jwk)], 2).await;
    let (t1, t2) = (token(&mut c), token(&mut c));
    blocks(
        &name("allow-reuse"),
        &[("a.py", format!("a = '{t1}'  # pact:allow-secret fixture\nb = '{t2}'\n"))],
        // What allows the first comes with the push that brings it.
        2,
    )
    .await;
    let aws = format!("AK{}{}", "IA", c.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16));
    blocks(
        &name("example-word"),
        &[
            ("a.py", format!("KEY = '{aws}'\n")),
            (
                "b.py",
                format!("URL = 'postgres://app:{}@example-db.acme.dev:5432/x'\n", pw(&mut c, 16)),
            ),
            ("c.py", format!("client_secret = '{}Example{}'\n", pw(&mut c, 14), pw(&mut c, 12))),
        ],
        3,
    )
    .await;
    blocks(
        &name("prefix-join"),
        &[(
            "a.sh",
            format!(
                "git clone https://{}@github.com/a/b\ngit clone https://x-access-token:{}@github.com/a/b\ncurl -H \"Authorization: Bearer {}\" https://api.acme.dev\ncurl -u bob:{} https://api.acme.dev\nmysql -u root -p{} shop\n",
                token(&mut c), token(&mut c), pw(&mut c, 48), pw(&mut c, 20), pw(&mut c, 18)
            ),
        )],
        5,
    )
    .await;
    let key = pem(&mut c, "").join("\n");
    blocks(
        &name("k8s-kind-last"),
        &[(
            "s.yaml",
            format!(
                "apiVersion: v1\ndata:\n  tls.key: {}\n  token: {}\n  password: {}\nmetadata:\n  name: x\nkind: Secret\n",
                b64(&key), b64(&token(&mut c)), b64(&pw(&mut c, 20))
            ),
        )],
        3,
    )
    .await;
    blocks(
        &name("sasl"),
        &[(
            "kafka.properties",
            format!(
                "sasl_password={}/{}+{}\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"app\" password=\"{}\";\n",
                pw(&mut c, 20), pw(&mut c, 20), pw(&mut c, 20), pw(&mut c, 22)
            ),
        )],
        2,
    )
    .await;
    blocks(&name("env"), &[("registry", format!("REGISTRY_PASSWORD={}\n", pw(&mut c, 42)))], 1)
        .await;
    let hex = |c: &mut Chance| c.text(HEX, 64);
    blocks(
        &name("yaml-block"),
        &[(
            "c.yaml",
            format!(
                "keys: |\n  {}\n  {}\nother_key: {}\napi_key: {}\n",
                hex(&mut c),
                hex(&mut c),
                hex(&mut c),
                hex(&mut c)
            ),
        )],
        4,
    )
    .await;
    blocks(
        &name("yaml-block with names"),
        &[(
            "c.yaml",
            format!("config: |\n  first_key: {}\n  secret_key: {}\n", hex(&mut c), hex(&mut c)),
        )],
        2,
    )
    .await;
    let long = format!("{} {}", "word ".repeat(1_000_000), token(&mut c));
    blocks(&name("long-line"), &[("long.txt", long)], 1).await;
}

#[tokio::test]
async fn what_only_looks_like_a_secret_does_not_block() {
    let (mut c, seed) = chance();
    let x = |s: &[&str]| s.concat();
    let docs = [
        x(&["SLACK=", "xoxb-123456789012-123456789012-########################"]),
        x(&["key: ", "sk_live_abcdefghijklmnopqrstuvwxyz"]),
        x(&["key: ", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]),
        x(&["key: ", "glpat-XXXXXXXXXXXXXXXXXXXX"]),
        x(&["postgres://user:", "password123@db.acme.dev/x"]),
        "https://<user>:<pw>@git.acme.dev/a.git".to_owned(),
        x(&["AKIA", "IOSFODNN7EXAMPLE"]),
    ]
    .join("\n");
    let firebase = format!(
        "export const config = {{\n  apiKey: \"AI{}{}\",\n  authDomain: \"shop.firebaseapp.com\",\n  projectId: \"shop\",\n}};\n",
        "za",
        c.password(35)
    );
    let digests = format!(
        "password_sha256 = \"{}\"\ntoken_digest: \"{}\"\n",
        c.text(HEX, 64),
        c.text(HEX, 64)
    );
    let net = format!(
        "<assemblyIdentity name=\"x\" publicKeyToken=\"{}\" culture=\"neutral\"/>\n",
        c.text(HEX, 16)
    );
    let state = "{\"type\":\"aws_secretsmanager_secret\",\"secret\":\"arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbC12d\"}\n".to_owned();
    let files = [
        ("docs.md", docs),
        ("web/firebase.js", firebase),
        ("sums.toml", digests),
        ("app.config", net),
        ("terraform.tfstate", state),
    ];
    let files: Vec<(&str, Vec<u8>)> = files.into_iter().map(|(p, t)| (p, t.into_bytes())).collect();
    let response = check(&files).await;
    assert_eq!(
        status(&response),
        StageStatus::Passed,
        "seed {seed}: {:#?}",
        response.response.findings
    );
    assert_eq!(response.response.output["scope"]["read"], 5);
}

fn utf16(text: &str) -> Vec<u8> {
    let mut out = vec![0xff, 0xfe];
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out
}

fn zipped(name: &str, content: &[u8], nested: usize) -> Vec<u8> {
    let mut name = name.to_owned();
    let mut content = content.to_vec();
    for _ in 0..=nested {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(&content).expect("writes");
        content = zip.finish().expect("completes").into_inner();
        name = "inner.zip".to_owned();
    }
    content
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(content).expect("writes");
    gz.finish().expect("completes")
}

fn tarred(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, content).expect("an entry");
    tar.into_inner().expect("completes")
}

#[tokio::test]
async fn encodings_and_archives_hide_nothing() {
    let (mut c, seed) = chance();
    let line = format!("GITHUB_TOKEN={}\r\n", token(&mut c));
    let plain = line.clone().into_bytes();
    for (name, path, content) in [
        ("utf-16", "out.env", utf16(&line)),
        ("a NUL byte", "a.txt", [b"\0", &plain[..]].concat()),
        ("zip", "deploy.zip", zipped(".env", &plain, 0)),
        ("zip in zip", "deploy.zip", zipped(".env", &plain, 2)),
        ("zip by another name", "deploy.png", zipped(".env", &plain, 0)),
        (
            "zip behind other bytes",
            "setup.exe",
            [b"MZ program", &zipped(".env", &plain, 0)[..]].concat(),
        ),
        ("gzip", "a.txt.gz", gzipped(&plain)),
        ("tar.gz", "a.tgz", gzipped(&tarred("x/.env", &plain))),
        ("utf-16 in tar in zip", "a.zip", zipped("a.tar", &tarred("x", &utf16(&line)), 0)),
        (
            "binary",
            "a.bin",
            [&(0..=255).cycle().take(9_000).collect::<Vec<u8>>()[..], b"\n", &plain].concat(),
        ),
    ] {
        let response = check(&[(path, content)]).await;
        let found = blocking(&response);
        assert!(
            !found.is_empty() && found.iter().all(|f| f.code == "secret-github-token"),
            "{name}, seed {seed}: {found:#?}"
        );
        assert_eq!(status(&response), StageStatus::Failed, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_and_has_not_passed() {
    let mut encrypted = zipped("a.txt", b"some text that is long enough", 0);
    // The bit that says that an entry is encrypted, in the entry and in the directory.
    encrypted[6] |= 1;
    let directory = encrypted.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory");
    encrypted[directory + 8] |= 1;
    let bomb = gzipped(&vec![0u8; 140 * 1024 * 1024]);
    for (path, content, reason) in [
        ("a.7z", b"7z\xbc\xaf\x27\x1c and so on".to_vec(), "7z are not opened"),
        ("a.xz", b"\xfd7zXZ\0 and so on".to_vec(), "xz are not opened"),
        ("a.zip", encrypted, "the entry cannot be opened"),
        ("a.zip", b"PK\x03\x04 damaged".to_vec(), "damaged"),
        ("a.gz", bomb, "unpacks to more than"),
        ("a.zip", zipped("a", b"x", 8), "nested more than"),
    ] {
        let response = check(&[(path, content)]).await;
        assert_eq!(
            status(&response),
            StageStatus::Skipped,
            "{reason}: {}",
            response.response.summary
        );
        assert!(response.response.summary.contains(reason), "{}", response.response.summary);
        assert!(response.response.findings.iter().any(|f| f.code == "not-scanned"));
        assert_eq!(response.response.output["scope"]["not_read_total"], 1);
    }
}

#[tokio::test]
async fn a_changed_file_that_the_bundle_lacks_has_not_been_checked() {
    let bench =
        Bench::with_changes(&[("a.txt", "x")], vec![change("a.txt", &[]), change("b.txt", &[])])
            .await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    assert!(response.response.summary.contains("b.txt: it is not in the source bundle"));
}

#[tokio::test]
async fn large_files_are_read_to_their_end_and_lines_are_counted_on() {
    let (mut c, seed) = chance();
    let line = format!("x = '{}'\n", token(&mut c));
    let mut content = "a plain line of text\n".repeat(1_700_000).into_bytes();
    content.extend(line.as_bytes());
    content.extend("more\n".repeat(100).as_bytes());
    let mut one_line = vec![b'a'; 34 * 1024 * 1024];
    one_line.extend(format!(" {line}").as_bytes());
    let response = check(&[("big.txt", content), ("line.txt", one_line)]).await;
    let places: Vec<_> =
        blocking(&response).iter().map(|f| (f.path.clone().unwrap_or_default(), f.line)).collect();
    assert_eq!(
        places,
        [("big.txt".to_owned(), Some(1_700_001)), ("line.txt".to_owned(), Some(1))],
        "seed {seed}"
    );
}

#[tokio::test]
async fn many_files_are_read_and_counted() {
    let files: Vec<(String, Vec<u8>)> = (0..20_000)
        .map(|n| (format!("d{}/f{n}.txt", n % 50), format!("line {n}\n").into_bytes()))
        .collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(p, c)| (p.as_str(), c.clone())).collect();
    let response = check(&files).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert!(
        response.response.summary.starts_with("20000 changed files checked for secrets"),
        "{}",
        response.response.summary
    );
}

/// A push with what is not at its end.
async fn push(
    bench: &Bench,
    changes: Vec<FileChange>,
    passing: &[(&str, &str)],
    before: &[(&str, &str)],
    index: PushIndex,
) {
    let mut packer = Packer::new();
    let mut index = index;
    for (number, (path, content)) in passing.iter().enumerate() {
        let blob = format!("p{number}");
        packer.add(&PushIndex::blob(&blob), EntryKind::File, content.as_bytes()).expect("packs");
        index.passing.push(PassingFile {
            commit: "abcdef0123456789".to_owned(),
            path: (*path).to_owned(),
            blob,
        });
    }
    for (number, (path, content)) in before.iter().enumerate() {
        let blob = format!("b{number}");
        packer.add(&PushIndex::blob(&blob), EntryKind::File, content.as_bytes()).expect("packs");
        index.before.push(BeforeFile { path: (*path).to_owned(), blob });
    }
    let json = serde_json::to_vec(&index).expect("serialises");
    packer.add(PushIndex::FILE, EntryKind::File, &json).expect("packs");
    bench.memory.put("push", packer.finish().expect("completes")).await.expect("is kept");
    let set = ChangeSet {
        head: "c0ffee".to_owned(),
        files: changes,
        push_key: Some("push".to_owned()),
        ..ChangeSet::default()
    };
    bench
        .memory
        .put("changes", serde_json::to_vec(&set).expect("serialises").into())
        .await
        .expect("is kept");
}

#[tokio::test]
async fn what_the_push_took_out_again_blocks_and_what_was_there_is_shown() {
    let (mut c, _) = chance();
    let (gone, old) = (token(&mut c), token(&mut c));
    let kept = format!("x = '{old}'\n");
    let bench = Bench::new(&[("renamed.py", &kept), ("a.py", "x = 1\n")]).await;
    let mut renamed = change("renamed.py", &[]);
    renamed.kind = ChangeKind::Renamed;
    renamed.old_path = Some("old.py".to_owned());
    let index = || PushIndex { commits: 2, ..PushIndex::default() };
    push(&bench, vec![renamed.clone()], &[], &[("old.py", &kept)], index()).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed, "{}", response.response.summary);
    assert!(response.response.summary.contains("1 there before"), "{}", response.response.summary);
    let finding = &response.response.findings[0];
    assert_eq!(finding.place().as_deref(), Some("renamed.py:1:6"));
    assert!(
        finding.message.starts_with("there before this change (critical)"),
        "{}",
        finding.message
    );

    let passing = format!("y = '{gone}'\n");
    push(&bench, vec![renamed], &[("b.py", &passing)], &[("old.py", &kept)], index()).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed);
    let found = blocking(&response);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].message.contains("in commit abcdef0123: the push takes it out again"),
        "{}",
        found[0].message
    );
}

#[tokio::test]
async fn a_history_with_gaps_and_loosened_settings_do_not_count() {
    let (mut c, _) = chance();
    let text = format!("x = '{}'\n", token(&mut c));
    let mut bench = Bench::new(&[("fixtures/a.py", &text), ("b.py", "x = 1\n")]).await;
    let clean = vec![change("b.py", &[LineRange { start: 1, end: 1 }])];
    let index =
        PushIndex { incomplete: vec!["the history has a gap".to_owned()], ..PushIndex::default() };
    push(&bench, clean, &[], &[], index).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    assert!(response.response.summary.contains("the history has a gap"));

    // The base ignores nothing: that the push does is for the next one.
    bench.settings = json!({ "ignore": ["fixtures"] });
    let changes = vec![change("fixtures/a.py", &[LineRange { start: 1, end: 1 }])];
    let index = PushIndex {
        settings: Some(pact_contract::settings::SecuritySettings::default()),
        ..PushIndex::default()
    };
    push(&bench, changes.clone(), &[], &[], index).await;
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Failed);
    let settings = pact_contract::settings::SecuritySettings {
        ignore: vec!["fixtures".to_owned()],
        ..Default::default()
    };
    push(&bench, changes, &[], &[], PushIndex { settings: Some(settings), ..PushIndex::default() })
        .await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed);
    let ignored = response.response.findings.iter().find(|f| f.code == "ignored").expect("is said");
    assert_eq!(
        ignored.message,
        "1 file is left out by security.ignore \"fixtures\" of the base's settings"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No hidden content is promoted: whatever it is named, encoded in, wrapped in or put behind.
    #[test]
    fn no_hidden_token_passes(
        seed in any::<u64>(),
        name in prop_oneof![
            Just("a.png"), Just("package-lock.json"), Just("x.min.js"), Just("vendor/a.lock"), Just("LICENSE"),
            Just(".gitattributes"), Just("a b/ü.txt"), Just("x.svg"), Just("node_modules/a/b.js"), Just("a.pdf"),
        ],
        encoding in 0..6usize,
        wrap in 0..4usize,
        before in prop::collection::vec(any::<u8>(), 0..3_000),
        newline in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
    ) {
        let mut c = Chance::new(seed);
        let text = format!("{newline}token = \"{}\"{newline}", token(&mut c));
        let wide = |big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        let content = match encoding {
            0 => text.clone().into_bytes(),
            1 => utf16(&text),
            2 => wide(false),
            3 => wide(true),
            4 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            _ => [&before[..], text.as_bytes()].concat(),
        };
        let content = match wrap {
            0 => content,
            1 => zipped("x", &content, 1),
            2 => gzipped(&content),
            _ => gzipped(&tarred("a/b", &content)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut file = change(name, &[]);
        file.binary = true;
        let response = runtime.block_on(async {
            let bench = Bench::of_bytes(&[(name, content)]).await;
            let set = ChangeSet { head: "c0ffee".to_owned(), files: vec![file], ..ChangeSet::default() };
            bench.memory.put("changes", serde_json::to_vec(&set).expect("serialises").into()).await.expect("is kept");
            bench.run(ACTION).await
        });
        prop_assert_ne!(status(&response), StageStatus::Passed);
    }
}
