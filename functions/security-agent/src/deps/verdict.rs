//! From advisories to findings.

use std::collections::{BTreeMap, BTreeSet};

use pact_contract::{Finding, Severity, codes};

use super::{
    Answer, Package,
    osv::{Affects, Record},
};

/// Where a package is used.
#[derive(Clone)]
pub(crate) struct Use {
    pub(crate) path: String,
    pub(crate) line: Option<u32>,
    /// How it came in, in words that follow its name.
    pub(crate) way: String,
}

/// What an advisory says about a package, wherever it is used.
pub(crate) struct Verdict {
    /// One finding for each place.
    pub(crate) findings: Vec<Finding>,
    /// The package by name, with each id of the advisory: what makes it the same in two versions.
    pub(crate) keys: BTreeSet<(super::Ecosystem, String, String)>,
}

/// Verdicts on every affected package. Records that are about the same vulnerability (they name
/// each other, or share an alias) make one.
pub(crate) fn verdicts(
    answer: &Answer,
    uses: &BTreeMap<Package, Vec<Use>>,
    accepted: &BTreeMap<String, String>,
) -> Vec<Verdict> {
    let mut out = Vec::new();
    for (package, records) in &answer.records {
        let Some(places) = uses.get(package) else { continue };
        let affecting: Vec<(&Record, Affects)> = records
            .iter()
            .filter(|record| record.withdrawn.is_none())
            .map(|record| {
                let affects = if answer.compared { Affects::Yes } else { record.affects(package) };
                (record.as_ref(), affects)
            })
            .filter(|(_, affects)| *affects != Affects::No)
            .collect();
        for group in groups(&affecting) {
            let ids = group.iter().flat_map(|(record, _)| record.ids());
            out.push(Verdict {
                keys: ids
                    .map(|id| (package.ecosystem, package.name.clone(), id.to_owned()))
                    .collect(),
                findings: places
                    .iter()
                    .map(|place| {
                        finding(package, &place.way, &group, accepted).at(
                            &place.path,
                            place.line,
                            None,
                        )
                    })
                    .collect(),
            });
        }
    }
    out
}

type Group<'a> = Vec<(&'a Record, Affects)>;

/// Records that share an id, directly or through others.
fn groups<'a>(records: &[(&'a Record, Affects)]) -> Vec<Group<'a>> {
    let mut out: Vec<(BTreeSet<&str>, Group<'a>)> = Vec::new();
    for (record, affects) in records {
        let mut ids: BTreeSet<&str> = record.ids().collect();
        let mut group = vec![(*record, *affects)];
        // Every group that this record joins becomes one.
        let (joined, rest): (Vec<_>, Vec<_>) =
            out.into_iter().partition(|(known, _)| !known.is_disjoint(&ids));
        out = rest;
        for (known, members) in joined {
            ids.extend(known);
            group.extend(members);
        }
        out.push((ids, group));
    }
    out.into_iter().map(|(_, group)| group).collect()
}

fn finding(
    package: &Package,
    way: &str,
    group: &Group<'_>,
    accepted: &BTreeMap<String, String>,
) -> Finding {
    let mut ids: Vec<&str> = group.iter().flat_map(|(r, _)| r.ids()).collect();
    // The record's own ids before mere aliases.
    let own: BTreeSet<&str> = group.iter().map(|(r, _)| r.id.as_str()).collect();
    ids.sort_by_key(|id| (!own.contains(id), *id));
    ids.dedup();
    let (first, aliases) = ids.split_first().map_or(("?", &[][..]), |(f, rest)| (*f, rest));
    let also = match aliases {
        [] => String::new(),
        aliases => format!(" ({})", aliases.iter().take(8).copied().collect::<Vec<_>>().join(", ")),
    };
    let title =
        group.iter().map(|(r, _)| r.title()).find(|t| *t != "no summary").unwrap_or("no summary");
    let what = format!("{first}{also}: {}", short(title, 200));
    let at = format!("{} {}{way}", package.name, package.version);

    let reason = accepted.iter().find(|(id, _)| ids.iter().any(|i| i.eq_ignore_ascii_case(id)));
    if let Some((id, reason)) = reason {
        return Finding::new(
            codes::ACCEPTED_ADVISORY,
            Severity::Info,
            format!("{at}: {what}; accepted as {id}: {}", short(reason, 300)),
        )
        .evidence(package.purl());
    }
    if group.iter().all(|(_, affects)| *affects == Affects::Unknown) {
        return Finding::new(
            codes::ADVISORY_NOT_COMPARED,
            Severity::Medium,
            format!("{at} may be affected by {what}; its versions cannot be compared"),
        )
        .remedy(format!(
            "read {first}; when it does not apply, add it to security.accept with the reason"
        ))
        .evidence(package.purl());
    }
    let severity =
        group.iter().map(|(record, _)| record.severity(package)).max().unwrap_or(Severity::Medium);
    // Each record has to be satisfied; they seldom differ, and then the highest version counts.
    let fix = highest_fix(package, group);
    let remedy = match fix {
        Some(version) => format!("upgrade to {version}"),
        None => format!(
            "no fixed version is known: replace {}, or add {first} to security.accept with the reason why it does not apply",
            package.name
        ),
    };
    let (code, remedy) = if ids.iter().any(|id| id.starts_with("MAL-")) {
        let remedy = format!(
            "remove {}: it was published to do harm; treat every machine that installed it as taken over",
            package.name
        );
        (codes::MALICIOUS_DEPENDENCY, remedy)
    } else {
        (codes::VULNERABLE_DEPENDENCY, remedy)
    };
    Finding::new(code, severity, format!("{at} is affected by {what}"))
        .remedy(remedy)
        .evidence(package.purl())
}

fn highest_fix(package: &Package, group: &Group<'_>) -> Option<String> {
    use super::version::Version;
    let fixes = group.iter().filter_map(|(record, _)| record.fixed_in(package));
    fixes.reduce(|a, b| {
        let parse = |text: &str| Version::parse(package.ecosystem, text);
        let later = parse(&b)
            .zip(parse(&a))
            .and_then(|(b, a)| b.compare(&a))
            .is_some_and(std::cmp::Ordering::is_gt);
        if later { b } else { a }
    })
}

/// `text` on one line, cut after `limit` characters.
pub(crate) fn short(text: &str, limit: usize) -> String {
    let mut out: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit).collect();
    if text.chars().nth(limit).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::{super::Ecosystem, *};

    fn record(id: &str, aliases: &[&str], fixed: &str, vector: Option<&str>) -> Arc<Record> {
        let severity: Vec<_> =
            vector.iter().map(|v| json!({"type": "CVSS_V3", "score": v})).collect();
        let value = json!({
            "id": id, "aliases": aliases, "summary": "bad", "severity": severity,
            "affected": [{
                "package": {"ecosystem": "crates.io", "name": "p"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }],
        });
        Arc::new(serde_json::from_value(value).expect("a record"))
    }

    fn all(records: Vec<Arc<Record>>, accepted: &[(&str, &str)]) -> Vec<Finding> {
        let package =
            Package { ecosystem: Ecosystem::CratesIo, name: "p".into(), version: "1.0.0".into() };
        let answer =
            Answer { records: BTreeMap::from([(package.clone(), records)]), ..Answer::default() };
        let place = |path: &str| Use { path: path.to_owned(), line: Some(7), way: String::new() };
        let uses = BTreeMap::from([(package, vec![place("Cargo.lock"), place("x/Cargo.lock")])]);
        let accepted = accepted.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        verdicts(&answer, &uses, &accepted).into_iter().flat_map(|v| v.findings).collect()
    }

    const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

    #[test]
    fn one_vulnerability_is_one_finding_for_each_lock_file() {
        let found = all(
            vec![
                record("GHSA-1", &["CVE-1"], "1.2.0", None),
                record("RUSTSEC-1", &["CVE-1"], "1.3.0", Some(CRITICAL)),
                record("RUSTSEC-2", &[], "1.0.1", None),
                record("RUSTSEC-3", &[], "0.9.0", None),
            ],
            &[],
        );
        assert_eq!(found.len(), 4, "{found:#?}");
        assert_eq!(found[0].message, "p 1.0.0 is affected by GHSA-1 (RUSTSEC-1, CVE-1): bad");
        assert_eq!(found[0].severity, Severity::Critical);
        assert_eq!(found[0].remedy.as_deref(), Some("upgrade to 1.3.0"));
        assert_eq!(found[0].place().as_deref(), Some("Cargo.lock:7"));
        assert_eq!(found[1].place().as_deref(), Some("x/Cargo.lock:7"));
        assert_eq!(found[2].severity, Severity::Medium);
    }

    #[test]
    fn an_accepted_id_or_alias_leaves_an_info_with_the_reason() {
        let found = all(
            vec![record("GHSA-1", &["CVE-1"], "1.2.0", Some(CRITICAL))],
            &[("cve-1", "not reachable")],
        );
        assert!(
            found
                .iter()
                .all(|f| f.severity == Severity::Info && f.message.contains("not reachable"))
        );
    }

    #[test]
    fn groups_join_through_a_third_record() {
        let records = [
            record("A", &["X"], "2.0.0", None),
            record("B", &["Y"], "2.0.0", None),
            record("C", &["X", "Y"], "2.0.0", None),
        ];
        let refs: Vec<_> = records.iter().map(|r| (r.as_ref(), Affects::Yes)).collect();
        assert_eq!(groups(&refs).len(), 1);
    }
}
