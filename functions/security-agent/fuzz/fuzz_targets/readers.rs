//! Any file of a repository is read, whatever it is called: the first line is its name, the rest what is
//! in it. Everything that reads it does: secrets, archives, lock files and manifests, code, rules of a
//! repository's own, reports of other scanners, licences.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use pact_security_agent::{
    SecretsEngine, check_rules, is_lock_file,
    measured::{Analysis, archive, licence, lock_file, manifest, report},
    sbom,
};

static SECRETS: LazyLock<SecretsEngine> = LazyLock::new(|| SecretsEngine::new().unwrap());
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| Analysis::new().unwrap());

/// Most bytes that anything unpacks to.
const MOST: usize = 64 << 20;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Corpus::Reject };
    let (name, content) = (&bytes[..end], &bytes[end + 1..]);
    let Ok(name) = std::str::from_utf8(name) else { return Corpus::Reject };
    SECRETS.scan(name, content);
    ANALYSIS.file(name, content);
    manifest(name, content);
    assert!(archive(name, content) <= MOST, "{name} unpacks to more than may be read");
    if lock_file(name, content).is_some() || is_lock_file(name) {
        drop(sbom("a", "1", [(name.to_owned(), content.to_vec())]));
    }
    let text = String::from_utf8_lossy(content);
    if let Err(faults) = check_rules(name, &text) {
        assert!(!faults.is_empty(), "refused without a reason");
    }
    drop(report(&text));
    licence(&text);
    Corpus::Keep
});
