//! OSV records, as far as they are needed, and whether a version is affected.
//!
//! The types are lenient: a record may name ecosystems, range types and severities that nobody
//! here knows; they are passed over.

use std::cmp::Ordering;

use pact_contract::Severity;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::Value;

use super::{Ecosystem, Package, version::Version};

/// One advisory.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) summary: Option<String>,
    #[serde(default)]
    pub(crate) details: Option<String>,
    #[serde(default)]
    pub(crate) withdrawn: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) severity: Vec<Score>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) affected: Vec<Affected>,
    #[serde(default)]
    pub(crate) database_specific: Value,
}

/// A severity of some kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Score {
    #[serde(default)]
    pub(crate) score: String,
}

/// What a record says about one package.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Affected {
    #[serde(default)]
    pub(crate) package: Option<PackageName>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) ranges: Vec<Range>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) versions: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) severity: Vec<Score>,
    #[serde(default)]
    pub(crate) database_specific: Value,
}

/// A package of an ecosystem, both as text.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct PackageName {
    #[serde(default)]
    pub(crate) ecosystem: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// A list of events on the line of versions.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Range {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) events: Vec<Event>,
}

/// One event; exactly one field is set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Event {
    #[serde(default)]
    pub(crate) introduced: Option<String>,
    #[serde(default)]
    pub(crate) fixed: Option<String>,
    #[serde(default)]
    pub(crate) last_affected: Option<String>,
    #[serde(default)]
    pub(crate) limit: Option<String>,
}

/// An element of a list that may be of another shape.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element<T> {
    Known(T),
    Other(IgnoredAny),
}

/// A list whose elements may be absent, null or of another shape.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    d: D,
) -> Result<Vec<T>, D::Error> {
    let elements = Option::<Vec<Element<T>>>::deserialize(d)?.unwrap_or_default();
    let known = elements.into_iter().filter_map(|element| match element {
        Element::Known(known) => Some(known),
        Element::Other(_) => None,
    });
    Ok(known.collect())
}

/// Whether a version is affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Affects {
    No,
    /// The versions of the record, or the version itself, cannot be compared.
    Unknown,
    Yes,
}

impl Record {
    /// What the record says about `package` by name.
    fn about<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a Affected> {
        self.affected.iter().filter(|a| {
            a.package.as_ref().is_some_and(|p| {
                Ecosystem::parse(&p.ecosystem) == Some(package.ecosystem)
                    && package.ecosystem.normal_name(&p.name) == package.name
            })
        })
    }

    /// Whether `package` is affected. A withdrawn record affects nothing.
    pub(crate) fn affects(&self, package: &Package) -> Affects {
        if self.withdrawn.is_some() {
            return Affects::No;
        }
        let version = Version::parse(package.ecosystem, &package.version);
        self.about(package)
            .map(|affected| affected.affects(package, version.as_ref()))
            .max()
            .unwrap_or(Affects::No)
    }

    /// The least fixed version above that of `package` which is not affected itself.
    pub(crate) fn fixed_in(&self, package: &Package) -> Option<String> {
        let current = Version::parse(package.ecosystem, &package.version)?;
        let mut best: Option<(Version, &str)> = None;
        for text in self
            .about(package)
            .flat_map(|a| &a.ranges)
            .filter(|r| r.is_comparable())
            .flat_map(|r| &r.events)
            .filter_map(|e| e.fixed.as_deref())
        {
            let Some(version) = Version::parse(package.ecosystem, text) else { continue };
            if version.compare(&current) != Some(Ordering::Greater)
                || best.as_ref().is_some_and(|(b, _)| version.compare(b) != Some(Ordering::Less))
            {
                continue;
            }
            let fixed = Package { version: text.to_owned(), ..package.clone() };
            if self.affects(&fixed) == Affects::No {
                best = Some((version, text));
            }
        }
        best.map(|(_, text)| text.to_owned())
    }

    /// How grave the advisory is for `package`: by its CVSS vectors, else by the word of its
    /// database, else medium.
    pub(crate) fn severity(&self, package: &Package) -> Severity {
        let affected: Vec<&Affected> = self.about(package).collect();
        let scores = self.severity.iter().chain(affected.iter().flat_map(|a| &a.severity));
        // What was published to do harm is as grave as can be.
        if self.ids().any(|id| id.starts_with("MAL-")) {
            return Severity::Critical;
        }
        let by_vector = scores.filter_map(|s| of_vector(&s.score));
        if let Some(severity) = by_vector.max() {
            return severity;
        }
        let mut specific =
            affected.iter().map(|a| &a.database_specific).chain([&self.database_specific]);
        let word =
            |value: &Value| match value.get("severity")?.as_str()?.to_ascii_lowercase().as_str() {
                "critical" => Some(Severity::Critical),
                "high" | "important" => Some(Severity::High),
                "medium" | "moderate" => Some(Severity::Medium),
                "low" => Some(Severity::Low),
                _ => None,
            };
        if let Some(severity) = specific.clone().filter_map(word).max() {
            return severity;
        }
        // The Rust database marks what is no vulnerability: unmaintained packages and notices.
        let informational = specific.find_map(|v| v.get("informational")?.as_str());
        match informational {
            Some("unmaintained" | "notice") => Severity::Low,
            _ => Severity::Medium,
        }
    }

    /// One line for people.
    pub(crate) fn title(&self) -> &str {
        let text = self.summary.as_deref().or(self.details.as_deref()).unwrap_or_default();
        text.lines()
            .map(|l| l.trim_start_matches('#').trim())
            .find(|l| !l.is_empty())
            .unwrap_or("no summary")
    }

    /// The id and all aliases.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

/// The severity of a CVSS vector of version 2, 3 or 4.
fn of_vector(vector: &str) -> Option<Severity> {
    if let Ok(vector) = vector.parse::<cvss::Cvss>() {
        return Some(match vector.severity() {
            cvss::Severity::None => Severity::Info,
            cvss::Severity::Low => Severity::Low,
            cvss::Severity::Medium => Severity::Medium,
            cvss::Severity::High => Severity::High,
            cvss::Severity::Critical => Severity::Critical,
        });
    }
    super::cvss2::severity(vector)
}

impl Affected {
    fn affects(&self, package: &Package, version: Option<&Version>) -> Affects {
        let listed = self.versions.iter().any(|text| {
            *text == package.version
                || version.is_some_and(|v| {
                    Version::parse(package.ecosystem, text)
                        .is_some_and(|t| t.compare(v) == Some(Ordering::Equal))
                })
        });
        if listed {
            return Affects::Yes;
        }
        let ranges = self.ranges.iter().filter(|r| r.is_comparable());
        let by_range = ranges
            .map(|range| version.map_or(Affects::Unknown, |v| range.affects(package.ecosystem, v)))
            .max();
        match by_range {
            Some(affects) => affects,
            // Commits only: nothing that a version could be compared with.
            None if self.versions.is_empty() && !self.ranges.is_empty() => Affects::Unknown,
            // Neither ranges nor versions: the package as a whole.
            None if self.versions.is_empty() => Affects::Yes,
            None => Affects::No,
        }
    }
}

/// Kinds of events in the order in which they count at the same version: what is fixed and
/// introduced at once is affected, and the last affected version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Fixed,
    Introduced,
    LastAffected,
}

impl Range {
    fn is_comparable(&self) -> bool {
        matches!(self.kind.as_str(), "SEMVER" | "ECOSYSTEM")
    }

    /// Walks the events up to `version`.
    fn affects(&self, ecosystem: Ecosystem, version: &Version) -> Affects {
        // None stands for "0", which is before every version.
        let mut events: Vec<(Option<Version>, Kind)> = Vec::with_capacity(self.events.len());
        let mut limits = Vec::new();
        for event in &self.events {
            let fields = [
                (&event.introduced, Kind::Introduced),
                (&event.fixed, Kind::Fixed),
                (&event.last_affected, Kind::LastAffected),
            ];
            for (text, kind) in fields {
                let Some(text) = text else { continue };
                if text == "0" && kind == Kind::Introduced {
                    events.push((None, kind));
                    continue;
                }
                let Some(parsed) = Version::parse(ecosystem, text) else { return Affects::Unknown };
                events.push((Some(parsed), kind));
            }
            match event.limit.as_deref() {
                None => {}
                Some("*") => limits.push(None),
                Some(text) => match Version::parse(ecosystem, text) {
                    Some(limit) => limits.push(Some(limit)),
                    None => return Affects::Unknown,
                },
            }
        }
        events.sort_by(|(a, a_kind), (b, b_kind)| {
            let order = match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
            };
            order.then(a_kind.cmp(b_kind))
        });
        let mut affected = false;
        for (at, kind) in &events {
            // Where `version` lies relative to the event.
            let order = at.as_ref().map_or(Some(Ordering::Greater), |at| version.compare(at));
            let Some(order) = order else { return Affects::Unknown };
            match kind {
                Kind::Introduced if order != Ordering::Less => affected = true,
                Kind::Fixed if order != Ordering::Less => affected = false,
                Kind::LastAffected if order == Ordering::Greater => affected = false,
                _ => {}
            }
        }
        let before_limit = limits.is_empty()
            || limits.iter().any(|limit| {
                limit.as_ref().is_none_or(|l| version.compare(l) == Some(Ordering::Less))
            });
        if affected && before_limit { Affects::Yes } else { Affects::No }
    }
}

#[cfg(test)]
mod tests;
