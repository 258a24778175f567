//! Incidents: something that serves is not well, from the moment that the watch first saw it until
//! all of it is well again.
//!
//! One cause is one incident, however many environments it shows itself in: the same release of a
//! repository, or the same reason why nobody knows. It is opened once, told to one channel more with
//! each of [`ESCALATION`] until somebody acknowledges it, and closed once, with its duration.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    ids::{EnvironmentKey, ReleaseId, RunId},
    run::Repository,
    schema::SchemaVersion,
    settings::NotifySettings,
};

/// What stands in the place of a repository where the pipeline's own alarms are what is not well.
pub const ALARMS: &str = "alarms";
/// After how many minutes without an answer another channel is told; the first is told at once.
pub const ESCALATION: [i64; 3] = [5, 15, 30];
/// Most environments of one incident: those beyond are in another of the same cause.
pub const MAX_AFFECTED: usize = 100;
/// Longest reason that is kept of an environment, in characters.
const MAX_REASON: usize = 300;

/// Name of an incident: what tells its cause from others, and which one of that cause it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId {
    cause: String,
    number: u32,
}

/// A text is the name of no incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of an incident has twelve hexadecimal digits, '-' and a number")]
pub struct NoIncident;

impl IncidentId {
    /// The `number`th incident of a cause, from 1.
    #[must_use]
    pub fn new(cause: &Cause, number: u32) -> Self {
        Self { cause: cause.key(), number }
    }

    /// What all incidents of the cause have in their names.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// Which one of its cause it is.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The one before it, of the same cause.
    #[must_use]
    pub fn previous(&self) -> Option<Self> {
        let number = self.number.checked_sub(1).filter(|number| *number > 0)?;
        Some(Self { cause: self.cause.clone(), number })
    }

    /// The one after it, of the same cause.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { cause: self.cause.clone(), number: self.number.saturating_add(1) }
    }
}

impl std::fmt::Display for IncidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.cause, self.number)
    }
}

impl std::str::FromStr for IncidentId {
    type Err = NoIncident;

    fn from_str(text: &str) -> Result<Self, NoIncident> {
        let (cause, number) = text.split_once('-').ok_or(NoIncident)?;
        let hex = cause.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let digits = number.len() <= 6 && number.bytes().all(|b| b.is_ascii_digit());
        match number.parse() {
            Ok(number) if cause.len() == 12 && hex && digits && number > 0 => {
                Ok(Self { cause: cause.to_owned(), number })
            }
            _ => Err(NoIncident),
        }
    }
}

impl TryFrom<String> for IncidentId {
    type Error = NoIncident;

    fn try_from(text: String) -> Result<Self, NoIncident> {
        text.parse()
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> Self {
        id.to_string()
    }
}

/// How the watch saw an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers, within its limits.
    Healthy,
    /// It does not.
    Unhealthy,
    /// Nobody knows.
    Unknown,
}

impl Health {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// What the watch saw, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The environment.
    pub environment: EnvironmentKey,
    /// What is in effect there, if that is known.
    pub release: Option<ReleaseId>,
    /// How it is.
    pub health: Health,
    /// Why, for people.
    pub reason: String,
}

impl Seen {
    /// What may be behind it: a release that is bad is bad everywhere, and what nobody knows for the
    /// same reason has one cause whatever it is about. Numbers in a reason are times and counts.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let repository = &self.environment.repository;
        Cause(match (self.health, &self.release) {
            (Health::Unknown, _) => {
                let words: String =
                    self.reason.chars().filter(|c| !c.is_ascii_digit()).take(MAX_REASON).collect();
                format!("unknown {}", words.replace(self.environment.environment.as_str(), ""))
            }
            (_, Some(release)) => format!("release {repository} {release}"),
            (_, None) => format!("environment {}", self.environment),
        })
    }
}

/// What is behind an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    fn key(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        hex::encode(digest.get(..6).unwrap_or_default())
    }
}

/// An environment of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The environment.
    pub environment: EnvironmentKey,
    /// What was in effect when it was seen first.
    pub release: Option<ReleaseId>,
    /// How it is, or was when it was seen last.
    pub health: Health,
    /// Why, for people: as it was seen last.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Since when it is well again; none: it is not.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The run by which the watch took the release back.
    #[serde(default)]
    pub taken_back_by: Option<RunId>,
}

impl Affected {
    /// The alarm of the pipeline itself that it is about, where it is about one.
    #[must_use]
    pub fn alarm(&self) -> Option<&str> {
        let of_alarms = self.environment.repository.as_str() == ALARMS;
        of_alarms.then_some(self.environment.environment.as_str())
    }
}

/// Somebody looks after it: nobody else is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// What they say.
    #[serde(default)]
    pub note: Option<String>,
}

/// Something is not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Its name.
    pub id: IncidentId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When all was well again, or somebody closed it; none: it is open.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// Who closed it, where a person did.
    #[serde(default)]
    pub closed_by: Option<String>,
    /// Whether its end was handed to those who tell people.
    #[serde(default)]
    pub end_told: bool,
    /// Who looks after it.
    #[serde(default)]
    pub acknowledged: Option<Acknowledgement>,
    /// Where it shows itself.
    pub affected: Vec<Affected>,
}

impl Incident {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// An incident that begins with this.
    #[must_use]
    pub fn begin(id: IncidentId, seen: &Seen, now: Timestamp) -> Self {
        let mut incident = Self {
            schema: Self::VERSION,
            id,
            opened_at: now,
            closed_at: None,
            closed_by: None,
            end_told: false,
            acknowledged: None,
            affected: Vec::new(),
        };
        incident.see(seen, now);
        incident
    }

    /// Whether it goes on.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Whether an environment that is not one of its own can be added.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.affected.len() < MAX_AFFECTED
    }

    /// What it knows of an environment.
    #[must_use]
    pub fn of(&self, environment: &EnvironmentKey) -> Option<&Affected> {
        self.affected.iter().find(|affected| affected.environment == *environment)
    }

    /// An environment is not well.
    pub fn see(&mut self, seen: &Seen, now: Timestamp) {
        let reason: String = seen.reason.chars().take(MAX_REASON).collect();
        let room = self.has_room();
        match self.affected.iter_mut().find(|a| a.environment == seen.environment) {
            Some(affected) => {
                (affected.health, affected.reason, affected.until) = (seen.health, reason, None);
            }
            None if room => self.affected.push(Affected {
                environment: seen.environment.clone(),
                release: seen.release.clone(),
                health: seen.health,
                reason,
                since: now,
                until: None,
                taken_back_by: None,
            }),
            None => {}
        }
    }

    /// The watch takes the release of an environment back.
    pub fn take_back(&mut self, environment: &EnvironmentKey, run: &RunId) {
        let known = self.affected.iter_mut().find(|a| a.environment == *environment);
        if let Some(affected) = known {
            affected.taken_back_by = Some(run.clone());
        }
    }

    /// An environment is well. With the last one the incident is over.
    pub fn recover(&mut self, environment: &EnvironmentKey, now: Timestamp) {
        let known = self.affected.iter_mut().find(|a| a.environment == *environment);
        if let Some(affected) = known {
            affected.until.get_or_insert(now);
        }
        if self.affected.iter().all(|affected| affected.until.is_some()) {
            self.closed_at.get_or_insert(now);
        }
    }

    /// Somebody looks after it. Whoever said so first counts.
    pub fn acknowledge(&mut self, by: &str, note: Option<String>, now: Timestamp) {
        self.acknowledged.get_or_insert(Acknowledgement { by: by.to_owned(), at: now, note });
    }

    /// Somebody says that it is over.
    pub fn close(&mut self, by: &str, now: Timestamp) {
        if self.is_open() {
            (self.closed_at, self.closed_by) = (Some(now), Some(by.to_owned()));
        }
    }

    /// How many channels are to know by now. Whoever acknowledged it, or its end, stopped the rest.
    #[must_use]
    pub fn level(&self, now: Timestamp) -> usize {
        let acknowledged = self.acknowledged.as_ref().map(|acknowledged| acknowledged.at);
        let until = [acknowledged, self.closed_at].into_iter().flatten().fold(now, Timestamp::min);
        let minutes = until.duration_since(self.opened_at).as_mins();
        1 + ESCALATION.iter().filter(|after| minutes >= **after).count()
    }

    /// How long it went on, or has.
    #[must_use]
    pub fn duration(&self, now: Timestamp) -> SignedDuration {
        self.closed_at.unwrap_or(now).duration_since(self.opened_at)
    }
}

/// An incident as it is told to people: `notify.tell_incident`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TellIncident {
    /// The incident as it stands.
    pub incident: Incident,
    /// How many of the channels are to know.
    pub level: usize,
    /// The repository of the first environment that was affected.
    pub repository: Repository,
    /// Page of the environments; empty where none is known.
    #[serde(default)]
    pub url: String,
    /// Whom to tell.
    #[serde(default)]
    pub settings: NotifySettings,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).expect("a time")
    }

    fn seen(environment: &str, health: Health, reason: &str) -> Seen {
        Seen {
            environment: format!("acme/web#{environment}").parse().expect("a key"),
            release: Some("r2".parse().expect("a release")),
            health,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn one_release_and_one_reason_not_to_know_are_one_cause() {
        let bad = |environment, reason| seen(environment, Health::Unhealthy, reason).cause();
        assert_eq!(bad("staging", "answers 500"), bad("production", "does not answer"));
        let other = Seen { release: None, ..seen("production", Health::Unhealthy, "x") };
        assert_ne!(other.cause(), bad("production", "x"));
        let unknown = |environment: &str, reason: &str| {
            Seen { release: None, ..seen(environment, Health::Unknown, reason) }.cause()
        };
        let silent = unknown("staging", "ERR_METRICS_UNAVAILABLE: no answer in 10003 ms");
        assert_eq!(silent, unknown("production", "ERR_METRICS_UNAVAILABLE: no answer in 9 ms"));
        assert_ne!(silent, unknown("production", "ERR_TIMEOUT: no answer in 9 ms"));
    }

    #[test]
    fn it_is_told_further_until_somebody_answers() {
        let first = seen("production", Health::Unhealthy, "answers 500");
        let mut incident = Incident::begin(IncidentId::new(&first.cause(), 1), &first, at(0));
        let levels =
            |incident: &Incident| [0, 4, 5, 14, 15, 30, 500].map(|m| incident.level(at(m)));
        assert_eq!(levels(&incident), [1, 1, 2, 2, 3, 4, 4]);
        incident.acknowledge("Ada", None, at(6));
        incident.acknowledge("Bob", None, at(7));
        assert_eq!(incident.acknowledged.as_ref().map(|a| a.by.as_str()), Some("Ada"));
        assert_eq!(levels(&incident), [1, 1, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn it_is_over_when_the_last_environment_is_well_and_only_once() {
        let (first, second) = (
            seen("staging", Health::Unhealthy, "answers 500"),
            seen("production", Health::Unhealthy, "answers 500"),
        );
        let mut incident = Incident::begin(IncidentId::new(&first.cause(), 1), &first, at(0));
        incident.see(&second, at(1));
        incident.see(&Seen { reason: "is slow".to_owned(), ..second.clone() }, at(2));
        assert_eq!(incident.of(&second.environment).map(|a| &*a.reason), Some("is slow"));
        incident.recover(&first.environment, at(3));
        assert!(incident.is_open());
        incident.see(&first, at(4));
        incident.recover(&second.environment, at(5));
        assert!(incident.is_open(), "the first is ill again");
        incident.recover(&first.environment, at(6));
        incident.recover(&first.environment, at(9));
        assert_eq!((incident.closed_at, incident.duration(at(99)).as_mins()), (Some(at(6)), 6));
        assert_eq!(incident.level(at(99)), 2, "its end stops the telling");
    }

    #[test]
    fn it_is_bounded() {
        let first = seen("e0", Health::Unhealthy, &"x".repeat(9_000));
        let mut incident = Incident::begin(IncidentId::new(&first.cause(), 1), &first, at(0));
        for number in 1..300 {
            incident.see(&seen(&format!("e{number}"), Health::Unhealthy, "y"), at(1));
        }
        assert_eq!((incident.affected.len(), incident.has_room()), (MAX_AFFECTED, false));
        assert!(serde_json::to_vec(&incident).expect("json").len() < 100_000);
    }

    #[test]
    fn its_name_is_read_as_it_is_written() {
        let id = IncidentId::new(&seen("a", Health::Unhealthy, "").cause(), 7);
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_eq!((id.number(), id.next().number()), (7, 8));
        for bad in
            ["", "-", "3f9a2c81d0e4", "3f9a2c81d0e4-0", "3f9a2c81d0e4-+1", "3F9A2C81D0E4-1", "3f-1"]
        {
            assert_eq!(bad.parse::<IncidentId>(), Err(NoIncident), "{bad}");
        }
    }
}
