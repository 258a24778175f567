//! The rules one by one. No secret stands in this file: each is put together when it is needed,
//! so that the scan of this repository stays silent.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    value::{base62, crc32},
    *,
};

/// Characters without a pattern, the same each time.
fn noise(alphabet: &str, length: usize, seed: u64) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            alphabet[usize::try_from(state % alphabet.len() as u64).expect("small")]
        })
        .collect()
}

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";
const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";

fn with_checksum(prefix: &str) -> String {
    let random = noise(ALNUM, 30, 7);
    format!("{prefix}{random}{}", base62(crc32(random.as_bytes())))
}

fn armour(what: &str) -> String {
    format!("-----{what} RSA PRIVATE {}-----", "KEY")
}

/// The token header and claims of a published example, with another signature.
fn jwt() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let claims = B64.encode(r#"{"sub":"42","iat":1700000000}"#);
    format!("{}.{claims}.{}", B64.encode(r#"{"alg":"HS256","typ":"JWT"}"#), noise(ALNUM, 43, 3))
}

fn engine() -> &'static Engine {
    static ENGINE: std::sync::OnceLock<Engine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().expect("the rules are valid"))
}

fn found(path: &str, text: &str) -> Vec<(String, Severity)> {
    let engine = engine();
    let scan = engine.scan(path, text, |_| true, 1_000);
    for finding in &scan.findings {
        assert!(finding.remedy.is_some() && finding.line.is_some() && finding.column.is_some());
    }
    scan.findings.into_iter().map(|f| (f.code, f.severity)).collect()
}

fn one(rule: &str, severity: Severity) -> Vec<(String, Severity)> {
    vec![(format!("secret-{rule}"), severity)]
}

/// One secret of each kind: rule, severity, line.
fn samples() -> Vec<(&'static str, Severity, String)> {
    use Severity::{Critical, High, Medium};
    let alnum = |n| noise(ALNUM, n, 11);
    let hex = |n| noise(HEX, n, 5);
    let key64 = noise(ALNUM, 64, 9);
    vec![
        ("aws-access-key", Critical, format!("id = \"AKIA{}\"", noise(UPPER, 16, 1))),
        ("aws-secret-key", Critical, format!("aws_secret_access_key = {}", alnum(40))),
        ("aws-secret-key", Critical, format!("  \"SecretAccessKey\": \"{}\",", alnum(40))),
        ("aws-access-key", Medium, format!("?X-Amz-Credential=ASIA{}/2024", noise(UPPER, 16, 1))),
        ("github-token", Critical, format!("x = '{}'", with_checksum("ghp_"))),
        ("github-token", High, format!("x = 'ghp_{}'", alnum(36))),
        ("github-token", Critical, format!("https://{}@github.com/a/b", with_checksum("ghs_"))),
        ("github-fine-grained-token", Critical, format!("github_pat_{}_{}", alnum(22), alnum(59))),
        ("gitlab-token", Critical, format!("glpat-{}", alnum(20))),
        (
            "slack-token",
            Critical,
            format!("xoxb-{}-{}-{}", noise(DIGITS, 12, 2), noise(DIGITS, 12, 3), alnum(24)),
        ),
        (
            "slack-webhook",
            Critical,
            format!(
                "https://hooks.slack.com/services/T{}/B{}/{}",
                noise(UPPER, 9, 4),
                noise(UPPER, 9, 5),
                alnum(24)
            ),
        ),
        ("stripe-key", Critical, format!("sk_{}_{}", "live", alnum(24))),
        ("stripe-test-key", Medium, format!("sk_{}_{}", "test", alnum(24))),
        ("google-api-key", Critical, format!("key=AIza{}", alnum(35))),
        ("google-oauth-secret", Critical, format!("GOCSPX-{}", alnum(28))),
        ("npm-token", Critical, format!("NPM={}", with_checksum("npm_"))),
        ("npmrc-auth", High, format!("//registry.acme.dev/:_authToken={}", alnum(36))),
        ("pypi-token", Critical, format!("pypi-{}{}", "AgEIcHlwaS5vcmc", alnum(90))),
        ("crates-io-token", Critical, format!("token = \"cio{}\"", alnum(32))),
        ("azure-storage-key", Critical, format!("AccountName=a;AccountKey={}==;", alnum(86))),
        ("azure-client-secret", Critical, format!("s: a1b8Q~{}", alnum(34))),
        ("twilio-key", Critical, format!("TWILIO_AUTH_TOKEN={}", hex(32))),
        ("sendgrid-key", Critical, format!("SG.{}.{}", alnum(22), noise(ALNUM, 43, 8))),
        ("mailgun-key", Critical, format!("MAILGUN_API_KEY: key-{}", hex(32))),
        ("openai-key", Critical, format!("sk-proj-{}T3Blbk{}{}", alnum(40), "FJ", alnum(40))),
        ("anthropic-key", Critical, format!("sk-ant-api03-{}AA", alnum(93))),
        ("hugging-face-token", Critical, format!("hf_{}", noise(LETTERS, 34, 2))),
        ("digitalocean-token", Critical, format!("dop_v1_{}", hex(64))),
        ("docker-token", Critical, format!("dckr_pat_{}", alnum(27))),
        ("shopify-token", Critical, format!("shpat_{}", hex(32))),
        ("vault-token", Critical, format!("hvs.{}", alnum(90))),
        ("telegram-token", Critical, format!("{}:AA{}", noise(DIGITS, 10, 6), alnum(33))),
        ("databricks-token", Critical, format!("dapi{}", hex(32))),
        ("grafana-token", Critical, format!("glsa_{}_{}", alnum(32), hex(8))),
        ("linear-key", Critical, format!("lin_api_{}", alnum(40))),
        (
            "age-key",
            Critical,
            format!("AGE-SECRET-KEY-1{}", noise("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, 6)),
        ),
        ("private-key", High, format!("{}\n{key64}\n{key64}\n{}", armour("BEGIN"), armour("END"))),
        (
            "private-key",
            High,
            format!("\"key\": \"{}\\n{key64}\\n{}\\n\"", armour("BEGIN"), armour("END")),
        ),
        ("database-url", High, format!("postgres://app:{}@db.acme.io:5432/shop", alnum(14))),
        (
            "database-url",
            High,
            format!("mongodb+srv://app:{}@cluster0.ab1cd.mongodb.net", alnum(14)),
        ),
        ("jwt", Medium, format!("Authorization: Bearer {}", jwt())),
        ("url-password", Medium, format!("git clone https://bot:{}@git.acme.io/x.git", alnum(20))),
        ("assignment", Medium, format!("{} = \"{}\"", "client_secret", alnum(24))),
        ("assignment", Medium, format!("{}: '{}',", "dbPassword", "q7Zt4LmX9vR2pK")),
        ("env-assignment", Medium, format!("export SESSION_{}={}", "SECRET", alnum(24))),
    ]
}

#[test]
fn every_rule_finds_its_secret_and_nothing_of_it_is_shown() {
    let engine = engine();
    let mut unseen: BTreeMap<String, ()> =
        engine.rules.iter().map(|r| (r.id.clone(), ())).collect();
    for (rule, severity, text) in samples() {
        assert_eq!(found("src/settings.py", &text), one(rule, severity), "{text}");
        unseen.remove(&format!("secret-{rule}"));
        let shown = serde_json::to_string(&engine.scan("a", &text, |_| true, 9).findings);
        let shown = shown.expect("findings serialise");
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| w.len() >= 12) {
            assert!(!shown.contains(word), "{shown} shows {word}");
        }
    }
    assert!(unseen.is_empty(), "rules without a sample: {unseen:?}");
}

#[test]
fn what_is_no_secret_is_not_found() {
    let key64 = noise(ALNUM, 64, 9);
    for text in [
        format!("AKIAIOSFODNN7{}", "EXAMPLE"),
        "AKIAXXXXXXXXXXXXXXXX".to_owned(),
        format!("XAKIA{}", noise(UPPER, 16, 1)),
        format!("AKIA{}", noise(UPPER, 17, 1)),
        format!("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY{}", "EXAMPLEKEY"),
        format!("ghp_{}", "x".repeat(36)),
        "ghp_<your token>".to_owned(),
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX".to_owned(),
        armour("BEGIN"),
        format!("if line == \"{}\" {{", armour("BEGIN")),
        format!("{}\nMIIEpAIBAAKCAQEA...\n{}", armour("BEGIN"), armour("END")),
        format!("{}\n{}\n{key64}", armour("BEGIN"), armour("END")),
        format!("-----BEGIN PUBLIC KEY-----\n{key64}\n-----END PUBLIC KEY-----"),
        "postgres://user:password@localhost/db".to_owned(),
        format!("postgres://app:{}@localhost:5432/db", noise(ALNUM, 14, 1)),
        "postgres://app:${DB_PASSWORD}@db.acme.io/shop".to_owned(),
        "postgres://{user}:{password}@{host}/shop".to_owned(),
        "redis://redis:redis@redis:6379".to_owned(),
        format!("mysql://app:{}@db.example.com/shop", noise(ALNUM, 14, 1)),
        "https://user:pass@example.com".to_owned(),
        "password = os.environ[\"DATABASE_PASSWORD_2\"]".to_owned(),
        "password = \"correct-horse-battery\"".to_owned(),
        "token: ${{ secrets.GITHUB_TOKEN }}".to_owned(),
        "SECRET_KEY=changeme-in-production-1".to_owned(),
        "const TOKEN_URL = \"https://auth.acme.io/oauth2/v1/token\"".to_owned(),
        "let csrf_token_header = \"X-CSRF-Token-V2\"".to_owned(),
        "token = \"550e8400-e29b-41d4-a716-446655440000\"".to_owned(),
        "eyJhbGciOiJIUzI1NiJ9.eyJhbGci".to_owned(),
        "keyword arguments, tokens, secrets and passwords".to_owned(),
    ] {
        assert_eq!(found("src/settings.py", &text), [], "{text}");
    }
}

#[test]
fn lock_files_are_full_of_hashes_but_a_token_in_one_is_still_a_token() {
    let hash = format!("token = \"{}\"", noise(HEX, 64, 3));
    assert_eq!(found("x.toml", &hash), one("assignment", Severity::Medium));
    assert_eq!(found("Cargo.lock", &hash), []);
    let token = format!("\"resolved\": \"https://{}@github.com/a/b\"", with_checksum("ghp_"));
    assert_eq!(found("package-lock.json", &token), one("github-token", Severity::Critical));
}

#[test]
fn made_up_keys_of_tests_weigh_less_but_tokens_with_a_right_checksum_do_not() {
    let key64 = noise(ALNUM, 64, 9);
    let key = format!("{}\n{key64}\n{}", armour("BEGIN"), armour("END"));
    assert_eq!(found("tests/tls.rs", &key), one("private-key", Severity::Medium));
    let url = format!("postgres://app:{}@db.acme.io:5432/shop", noise(ALNUM, 14, 1));
    assert_eq!(found("tests/db.rs", &url), one("database-url", Severity::Medium));
    let token = with_checksum("ghp_");
    assert_eq!(found("tests/a.py", &token), one("github-token", Severity::Critical));
    let made_up = format!("ghp_{}", noise(ALNUM, 36, 1));
    assert_eq!(found("tests/a.py", &made_up), one("github-token", Severity::Low));
}

#[test]
fn only_added_lines_count_and_a_comment_allows() {
    let engine = engine();
    let token = with_checksum("ghp_");
    let text = format!(
        "a = '{token}'\nb = '{token}' # {ALLOW}\n# {ALLOW}: a fixture\nc = '{token}'\nd = '{token}'\r\n"
    );
    let scan = engine.scan("a.py", &text, |line| line != 1, 1_000);
    let lines: Vec<_> = scan.findings.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(lines, [(Some(5), Some(6))]);
    assert_eq!(scan.allowed, 2);
}

#[test]
fn long_lines_are_searched_for_known_forms_only() {
    let engine = engine();
    let padding = "x".repeat(LONG_LINE);
    let (token, general) = (with_checksum("ghp_"), noise(ALNUM, 24, 2));
    let text = format!("var a='{token}',{}='{general}';{padding}", "client_secret");
    let scan = engine.scan("a.min.js", &text, |_| true, 1_000);
    let codes: Vec<_> = scan.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["secret-github-token"]);
    assert_eq!(scan.long_lines, 1);
}

#[test]
fn findings_are_bounded_by_line_and_by_file() {
    let engine = engine();
    let line = format!("{} ", with_checksum("ghp_")).repeat(50);
    let scan = engine.scan("a", &format!("{line}\n").repeat(10), |_| true, 60);
    assert_eq!(scan.findings.len(), 3 * MAX_LINE_FINDINGS);
}

#[test]
fn evidence_shows_at_most_a_fifth() {
    assert_eq!(redacted("abcdefghij"), "ab… (10 characters)");
    assert_eq!(redacted(&"a".repeat(40)), "aaaa… (40 characters)");
    assert_eq!(redacted("abc"), "… (3 characters)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_scanned_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let engine = engine();
        engine.scan("a", &String::from_utf8_lossy(&bytes), |_| true, 100);
    }

    #[test]
    fn any_text_around_keywords_is_scanned_without_a_panic(
        parts in prop::collection::vec(
            prop_oneof![
                Just("-----BEGIN RSA PRIVATE "), Just("KEY-----"), Just("postgres://"), Just(":"), Just("@"),
                Just("token = \""), Just("\""), Just("\n"), Just("\\n"), Just("ghp_"), Just("eyJ"), Just("."),
                Just("é€😀"), Just("AKIA"), Just("aZ09bY18cX27dW36eV45fU54gT63hS72iR81"),
            ],
            0..60,
        )
    ) {
        let engine = engine();
        engine.scan("a", &parts.concat(), |_| true, 100);
    }
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
            if !kind.is_file() || content.iter().take(8_000).any(|b| *b == 0) {
                continue;
            }
            files += 1;
            bytes += content.len() as u64;
            let path = entry.path().display().to_string();
            for f in
                engine.scan(&path, &String::from_utf8_lossy(&content), |_| true, 1_000).findings
            {
                println!(
                    "{:?} {} {} {:?}",
                    f.severity,
                    f.code,
                    f.place().unwrap_or_default(),
                    f.evidence
                );
                *counts.entry((f.severity, f.code)).or_default() += 1;
            }
        }
    }
    println!("{files} files, {bytes} bytes");
    for ((severity, code), count) in counts {
        println!("{count:6} {severity:?} {code}");
    }
}
