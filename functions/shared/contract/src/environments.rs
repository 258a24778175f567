//! The environments of a repository, a list in the order of promotion, and how each is set up.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::{
    freeze::{Freeze, Frozen},
    ids::EnvironmentName,
    instance::Instance,
    objectives::Objectives,
    shift::Shift,
};

/// Most environments of one repository: what a run does in all of them fits into the history of one
/// execution, which has at most 25,000 events.
pub const MAX_ENVIRONMENTS: usize = 16;

/// What an environment is for: it decides which releases come there, and what is proved there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A release is tried: those of every branch come here, and the end-to-end tests run here.
    Staging,
    /// Users are here: only releases of the default branch come here.
    Production,
}

impl Tier {
    /// Every tier, in the order of promotion.
    pub const ALL: &'static [Self] = &[Self::Staging, Self::Production];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The tier with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tier| tier.as_str() == text)
    }

    /// The tier that an environment of this name has, whatever is said of it: two names are their
    /// own tier. None where it has to be said.
    #[must_use]
    pub fn of(name: &EnvironmentName) -> Option<Self> {
        Self::parse(name.as_str())
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One environment with its place among the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// What it is for.
    pub tier: Tier,
    /// How it is set up.
    pub settings: Environment,
    /// When it takes no release during the run: worked out by the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Frozen>,
    /// Why there is no way back from the release, for people; empty: there is one. Worked out by the
    /// plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_way: Vec<String>,
}

/// Environments in the order of promotion, each name once: those of the tier `staging` come first.
/// On the wire a list; the object of environments by name, which it was before there were tiers, is
/// read too.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EnvironmentList(Vec<NamedEnvironment>);

impl EnvironmentList {
    /// The environment of this name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<str>) -> Option<&NamedEnvironment> {
        self.0.iter().find(|environment| environment.name.as_str() == name.as_ref())
    }

    /// The environment of this name, to be changed.
    pub fn get_mut(&mut self, name: impl AsRef<str>) -> Option<&mut NamedEnvironment> {
        self.0.iter_mut().find(|environment| environment.name.as_str() == name.as_ref())
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<str>) -> bool {
        self.get(name).is_some()
    }

    /// In the order of promotion.
    pub fn iter(&self) -> std::slice::Iter<'_, NamedEnvironment> {
        self.0.iter()
    }

    /// In the order of promotion, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, NamedEnvironment> {
        self.0.iter_mut()
    }

    /// Their names in the order of promotion.
    pub fn names(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.0.iter().map(|environment| &environment.name)
    }

    /// The last one of a tier.
    #[must_use]
    pub fn last_of(&self, tier: Tier) -> Option<&NamedEnvironment> {
        self.0.iter().rfind(|environment| environment.tier == tier)
    }

    /// The waves of `name`, one after another; none where it has none.
    pub fn waves_of(&self, name: &EnvironmentName) -> impl Iterator<Item = &NamedEnvironment> {
        self.0.iter().filter(move |environment| environment.settings.wave_of.as_ref() == Some(name))
    }

    /// Whether there are none: nothing is deployed then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Vec<NamedEnvironment>> for EnvironmentList {
    /// Puts them into the order of promotion: the given one, and those that are tried first, first.
    fn from(mut all: Vec<NamedEnvironment>) -> Self {
        all.sort_by_key(|environment| environment.tier);
        Self(all)
    }
}

impl FromIterator<NamedEnvironment> for EnvironmentList {
    fn from_iter<T: IntoIterator<Item = NamedEnvironment>>(all: T) -> Self {
        all.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a EnvironmentList {
    type Item = &'a NamedEnvironment;
    type IntoIter = std::slice::Iter<'a, NamedEnvironment>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de> Deserialize<'de> for EnvironmentList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Stored)
    }
}

/// A list of environments as it may be stored.
struct Stored;

impl<'de> Visitor<'de> for Stored {
    type Value = EnvironmentList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of environments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all: Vec<NamedEnvironment> = Vec::new();
        while let Some(one) = list.next_element::<NamedEnvironment>()? {
            if all.iter().any(|other| other.name == one.name) {
                let name = &one.name;
                return Err(serde::de::Error::custom(format!("two environments are {name}")));
            }
            all.push(one);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((name, mut settings)) = map.next_entry::<EnvironmentName, Environment>()? {
            let tier = Tier::of(&name).unwrap_or(Tier::Production);
            // Only production was watched then, whatever was written.
            settings.watch = settings.watch.filter(|_| tier == Tier::Production);
            all.push(NamedEnvironment {
                name,
                tier,
                settings,
                frozen: Vec::new(),
                one_way: Vec::new(),
            });
        }
        Ok(all.into())
    }
}

/// Where releases go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// What is deployed to.
    pub target: Instance,
    /// What must answer after a deployment.
    #[serde(default)]
    pub health: Vec<Probe>,
    /// Set when a person has to agree first.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// How long a new release is watched; none: it is not, and stands on its health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// How a new release comes to its requests.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shift: Shift,
    /// When it takes no release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<Freeze>,
    /// Why nothing takes a release back from the target, for people; none: something does. No file says
    /// so: it follows from the target's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_return: Option<String>,
    /// The name in the file of which this is one region or account of several; none: it is the whole. What
    /// holds for that name, holds here, and only the first of its waves asks for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave_of: Option<EnvironmentName>,
}

impl Environment {
    /// What it belongs to, for people; empty where it is the whole.
    #[must_use]
    pub fn wave(&self) -> String {
        self.wave_of.as_ref().map_or_else(String::new, |name| format!("wave of {name}"))
    }
}

/// One HTTP health probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// Path below the environment's address, or a whole `http://` or `https://` address.
    pub path: String,
    /// Status that counts as healthy.
    pub status: u16,
    /// Text that the body must contain.
    pub contains: Option<String>,
    /// Longest answer in milliseconds that counts as healthy.
    pub max_latency_ms: u64,
    /// Successes in a row that are needed.
    pub successes: u32,
    /// Time between two requests in milliseconds.
    pub interval_ms: u64,
    /// How long to wait for the successes in seconds.
    pub deadline_seconds: u64,
    /// After how many wrong answers in a row the service is taken for broken, before the deadline;
    /// 0: never. A service that starts says so by 503, or by refusing connections: these, and what
    /// is only slow, are waited for.
    #[serde(skip_serializing_if = "Probe::gives_up_as_usual")]
    pub give_up_after: u32,
}

impl Probe {
    /// Wrong answers in a row that are usually enough.
    const GIVE_UP_AFTER: u32 = 5;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
    fn gives_up_as_usual(times: &u32) -> bool {
        *times == Self::GIVE_UP_AFTER
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            status: 200,
            contains: None,
            max_latency_ms: 2_000,
            successes: 3,
            interval_ms: 200,
            deadline_seconds: 30,
            give_up_after: Self::GIVE_UP_AFTER,
        }
    }
}

/// People have to agree before the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// How long to wait for an answer; none in time counts as no.
    pub timeout_minutes: u32,
    /// How many have to say yes, each by a sign-in or token of their own. One no is enough.
    #[serde(default = "Approval::one")]
    pub people: u32,
}

impl Approval {
    const fn one() -> u32 {
        1
    }

    /// One person, within so many minutes.
    #[must_use]
    pub const fn within(timeout_minutes: u32) -> Self {
        Self { timeout_minutes, people: Self::one() }
    }

    /// As many people as the one or the other asks for, within the time of this one.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self { people: self.people.max(other.people), ..self }
    }
}

/// How long a new release is watched, and what it must keep to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredWatch")]
pub struct Watch {
    /// Length of the watch in seconds.
    pub seconds: u64,
    /// Highest share of failed requests, in percent.
    pub max_error_rate: f64,
    /// Highest 95th percentile of the latency in milliseconds.
    pub max_p95_ms: u64,
    /// What the release is measured by; none: what the monitor agent measures by itself.
    pub source: Option<Instance>,
    /// What follows when the watch does not tell whether the release is well.
    #[serde(skip_serializing_if = "is_default")]
    pub inconclusive: Inconclusive,
    /// For how many hours after it came a release that turns bad is taken back by the scheduled
    /// watch, where there is a good one to return to; 0: never.
    #[serde(skip_serializing_if = "is_a_day")]
    pub take_back_hours: u32,
    /// What is promised to those who use it; none: nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,
}

/// Time in milliseconds between two requests of the monitor agent's own, at the beginning of a watch …
pub const QUICK_MS: u64 = 20;
/// … for so many seconds …
pub const QUICK_SECONDS: u64 = 5;
/// … and from then on, where the settings do not say another.
pub const USUAL_MS: u64 = 100;

/// How many requests of the monitor agent's own a watch of so many seconds has, at the interval of its
/// settings, in milliseconds.
#[must_use]
pub fn probed(seconds: u64, interval_ms: Option<u64>) -> u64 {
    let during = |seconds: u64, interval: u64| seconds.saturating_mul(1_000) / interval.max(1);
    match interval_ms {
        Some(interval) => during(seconds, interval),
        None => {
            let quick = seconds.min(QUICK_SECONDS);
            during(quick, QUICK_MS) + during(seconds - quick, USUAL_MS)
        }
    }
}

/// For how long a release counts as young unless something else is said, in hours.
const A_DAY: u32 = 24;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_a_day(hours: &u32) -> bool {
    *hours == A_DAY
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            seconds: 5,
            max_error_rate: 5.0,
            max_p95_ms: 500,
            source: None,
            inconclusive: Inconclusive::default(),
            take_back_hours: A_DAY,
            objectives: None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What follows when a watch does not tell whether a release is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inconclusive {
    /// It is watched for longer. Where that does not tell either, it stays if nothing looks worse,
    /// and is held for a person if something does.
    #[default]
    Extend,
    /// It stays, and a person is asked.
    Hold,
    /// It stays.
    Keep,
    /// It is taken back.
    TakeBack,
}

impl Inconclusive {
    /// Every policy by the word for it.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Extend, "extend"),
        (Self::Hold, "hold"),
        (Self::Keep, "keep"),
        (Self::TakeBack, "take_back"),
    ];
}

/// A watch as it may be stored.
#[derive(Deserialize)]
#[serde(default)]
struct StoredWatch {
    seconds: u64,
    max_error_rate: f64,
    max_p95_ms: u64,
    source: Option<Instance>,
    inconclusive: Inconclusive,
    take_back_hours: u32,
    objectives: Option<Objectives>,
    /// Before there were sources every release was probed, at this interval.
    interval_ms: Option<u64>,
}

impl Default for StoredWatch {
    fn default() -> Self {
        let usual = Watch::default();
        Self {
            seconds: usual.seconds,
            max_error_rate: usual.max_error_rate,
            max_p95_ms: usual.max_p95_ms,
            source: usual.source,
            inconclusive: usual.inconclusive,
            take_back_hours: usual.take_back_hours,
            objectives: usual.objectives,
            interval_ms: None,
        }
    }
}

impl From<StoredWatch> for Watch {
    fn from(stored: StoredWatch) -> Self {
        let probed = |interval: u64| {
            let mut source = Instance::new("probe");
            source.settings.insert("interval_ms".to_owned(), interval.into());
            source
        };
        Self {
            seconds: stored.seconds,
            max_error_rate: stored.max_error_rate,
            max_p95_ms: stored.max_p95_ms,
            source: stored.source.or_else(|| stored.interval_ms.map(probed)),
            inconclusive: stored.inconclusive,
            take_back_hours: stored.take_back_hours,
            objectives: stored.objectives,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_tried_first_comes_first_and_the_rest_stays_in_its_order() {
        let one = |name: &str, tier: &str| json!({ "name": name, "tier": tier, "settings": { "target": { "kind": "x" } } });
        let list = json!([one("live", "production"), one("b", "staging"), one("a", "staging")]);
        let list: EnvironmentList = serde_json::from_value(list).expect("a list");
        let names: Vec<_> = list.names().map(EnvironmentName::as_str).collect();
        assert_eq!(names, ["b", "a", "live"]);
        assert_eq!(list.last_of(Tier::Staging).map(|e| e.name.as_str()), Some("a"));
        let again = serde_json::to_value(&list).expect("json");
        assert_eq!(serde_json::from_value::<EnvironmentList>(again).expect("a list"), list);
        let twice = json!([one("a", "staging"), one("a", "production")]);
        assert!(serde_json::from_value::<EnvironmentList>(twice).is_err());
    }

    #[test]
    fn environments_by_name_from_before_there_were_tiers_are_read() {
        let target = json!({ "kind": "x" });
        let both = json!({
            "production": { "target": target, "watch": { "seconds": 9 } },
            "staging": { "target": target, "watch": { "seconds": 5 } },
        });
        let list: EnvironmentList = serde_json::from_value(both).expect("a list");
        let all: Vec<_> = list
            .iter()
            .map(|e| (e.name.as_str(), e.tier, e.settings.watch.as_ref().map(|w| w.seconds)))
            .collect();
        assert_eq!(
            all,
            [("staging", Tier::Staging, None), ("production", Tier::Production, Some(9))]
        );
    }

    #[test]
    fn a_watch_from_before_there_were_sources_keeps_its_interval() {
        let stored = json!({ "seconds": 9, "interval_ms": 50 });
        let watch: Watch = serde_json::from_value(stored).expect("a watch");
        let source = watch.source.clone().expect("a source");
        assert_eq!((watch.seconds, source.settings.get("interval_ms")), (9, Some(&json!(50))));
        let again = serde_json::to_value(&watch).expect("json");
        assert_eq!(serde_json::from_value::<Watch>(again).expect("a watch"), watch);
        assert_eq!(serde_json::from_value::<Watch>(json!({})).expect("a watch"), Watch::default());
    }
}
