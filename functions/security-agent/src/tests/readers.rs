//! Every reader, on what its own form becomes when it is damaged: nothing panics, nothing is without
//! a bound, and what is refused says why. Lock files, texts, secrets and code have theirs beside them.

use std::{
    collections::BTreeSet,
    io::{Cursor, Write as _},
};

use pact_contract::settings::LicenseSettings;
use proptest::prelude::*;

use crate::{
    SecretsEngine, compile_advisories,
    deps::{
        Ecosystem, Package, compiled::Database, licenses::Policy, manifest, osv::Record, sbom::sbom,
    },
    sast::own,
    scope::open,
};

/// Most bytes that the archives below unpack to.
const MOST: usize = 8 << 20;

const RECORD: &str = r#"{"id":"A-1","aliases":["CVE-1"],"summary":"s","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}],"versions":["1.0.0"],"database_specific":{"severity":"HIGH"}}]}"#;

const SARIF: &str = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t","rules":[{"id":"r","properties":{"security-severity":"9.1"}}]}},"results":[{"ruleId":"r","level":"error","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.py"},"region":{"startLine":3}}}],"partialFingerprints":{"primaryLocationLineHash":"1"}}]}]}"#;

const RULES: &str = r#"no-print = { severity = "high", title = "prints", fix = "log it", call = "print", when = ["moving 0", "none ^x$"], bad = ["print(y)"], good = ["log(x)"] }"#;

const MANIFESTS: &[(&str, &str)] = &[
    ("package.json", r#"{"dependencies":{"left":"^1.0.0"}}"#),
    ("pyproject.toml", "[project]\ndependencies = [\"left>=1\"]\n"),
    ("Cargo.toml", "[dependencies]\nleft = \"1\"\n"),
    ("go.mod", "module a\n\nrequire left v1.0.0\n"),
    ("Gemfile", "gem \"left\"\n"),
];

/// Files that are read by their names.
const KEPT: &[&str] = &[
    ".netrc",
    ".pgpass",
    ".htpasswd",
    ".npmrc",
    ".docker/config.json",
    "a.ipynb",
    "k.yaml",
    "a.tf",
];

/// A few places of a text are something else.
#[derive(Clone, Debug)]
struct Damage(Vec<(prop::sample::Index, usize, Vec<u8>)>);

impl Damage {
    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for (at, length, instead) in &self.0 {
            let begin = at.index(bytes.len() + 1);
            let end = (begin + length).min(bytes.len());
            bytes.splice(begin..end, instead.iter().copied());
        }
        bytes
    }

    fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.of(text.as_bytes())).into_owned()
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let instead = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        "[\\[\\]{}\",:0-9a-z\\\\\n=-]{0,8}".prop_map(String::into_bytes),
        Just(b"99999999999999999999".to_vec()),
        Just("[".repeat(300).into_bytes()),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, instead), 1..4)
        .prop_map(Damage)
}

/// A zip file, a tar file and a compressed one, each with a text in it.
fn archives() -> Vec<Vec<u8>> {
    let text = "TOKEN = nothing\n".repeat(200);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("a/b.txt", options).expect("an entry");
    zip.write_all(text.as_bytes()).expect("is written");
    let zip = zip.finish().expect("a zip file").into_inner();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_cksum();
    tar.append_data(&mut header, "a/b.txt", text.as_bytes()).expect("an entry");
    let tar = tar.into_inner().expect("a tar file");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("is written");
    vec![zip, tar, gzip.finish().expect("a gzip file")]
}

fn package(version: &str) -> Package {
    Package { ecosystem: Ecosystem::Npm, name: "left".to_owned(), version: version.to_owned() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn archives_are_opened_within_bounds_or_named(which in 0..3usize, damage in damage()) {
        let content = damage.of(&archives()[which]);
        let (mut bytes, mut failed) = (0, Vec::new());
        open::each("a.bin", &content, &mut |_, inner| bytes += inner.len(), &mut |path, why| {
            failed.push((path.to_owned(), why));
        });
        prop_assert!(bytes <= MOST, "{bytes}");
        prop_assert!(bytes > 0 || !failed.is_empty(), "neither read nor named");
        for (path, why) in failed {
            prop_assert!(path.starts_with("a.bin") && !why.is_empty());
        }
    }

    #[test]
    fn an_index_of_advisories_is_read_or_refused(damage in damage()) {
        let folder = tempfile::tempdir().expect("a folder");
        let records = folder.path().join("records");
        std::fs::create_dir(&records).expect("a folder");
        std::fs::write(records.join("A-1.json"), RECORD).expect("a file");
        let index = folder.path().join("index");
        compile_advisories(&records, &index).expect("is compiled");
        let whole = std::fs::read(&index).expect("a file");
        std::fs::write(&index, damage.of(&whole)).expect("a file");
        let packages: BTreeSet<Package> = [package("1.0.0")].into();
        if let Err(why) = Database::open(&index).and_then(|database| database.about(&packages)) {
            prop_assert!(why.contains("index"), "{why}");
        }
    }

    #[test]
    fn an_advisory_is_understood_or_refused(damage in damage(), version in "\\PC{0,20}") {
        let Ok(record) = serde_json::from_str::<Record>(&damage.text(RECORD)) else { return Ok(()) };
        for version in ["1.0.0", version.as_str()] {
            let package = package(version);
            record.affects(&package);
            record.fixed_in(&package);
            record.severity(&package);
        }
        prop_assert!(record.ids().count() < 100);
    }

    #[test]
    fn a_report_of_another_scanner_is_read_or_refused(damage in damage()) {
        match pact_report::imported(&damage.text(SARIF), &|path| path == "a.py") {
            Ok(report) => prop_assert!(report.results.len() < 1_000),
            Err(why) => prop_assert!(!why.is_empty() && why.len() < 1_000, "{why}"),
        }
    }

    #[test]
    fn own_rules_are_read_or_refused(damage in damage()) {
        if let Err(faults) = own::parse("python.toml", &damage.text(RULES)) {
            prop_assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.message.is_empty()));
        }
    }

    #[test]
    fn licences_and_manifests_of_any_text_are_judged(
        which in 0..MANIFESTS.len(),
        damage in damage(),
        expression in "(?:MIT|Apache-2.0|GPL|AND|OR|WITH|[( )+]|\\PC){0,30}",
    ) {
        let policy = LicenseSettings { allow: Some(vec!["MIT".to_owned()]), ..LicenseSettings::default() };
        Policy::new(&policy).expect("a policy").judge(&expression);
        let (path, text) = MANIFESTS[which];
        manifest::declares(path, &damage.text(text));
    }

    #[test]
    fn what_is_kept_by_name_is_read(which in 0..KEPT.len(), damage in damage(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        static ENGINE: std::sync::LazyLock<SecretsEngine> =
            std::sync::LazyLock::new(|| SecretsEngine::new().expect("the kinds are valid"));
        let text = "machine a login b password c\nh:1:d:u:pw\nuser:$apr1$ab$cdefgh\n{\"auths\":{\"r\":{\"auth\":\"YTpi\"}}}\nkind: Secret\ndata:\n  a: YWJj\n";
        for content in [damage.of(text.as_bytes()), bytes] {
            ENGINE.scan(KEPT[which], &content);
        }
    }

    #[test]
    fn a_bill_of_materials_is_made_of_any_lock_file(damage in damage()) {
        let lock = "version = 4\n\n[[package]]\nname = \"left\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"right\"\nversion = \"2.0.0\"\ndependencies = [\"left\"]\n";
        let files = [("Cargo.lock".to_owned(), damage.of(lock.as_bytes()))];
        let made = sbom("a", "1", files).map_err(TestCaseError::fail)?;
        let document: serde_json::Value = serde_json::from_slice(&made.document).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(&document["bomFormat"], "CycloneDX");
    }
}
