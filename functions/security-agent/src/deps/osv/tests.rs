//! Range semantics and severities as tables.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn package(ecosystem: Ecosystem, version: &str) -> Package {
    Package { ecosystem, name: "p".to_owned(), version: version.to_owned() }
}

fn record(ecosystem: Ecosystem, kind: &str, events: Value, versions: Value) -> Record {
    serde_json::from_value(json!({
        "id": "X-1",
        "affected": [{
            "package": { "ecosystem": ecosystem.as_str(), "name": "p" },
            "ranges": [{ "type": kind, "events": events }],
            "versions": versions,
        }],
    }))
    .expect("a record")
}

#[test]
fn events_are_walked_as_the_format_says() {
    use Affects::{No, Unknown, Yes};
    use Ecosystem::{CratesIo, Npm, PyPi};
    let all = json!([{"introduced": "0"}]);
    let until = json!([{"introduced": "0"}, {"fixed": "1.2.0"}]);
    let backwards = json!([{"fixed": "1.2.0"}, {"introduced": "0"}]);
    let two = json!([{"introduced": "1.0.0"}, {"fixed": "1.2.0"}, {"introduced": "2.0.0"}, {"fixed": "2.1.0"}]);
    let rust = json!([{"introduced": "0.0.0-0"}, {"fixed": "1.2.0"}]);
    let last = json!([{"introduced": "1.0.0"}, {"last_affected": "1.5.0"}]);
    let single = json!([{"introduced": "1.0.0"}, {"last_affected": "1.0.0"}]);
    let limit = json!([{"introduced": "0"}, {"limit": "1.0.0"}]);
    let limits = json!([{"introduced": "0"}, {"limit": "1.0.0"}, {"limit": "*"}]);
    let gap = json!([{"introduced": "1.0.0"}, {"fixed": "1.2.0"}, {"introduced": "1.2.0"}, {"fixed": "1.3.0"}]);
    let pre = json!([{"introduced": "1.0.0"}, {"fixed": "2.0.0-rc.1"}]);
    let python = json!([{"introduced": "0"}, {"fixed": "2.0rc1"}]);
    let odd = json!([{"introduced": "0"}, {"fixed": "deadbeef"}]);
    for (ecosystem, events, version, expected) in [
        (CratesIo, &all, "0.0.0-alpha", Yes),
        (CratesIo, &all, "99.0.0", Yes),
        (CratesIo, &until, "1.1.9", Yes),
        (CratesIo, &until, "1.2.0-rc.1", Yes),
        (CratesIo, &until, "1.2.0", No),
        (CratesIo, &until, "1.2.0+build", No),
        (CratesIo, &backwards, "1.1.9", Yes),
        (CratesIo, &backwards, "1.2.0", No),
        (CratesIo, &rust, "0.0.1", Yes),
        (CratesIo, &rust, "1.2.1", No),
        (Npm, &two, "0.9.9", No),
        (Npm, &two, "1.0.0", Yes),
        (Npm, &two, "1.3.0", No),
        (Npm, &two, "2.0.5", Yes),
        (Npm, &two, "2.1.0", No),
        (Npm, &last, "1.5.0", Yes),
        (Npm, &last, "1.5.1", No),
        (Npm, &single, "1.0.0", Yes),
        (Npm, &single, "1.0.1", No),
        (Npm, &limit, "0.9.0", Yes),
        (Npm, &limit, "1.0.0", No),
        (Npm, &limits, "1.0.0", Yes),
        (Npm, &gap, "1.2.0", Yes),
        (Npm, &gap, "1.3.0", No),
        (Npm, &pre, "2.0.0-beta.9", Yes),
        (Npm, &pre, "2.0.0-rc.1", No),
        (PyPi, &python, "2.0b3", Yes),
        (PyPi, &python, "2.0rc1", No),
        (PyPi, &python, "1.9+local", Yes),
        (PyPi, &odd, "1.0", Unknown),
        (PyPi, &all, "not a version", Unknown),
    ] {
        let record = record(ecosystem, "ECOSYSTEM", events.clone(), json!([]));
        assert_eq!(record.affects(&package(ecosystem, version)), expected, "{events} {version}");
    }
}

#[test]
fn enumerated_versions_count_beside_ranges() {
    use Ecosystem::PyPi;
    let fixed = json!([{"introduced": "1.0"}, {"fixed": "1.1"}]);
    let both = record(PyPi, "ECOSYSTEM", fixed, json!(["0.5", "0.6.0"]));
    for (version, expected) in
        [("0.5", Affects::Yes), ("0.6", Affects::Yes), ("0.7", Affects::No), ("1.0", Affects::Yes)]
    {
        assert_eq!(both.affects(&package(PyPi, version)), expected, "{version}");
    }
    let commits = record(PyPi, "GIT", json!([{"introduced": "0"}]), json!(["0.5"]));
    assert_eq!(commits.affects(&package(PyPi, "0.5")), Affects::Yes);
    assert_eq!(commits.affects(&package(PyPi, "0.6")), Affects::No);
    let only_commits = record(PyPi, "GIT", json!([{"introduced": "0"}]), json!([]));
    assert_eq!(only_commits.affects(&package(PyPi, "0.6")), Affects::Unknown);
}

#[test]
fn other_packages_and_withdrawn_records_affect_nothing() {
    let mut record = record(Ecosystem::Npm, "SEMVER", json!([{"introduced": "0"}]), json!([]));
    let mut other = package(Ecosystem::Npm, "1.0.0");
    assert_eq!(record.affects(&other), Affects::Yes);
    other.name = "q".to_owned();
    assert_eq!(record.affects(&other), Affects::No);
    assert_eq!(record.affects(&package(Ecosystem::CratesIo, "1.0.0")), Affects::No);
    record.withdrawn = Some("2024-01-01T00:00:00Z".to_owned());
    assert_eq!(record.affects(&package(Ecosystem::Npm, "1.0.0")), Affects::No);
}

#[test]
fn the_fix_is_the_least_one_above_that_is_no_longer_affected() {
    let events = json!([
        {"introduced": "1.0.0"}, {"fixed": "1.2.0"}, {"introduced": "2.0.0"}, {"fixed": "2.1.0"},
    ]);
    let record = record(Ecosystem::Npm, "SEMVER", events, json!([]));
    let fix = |version| record.fixed_in(&package(Ecosystem::Npm, version));
    assert_eq!(fix("1.1.0").as_deref(), Some("1.2.0"));
    assert_eq!(fix("2.0.3").as_deref(), Some("2.1.0"));
    assert_eq!(fix("3.0.0"), None);
}

#[test]
fn severity_comes_from_the_vector_then_from_the_word_then_is_medium() {
    for (value, expected) in [
        (
            json!({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}),
            Severity::Critical,
        ),
        (
            json!({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:L/SC:N/SI:N/SA:N"}]}),
            Severity::Medium,
        ),
        (
            json!({"severity": [{"type": "Ubuntu", "score": "high"}], "database_specific": {"severity": "LOW"}}),
            Severity::Low,
        ),
        (json!({"database_specific": {"severity": "MODERATE"}}), Severity::Medium),
        (json!({"database_specific": {"severity": "HIGH"}}), Severity::High),
        (
            json!({"affected": [{"package": {"ecosystem": "npm", "name": "p"}, "database_specific": {"informational": "unmaintained"}}]}),
            Severity::Low,
        ),
        (json!({"severity": null, "aliases": null}), Severity::Medium),
    ] {
        let mut object = value.clone();
        object["id"] = json!("X-1");
        let record: Record = serde_json::from_value(object).expect("a record");
        assert_eq!(record.severity(&package(Ecosystem::Npm, "1.0.0")), expected, "{value}");
    }
}

#[test]
fn unknown_ecosystems_and_shapes_are_passed_over() {
    let record: Record = serde_json::from_value(json!({
        "schema_version": "9.9.9", "id": "X-1", "aliases": ["CVE-1", 7], "severity": ["odd"],
        "summary": "\n## A title\nmore",
        "affected": [
            {"package": {"ecosystem": "Nowhere:3", "name": "p"}, "ranges": [{"type": "STARDATE", "events": [{}]}]},
            7,
            {"package": {"ecosystem": "npm", "name": "p"}, "versions": ["1.0.0"]},
        ],
    }))
    .expect("a record");
    assert_eq!(record.affects(&package(Ecosystem::Npm, "1.0.0")), Affects::Yes);
    assert_eq!(record.ids().collect::<Vec<_>>(), ["X-1", "CVE-1"]);
    assert_eq!(record.title(), "A title");
}

proptest! {
    #[test]
    fn a_half_open_range_is_its_own_definition(
        introduced in 0u64..20, length in 1u64..20, version in 0u64..50
    ) {
        let fixed = introduced + length;
        let events = json!([{"introduced": format!("{introduced}.0.0")}, {"fixed": format!("{fixed}.0.0")}]);
        let record = record(Ecosystem::CratesIo, "SEMVER", events, json!([]));
        let affected = record.affects(&package(Ecosystem::CratesIo, &format!("{version}.0.0")));
        let expected = if (introduced..fixed).contains(&version) { Affects::Yes } else { Affects::No };
        prop_assert_eq!(affected, expected);
    }
}
