//! Lock files against advisories, from a folder and from a service.

use std::path::Path;

use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, method, path},
};

use super::*;

const ACTION: &str = "security.check_dependencies";
const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const LOCK: &str = "\
version = 4

[[package]]
name = \"app\"
version = \"0.1.0\"

[[package]]
name = \"smallvec\"
version = \"1.6.0\"
source = \"registry+https://github.com/rust-lang/crates.io-index\"
";

fn record(id: &str, ecosystem: &str, name: &str, fixed: &str, vector: Option<&str>) -> Value {
    json!({
        "id": id, "aliases": [format!("CVE-{id}")], "summary": "it breaks", "modified": "2024-01-01T00:00:00Z",
        "severity": vector.map(|v| vec![json!({"type": "CVSS_V3", "score": v})]),
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": name },
            "ranges": [{ "type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}] }],
        }],
    })
}

fn write(folder: &Path, record: &Value) {
    let name = format!("{}.json", record["id"].as_str().expect("an id"));
    std::fs::write(folder.join(name), record.to_string()).expect("a file");
}

#[tokio::test]
async fn an_affected_version_fails_with_what_to_upgrade_to() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "crates.io", "smallvec", "1.6.1", Some(CRITICAL)));
    write(folder.path(), &record("R-2", "crates.io", "other", "9.0.0", Some(CRITICAL)));
    let mut bench = Bench::new(&[("sub/Cargo.lock", LOCK)]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    assert_eq!(response.response.summary, "1 package checked for advisories: 1 critical");
    let finding = &response.response.findings[0];
    assert_eq!(finding.code, "vulnerable-dependency");
    assert_eq!(finding.message, "smallvec 1.6.0 is affected by R-1 (CVE-R-1): it breaks");
    assert_eq!(finding.remedy.as_deref(), Some("upgrade to 1.6.1"));
    assert_eq!(finding.place().as_deref(), Some("sub/Cargo.lock:8"));
    assert_eq!(finding.evidence.as_deref(), Some("pkg:cargo/smallvec@1.6.0"));
    let key = response.response.output["sbom_key"].as_str().expect("a bill of materials");
    let document = bench.memory.get(key).await.expect("is read").expect("is there");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    assert_eq!(document["components"][0]["purl"], "pkg:cargo/smallvec@1.6.0");

    bench.settings = json!({ "accept": { "CVE-R-1": "not called" } });
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed);
    assert!(response.response.findings[0].message.ends_with("accepted as CVE-R-1: not called"));

    bench.settings = json!({ "ignore": ["sub"] });
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Skipped);
}

#[tokio::test]
async fn a_version_without_advisory_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "crates.io", "smallvec", "1.5.0", Some(CRITICAL)));
    let mut bench = Bench::new(&[("Cargo.lock", LOCK)]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed, "{}", response.response.summary);
    assert_eq!(response.response.output["checked"], 1);
}

#[tokio::test]
async fn all_kinds_of_lock_files_are_compared_in_one_check() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "crates.io", "smallvec", "1.6.1", None));
    write(folder.path(), &record("G-1", "npm", "@s/left", "4.17.21", Some(CRITICAL)));
    write(folder.path(), &record("P-1", "PyPI", "Foo.Bar", "2.0.0", None));
    let npm = "{\"lockfileVersion\": 3, \"packages\": {\n\"node_modules/@s/left\": {\n\"version\": \"4.17.15\"}}}";
    let poetry = "[[package]]\nname = \"foo-bar\"\nversion = \"2.0rc1\"\n";
    let requirements = "foo_bar==1.9\nfoo-bar==2.0\nother>=1\n";
    let mut bench = Bench::new(&[
        ("Cargo.lock", LOCK),
        ("web/package-lock.json", npm),
        ("api/poetry.lock", poetry),
        ("api/requirements.txt", requirements),
        ("web/node_modules/x/package-lock.json", "{"),
    ])
    .await;
    bench.config.advisories = Some(folder.path().to_owned());
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    assert_eq!(response.response.output["checked"], 5);
    let places: Vec<_> =
        response.response.findings.iter().filter_map(|f| f.line.and_then(|_| f.place())).collect();
    assert_eq!(
        places,
        [
            "web/package-lock.json:2",
            "Cargo.lock:8",
            "api/requirements.txt:1",
            "api/poetry.lock:2",
            "api/requirements.txt:3"
        ]
    );
}

#[tokio::test]
async fn what_was_not_checked_has_not_passed() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "crates.io", "smallvec", "1.5.0", None));
    let npm =
        "{\"lockfileVersion\": 3, \"packages\": {\"node_modules/a\": {\"version\": \"1.0.0\"}}}";
    for (files, expected) in [
        (&[("readme.md", "x")][..], "nothing in the repository declares dependencies"),
        (&[("pom.xml", "<dependency>x</dependency>")], "no lock file of Maven says"),
        (&[("Cargo.lock", "nonsense =")], "Cargo.lock: could not be read"),
        (
            &[("Cargo.lock", LOCK), ("a/package-lock.json", "{")],
            "a/package-lock.json: could not be read",
        ),
        (&[("Cargo.lock", LOCK), ("a/bun.lockb", "x")], "a/bun.lockb: the binary form"),
        (
            &[("Cargo.lock", LOCK), ("web/package.json", "{\"dependencies\":{\"a\":\"1\"}}")],
            "web/package.json: it declares dependencies, and no lock file of npm",
        ),
        (&[("Cargo.lock", LOCK), ("a/package-lock.json", npm)], "has no advisory for npm"),
        (&[("requirements.txt", "flask>=2\nnumpy\n")], "2 dependencies are not pinned"),
    ] {
        let mut bench = Bench::new(files).await;
        bench.config.advisories = Some(folder.path().to_owned());
        let response = bench.run(ACTION).await;
        assert_eq!(status(&response), StageStatus::Skipped, "{files:?}");
        assert!(response.response.summary.contains(expected), "{}", response.response.summary);
    }
}

#[tokio::test]
async fn without_folder_and_service_the_reason_says_what_to_set() {
    let mut bench = Bench::new(&[("Cargo.lock", LOCK)]).await;
    bench.config.osv_budget = Duration::from_millis(500);
    bench.config.advisories = Some("/nonexistent/advisories".into());
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    let summary = &response.response.summary;
    assert!(summary.contains("/nonexistent/advisories cannot be read"), "{summary}");
    assert!(summary.contains("PACT_ADVISORIES") && summary.contains("PACT_OSV_URL"), "{summary}");
}

#[tokio::test]
async fn a_project_without_dependencies_passes_without_being_asked_about() {
    let lock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n";
    let response = Bench::new(&[("Cargo.lock", lock)]).await.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed, "{}", response.response.summary);
}

/// A push against a base, with what the base has.
async fn push(bench: &Bench, changed: &[&str], before: &[(&str, &str)], settings: Value) {
    let mut packer = Packer::new();
    let mut index = pact_contract::PushIndex {
        settings: Some(serde_json::from_value(settings).expect("settings")),
        ..pact_contract::PushIndex::default()
    };
    for (number, (path, content)) in before.iter().enumerate() {
        let blob = format!("b{number}");
        let name = pact_contract::PushIndex::blob(&blob);
        packer.add(&name, EntryKind::File, content.as_bytes()).expect("packs");
        index.before.push(pact_contract::changes::BeforeFile { path: (*path).to_owned(), blob });
    }
    let json = serde_json::to_vec(&index).expect("serialises");
    packer.add(pact_contract::PushIndex::FILE, EntryKind::File, &json).expect("packs");
    bench.memory.put("push", packer.finish().expect("completes")).await.expect("is kept");
    let set = ChangeSet {
        base: Some("ba5e".to_owned()),
        head: "c0ffee".to_owned(),
        files: changed.iter().map(|path| change(path, &[])).collect(),
        push_key: Some("push".to_owned()),
    };
    let set = serde_json::to_vec(&set).expect("serialises");
    bench.memory.put("changes", set.into()).await.expect("is kept");
}

#[tokio::test]
async fn what_was_there_before_is_shown_and_what_the_change_adds_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "crates.io", "smallvec", "1.6.1", Some(CRITICAL)));
    write(folder.path(), &record("R-2", "crates.io", "other", "9.0.0", Some(CRITICAL)));
    let mut bench = Bench::new(&[("Cargo.lock", LOCK), ("a.rs", "// a comment\n")]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    push(&bench, &["a.rs"], &[], json!({})).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed, "{}", response.response.summary);
    assert_eq!(response.response.output["preexisting"], 1);
    assert!(
        response.response.findings[0].message.starts_with("there before this change (critical)")
    );

    // The same hole in another version is no new one; a hole of another package is.
    let older = LOCK.replace("1.6.0", "1.5.0");
    push(&bench, &["Cargo.lock"], &[("Cargo.lock", &older)], json!({})).await;
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Passed);
    let more = format!(
        "{LOCK}\n[[package]]\nname = \"other\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
    );
    let mut bench = Bench::new(&[("Cargo.lock", &more)]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    push(&bench, &["Cargo.lock"], &[("Cargo.lock", LOCK)], json!({})).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(
        response.response.summary,
        "2 packages checked for advisories: 1 critical; 1 there before"
    );
}

#[tokio::test]
async fn what_is_odd_about_a_new_package_is_told_and_a_refused_licence_blocks() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "npm", "unheard-of", "1.6.1", None));
    write(folder.path(), &record("R-2", "PyPI", "unheard-of", "1.6.1", None));
    let npm = |packages: &[(&str, &str)]| {
        let entries: serde_json::Map<String, Value> = packages
            .iter()
            .map(|(name, license)| {
                let entry = match *license {
                    "" => json!({ "version": "1.0.0" }),
                    license => json!({ "version": "1.0.0", "license": license }),
                };
                (format!("node_modules/{name}"), entry)
            })
            .collect();
        json!({ "lockfileVersion": 3, "packages": entries }).to_string()
    };
    let old = npm(&[("old-one", "AGPL-3.0-only"), ("nameless", "")]);
    let now = npm(&[
        ("old-one", "AGPL-3.0-only"),
        ("nameless", ""),
        ("expres", "MIT"),
        ("choice", "(MIT OR AGPL-3.0-only)"),
        ("new-one", "AGPL-3.0-only"),
    ]);
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    let uv = format!(
        "version = 1\n[[package]]\nname = \"fresh\"\nversion = \"1.0\"\nsource = {{ registry = \"x\" }}\n\
         sdist = {{ url = \"x\", upload-time = \"{yesterday}\" }}\n"
    );
    let files = [("package-lock.json", now.as_str()), ("uv.lock", uv.as_str())];
    let mut bench = Bench::new(&files).await;
    bench.config.advisories = Some(folder.path().to_owned());
    bench.settings = json!({ "licenses": { "deny": ["AGPL-3.0-only"], "unknown": "list" } });
    let changed = ["package-lock.json", "uv.lock"];
    push(&bench, &changed, &[("package-lock.json", &old)], json!({})).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    let told: Vec<_> = response
        .response
        .findings
        .iter()
        .filter(|f| f.code != "scope-note")
        .map(|f| (f.code.to_string(), f.severity.as_str(), f.message.clone()))
        .collect();
    let day = yesterday.strftime("%Y-%m-%d");
    let expected = [
        ("license-refused", "high", "new-one 1.0.0 is under AGPL-3.0-only, which the policy refuses".to_owned()),
        ("lookalike-dependency", "medium", "expres 1.0.0 is called almost as express is".to_owned()),
        ("brand-new-dependency", "low", format!("fresh 1.0 was published on {day}")),
        ("license-unknown", "info", "fresh 1.0: the lock file says no licence".to_owned()),
        (
            "license-refused",
            "info",
            "there before this change (high): old-one 1.0.0 is under AGPL-3.0-only, which the policy refuses"
                .to_owned(),
        ),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(code, severity, said)| (code.to_owned(), severity, said))
        .collect();
    assert_eq!(told, expected);

    // What nobody says is not checked, unless the policy takes it for a matter of a list.
    let clean = npm(&[("choice", "")]);
    let mut bench = Bench::new(&[("package-lock.json", &clean)]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    bench.settings = json!({ "licenses": { "allow": ["MIT"] } });
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    assert!(
        response.response.summary.contains("1 new package is under a licence that nobody says"),
        "{}",
        response.response.summary
    );
}

#[tokio::test]
async fn a_push_does_not_accept_for_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("R-1", "crates.io", "smallvec", "1.6.1", Some(CRITICAL)));
    let mut bench = Bench::new(&[("Cargo.lock", LOCK)]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    bench.settings = json!({ "accept": { "R-1": "we like it" } });
    push(&bench, &["Cargo.lock"], &[], json!({})).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert!(
        response.response.findings[0]
            .message
            .ends_with("that this push accepts R-1 counts from the next commit on")
    );
    push(&bench, &["Cargo.lock"], &[], json!({ "accept": { "R-1": "we like it" } })).await;
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Passed);
}

#[tokio::test]
async fn every_version_of_cvss_counts_and_malicious_packages_are_critical() {
    for (id, kind, vector, critical, high) in [
        (
            "R-1",
            "CVSS_V4",
            Some("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"),
            1,
            0,
        ),
        ("R-1", "CVSS_V3", Some("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"), 0, 1),
        ("R-1", "CVSS_V2", Some("AV:N/AC:L/Au:N/C:C/I:C/A:C"), 0, 1),
        ("MAL-2026-1", "CVSS_V3", None, 1, 0),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut advisory = record(id, "crates.io", "smallvec", "1.6.1", vector);
        if vector.is_some() {
            advisory["severity"][0]["type"] = json!(kind);
        }
        write(folder.path(), &advisory);
        let mut bench = Bench::new(&[("Cargo.lock", LOCK)]).await;
        bench.config.advisories = Some(folder.path().to_owned());
        let response = bench.run(ACTION).await;
        assert_eq!(status(&response), StageStatus::Failed, "{id} {kind}");
        assert_eq!(response.response.output["critical"], critical, "{id} {kind}");
        assert_eq!(response.response.output["high"], high, "{id} {kind}");
        let code = if critical == 1 && vector.is_none() {
            "malicious-dependency"
        } else {
            "vulnerable-dependency"
        };
        assert_eq!(response.response.findings[0].code, code);
    }
}

#[tokio::test]
async fn requirements_in_utf_16_are_read_and_loose_ones_are_said() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &record("P-1", "PyPI", "debugpy", "1.8.1", Some(CRITICAL)));
    let mut wide = vec![0xff, 0xfe];
    wide.extend("debugpy==1.8.0\r\n".encode_utf16().flat_map(u16::to_le_bytes));
    let mut bench = Bench::of_bytes(&[("requirements.txt", wide)]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    assert_eq!(response.response.findings[0].place().as_deref(), Some("requirements.txt:1"));

    let mut bench =
        Bench::new(&[("requirements.txt", "debugpy==1.8.1\nloguru>=0.6.0,<1\nname\n")]).await;
    bench.config.advisories = Some(folder.path().to_owned());
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    assert!(
        response
            .response
            .summary
            .contains("requirements.txt: 2 dependencies are not pinned to a version")
    );
}

#[tokio::test]
async fn every_lock_file_of_the_tree_is_read_from_a_compiled_index_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let files: &[(&str, &str, &str, &str)] = &[
        (
            "uv.lock",
            "PyPI",
            "a-uv",
            "[[package]]\nname = \"a-uv\"\nversion = \"1.0\"\nsource = { registry = \"x\" }\n",
        ),
        (
            "b/Pipfile.lock",
            "PyPI",
            "a-pipenv",
            "{\"_meta\": {}, \"default\": {\"a-pipenv\": {\"version\": \"==1.0\"}}}",
        ),
        ("c/pdm.lock", "PyPI", "a-pdm", "[[package]]\nname = \"a-pdm\"\nversion = \"1.0\"\n"),
        (
            "d/pnpm-lock.yaml",
            "npm",
            "a-pnpm",
            "lockfileVersion: '9.0'\npackages:\n  a-pnpm@1.0.0:\n    x: 1\n",
        ),
        ("e/go.mod", "Go", "example.org/a", "module x\nrequire example.org/a v1.0.0\n"),
        ("f/yarn.lock", "npm", "a-yarn", "# yarn lockfile v1\na-yarn@^1:\n  version \"1.0.0\"\n"),
        ("g/gradle.lockfile", "Maven", "g:a", "g:a:1.0=x\n"),
    ];
    for (number, (_, ecosystem, name, _)) in files.iter().enumerate() {
        write(
            folder.path(),
            &record(&format!("R-{number}"), ecosystem, name, "2.0.0", Some(CRITICAL)),
        );
    }
    let contents: Vec<(&str, &str)> =
        files.iter().map(|(path, _, _, text)| (*path, *text)).collect();
    let index = folder.path().join("a.idx");
    crate::compile_advisories(folder.path(), &index).expect("compiles");
    for advisories in [folder.path().to_owned(), index] {
        let mut bench = Bench::new(&contents).await;
        bench.config.advisories = Some(advisories);
        let response = bench.run(ACTION).await;
        assert_eq!(status(&response), StageStatus::Failed);
        let mut found: Vec<_> =
            response.response.findings.iter().filter_map(|f| f.path.clone()).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "b/Pipfile.lock",
                "c/pdm.lock",
                "d/pnpm-lock.yaml",
                "e/go.mod",
                "f/yarn.lock",
                "g/gradle.lockfile",
                "uv.lock"
            ]
        );
    }
}

async fn service(lock: &str) -> (MockServer, Bench) {
    let server = MockServer::start().await;
    let mut bench = Bench::new(&[("Cargo.lock", lock)]).await;
    bench.config.osv_url = server.uri();
    (server, bench)
}

async fn answer(server: &MockServer, id: &str, record: Value) {
    Mock::given(method("GET"))
        .and(path(format!("/v1/vulns/{id}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(record))
        .mount(server)
        .await;
}

#[tokio::test]
async fn the_service_is_asked_page_by_page() {
    let (server, bench) = service(LOCK).await;
    let query =
        json!({ "package": { "name": "smallvec", "ecosystem": "crates.io" }, "version": "1.6.0" });
    let mut second = query.clone();
    second["page_token"] = json!("more");
    Mock::given(method("POST"))
        .and(path("/v1/querybatch"))
        .and(body_partial_json(json!({ "queries": [second] })))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({ "results": [{ "vulns": [{ "id": "R-2" }] }] })),
        )
        .expect(1)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v1/querybatch"))
        .and(body_partial_json(json!({ "queries": [query] })))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({ "results": [{ "vulns": [{ "id": "R-1" }], "next_page_token": "more" }] }),
        ))
        .expect(1)
        .mount(&server)
        .await;
    answer(&server, "R-1", record("R-1", "crates.io", "smallvec", "1.6.1", None)).await;
    answer(&server, "R-2", record("R-2", "crates.io", "smallvec", "2.0.0", Some(CRITICAL))).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Failed, "{}", response.response.summary);
    let remedies: Vec<_> =
        response.response.findings.iter().map(|f| f.remedy.clone().unwrap_or_default()).collect();
    assert_eq!(remedies, ["upgrade to 2.0.0", "upgrade to 1.6.1"]);
}

#[tokio::test]
async fn many_packages_are_asked_about_in_batches() {
    use std::fmt::Write as _;
    let mut lock = "version = 4\n".to_owned();
    for index in 0..1_005 {
        write!(
            lock,
            "\n[[package]]\nname = \"p{index}\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
        )
        .expect("a string takes it");
    }
    let (server, bench) = service(&lock).await;
    Mock::given(method("POST"))
        .respond_with(|request: &wiremock::Request| {
            let body: Value = request.body_json().expect("JSON");
            let queries = body["queries"].as_array().expect("queries").len();
            ResponseTemplate::new(200).set_body_json(json!({ "results": vec![json!({}); queries] }))
        })
        .expect(2)
        .mount(&server)
        .await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Passed, "{}", response.response.summary);
    assert_eq!(response.response.output["checked"], 1_005);
}

#[tokio::test]
async fn a_passing_fault_is_asked_again_and_a_lasting_one_is_a_reason() {
    let (server, bench) = service(LOCK).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "results": [{}] })))
        .mount(&server)
        .await;
    assert_eq!(status(&bench.run(ACTION).await), StageStatus::Passed);

    for (template, reason) in [
        (ResponseTemplate::new(500), "status 500"),
        (ResponseTemplate::new(403), "status 403"),
        (ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:9/"), "status 302"),
        (ResponseTemplate::new(200).set_body_string("<html>"), "not as documented"),
        (
            ResponseTemplate::new(200).set_body_json(json!({ "results": [] })),
            "0 answers to 1 questions",
        ),
        (
            ResponseTemplate::new(200)
                .set_body_json(json!({ "results": [{ "vulns": [{ "id": "../x" }] }] })),
            "an id that is none",
        ),
        (ResponseTemplate::new(200).set_delay(Duration::from_secs(5)), "no answer in time"),
    ] {
        let (server, mut bench) = service(LOCK).await;
        bench.config.osv_timeout = Duration::from_millis(100);
        bench.config.osv_budget = Duration::from_millis(1_500);
        Mock::given(method("POST")).respond_with(template).mount(&server).await;
        let response = bench.run(ACTION).await;
        assert_eq!(status(&response), StageStatus::Skipped, "{reason}");
        assert!(response.response.summary.contains(reason), "{}", response.response.summary);
    }
}

#[tokio::test]
async fn pages_without_end_come_to_an_end() {
    let (server, bench) = service(LOCK).await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({ "results": [{ "next_page_token": "again" }] })),
        )
        .mount(&server)
        .await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    assert!(response.response.summary.contains("pages"), "{}", response.response.summary);
}

#[tokio::test]
async fn an_advisory_that_cannot_be_read_still_counts_but_the_check_is_not_whole() {
    let (server, bench) = service(LOCK).await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(
                json!({ "results": [{ "vulns": [{ "id": "R-1" }, { "id": "R-2" }] }] }),
            ),
        )
        .mount(&server)
        .await;
    let mut withdrawn = record("R-2", "crates.io", "smallvec", "1.6.1", Some(CRITICAL));
    withdrawn["withdrawn"] = json!("2024-01-01T00:00:00Z");
    answer(&server, "R-2", withdrawn).await;
    let response = bench.run(ACTION).await;
    assert_eq!(status(&response), StageStatus::Skipped);
    assert!(
        response.response.summary.contains("1 advisories could not be read"),
        "{}",
        response.response.summary
    );
    assert_eq!(response.response.output["medium"], 1);
    assert!(response.response.findings[0].message.contains("R-1"));
}
