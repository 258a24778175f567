//! When an environment takes no release: windows of the calendar, and what they come to.

use std::collections::BTreeSet;

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// Most windows of one environment.
pub const MAX_FREEZES: usize = 10;
/// Most times for which an environment is closed during one run: they travel with its plan.
const MAX_FROZEN: usize = 20;
/// How far a plan looks ahead, in days: further than a run can wait.
const HORIZON_DAYS: i64 = 21;
/// How far it is looked for the end of what is closed then, in days.
const FURTHEST_DAYS: i32 = 400;
/// Longest reason that is told, in characters.
const MAX_REASON: usize = 200;

/// The days of the week by the words for them.
pub const DAYS: &[(Weekday, &str)] = &[
    (Weekday::Monday, "mon"),
    (Weekday::Tuesday, "tue"),
    (Weekday::Wednesday, "wed"),
    (Weekday::Thursday, "thu"),
    (Weekday::Friday, "fri"),
    (Weekday::Saturday, "sat"),
    (Weekday::Sunday, "sun"),
];

/// A window that comes again. All that is said of it has to hold: a window of weekends at the turn of
/// the year is that of the weekends between those dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Freeze {
    /// Days of the week (`mon` to `sun`) on which it begins; none: every day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// When it begins on its days, as `18:00`; none: with the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ends; none: with the day. Where that is not after `from`, it is on the day after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whose clock: a name of the time zone database; none: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Dates on which it begins, as `2026-12-24` or `2026-12-20/2027-01-03`, both included; none:
    /// always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<String>,
    /// Why, for people.
    pub reason: String,
}

/// A time for which an environment takes no release, as the state machine compares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// When it begins: RFC 3339 in UTC with milliseconds, which sorts as text.
    pub from: String,
    /// When it has ended, in the same form.
    pub until: String,
    /// One sentence for people, without its end: until when, and why.
    pub why: String,
}

/// A key that cannot be, and why.
pub type Wrong = (String, String);

/// A window, read.
struct Window<'f> {
    days: Vec<Weekday>,
    from: Time,
    to: Option<Time>,
    zone: TimeZone,
    zone_name: &'f str,
    dates: Vec<(Date, Date)>,
    reason: &'f str,
}

/// A time in which one window or several are closed.
struct Closed<'f> {
    from: Timestamp,
    until: Timestamp,
    /// By whose clock people are told.
    zone: (&'f str, TimeZone),
    reasons: BTreeSet<&'f str>,
}

impl Freeze {
    /// What the form of a file cannot check: each key that cannot be, an entry of a list by its number as
    /// in `dates[1]`, and why.
    #[must_use]
    pub fn faults(&self) -> Vec<Wrong> {
        let zone = zone(self.zone.as_deref()).err();
        let times = [("from", &self.from), ("to", &self.to)];
        let times = times.into_iter().filter_map(|(key, text)| time(key, text.as_deref()).err());
        let days = self.days.iter().enumerate().filter_map(|(nth, word)| day(nth, word).err());
        let dates = self.dates.iter().enumerate().filter_map(|(nth, text)| range(nth, text).err());
        days.chain(times).chain(zone).chain(dates).collect()
    }

    fn window(&self) -> Result<Window<'_>, Wrong> {
        let (zone_name, zone) = zone(self.zone.as_deref())?;
        let days = self.days.iter().enumerate().map(|(nth, word)| day(nth, word));
        let dates = self.dates.iter().enumerate().map(|(nth, text)| range(nth, text));
        Ok(Window {
            days: days.collect::<Result<_, _>>()?,
            from: time("from", self.from.as_deref())?.unwrap_or_else(Time::midnight),
            to: time("to", self.to.as_deref())?,
            zone,
            zone_name,
            dates: dates.collect::<Result<_, _>>()?,
            reason: &self.reason,
        })
    }
}

fn day(nth: usize, word: &str) -> Result<Weekday, Wrong> {
    let found = DAYS.iter().find(|(_, name)| *name == word).map(|(day, _)| *day);
    found.ok_or_else(|| (format!("days[{nth}]"), format!("is the unknown day {word:?}")))
}

fn time(key: &str, text: Option<&str>) -> Result<Option<Time>, Wrong> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || format!("is {text:?}, not a time such as \"18:00\"");
    text.parse().map(Some).map_err(|_| (key.to_owned(), wrong()))
}

fn range(nth: usize, text: &str) -> Result<(Date, Date), Wrong> {
    let wrong = |why: String| (format!("dates[{nth}]"), why);
    let date = |text: &str| {
        let why = || format!("has {text:?}, not a day of the calendar");
        text.parse::<Date>().map_err(|_| wrong(why()))
    };
    let (first, last) = text.split_once('/').unwrap_or((text, text));
    let (first, last) = (date(first)?, date(last)?);
    if first > last {
        return Err(wrong(format!("is {text:?}, which ends before it begins")));
    }
    Ok((first, last))
}

/// A zone with its name; that of UTC without one.
fn zone(name: Option<&str>) -> Result<(&str, TimeZone), Wrong> {
    let name = name.unwrap_or("UTC");
    let wrong = || format!("is {name:?}, no time zone such as \"Europe/Berlin\"");
    let zone = TimeZone::get(name).map_err(|_| ("zone".to_owned(), wrong()))?;
    Ok((name, zone))
}

impl<'f> Window<'f> {
    /// Each time for which it is closed from the day before `now` on.
    fn closed(&self, now: Timestamp) -> Vec<Closed<'f>> {
        let mut all = Vec::new();
        let today = now.to_zoned(self.zone.clone()).date();
        for ahead in -1..FURTHEST_DAYS {
            let Ok(day) = today.checked_add(ahead.days()) else { break };
            let on_day = self.days.is_empty() || self.days.contains(&day.weekday());
            let in_dates = self.dates.is_empty()
                || self.dates.iter().any(|(first, last)| (*first..=*last).contains(&day));
            if !on_day || !in_dates {
                continue;
            }
            let until = match self.to {
                Some(to) if to > self.from => Ok(day.to_datetime(to)),
                to => day.tomorrow().map(|next| next.to_datetime(to.unwrap_or_default())),
            };
            let (Ok(until), from) = (until, day.to_datetime(self.from)) else { break };
            let at = |time: jiff::civil::DateTime| time.to_zoned(self.zone.clone());
            let (Ok(from), Ok(until)) = (at(from), at(until)) else { break };
            all.push(Closed {
                from: from.timestamp(),
                until: until.timestamp(),
                zone: (self.zone_name, self.zone.clone()),
                reasons: [self.reason].into(),
            });
        }
        all
    }
}

impl Closed<'_> {
    fn told(&self, environment: &str) -> Frozen {
        let reasons: Vec<&str> = self.reasons.iter().copied().collect();
        let reasons: String = reasons.join("; ").chars().take(MAX_REASON).collect();
        let (name, zone) = &self.zone;
        let until = self.until.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M");
        Frozen {
            from: sortable(self.from),
            until: sortable(self.until),
            why: format!("{environment} takes no release until {until} {name}: {reasons}"),
        }
    }
}

fn sortable(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// The times for which an environment takes no release, from now on and for as long as a run may take.
/// The same windows at the same time give the same.
///
/// # Errors
/// What is wrong with a window that did not come from a file.
pub fn frozen(
    environment: &str,
    windows: &[Freeze],
    now: Timestamp,
) -> Result<Vec<Frozen>, String> {
    let mut all = Vec::new();
    // Those that were agreed to, those of the commit before and its own.
    for window in windows.iter().take(3 * MAX_FREEZES) {
        let read = window.window().map_err(|(key, why)| format!("freeze.{key} {why}"))?;
        all.extend(read.closed(now));
    }
    all.sort_by_key(|closed| closed.from);
    let mut joined: Vec<Closed<'_>> = Vec::new();
    for closed in all {
        match joined.last_mut().filter(|last| closed.from <= last.until) {
            Some(last) => {
                if closed.until > last.until {
                    last.until = closed.until;
                    last.zone = closed.zone;
                }
                last.reasons.extend(closed.reasons);
            }
            None => joined.push(closed),
        }
    }
    let horizon = now.checked_add(SignedDuration::from_hours(24 * HORIZON_DAYS)).unwrap_or(now);
    joined.retain(|closed| closed.until > now && closed.from < horizon);
    // What there is no room for counts as closed.
    let too_many = joined.len() > MAX_FROZEN;
    joined.truncate(MAX_FROZEN);
    if let Some(last) = joined.last_mut().filter(|_| too_many) {
        last.until = last.until.max(horizon);
    }
    Ok(joined.iter().map(|closed| closed.told(environment)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn window(change: impl FnOnce(&mut Freeze)) -> Freeze {
        let mut freeze = Freeze { reason: "nobody is there".to_owned(), ..Freeze::default() };
        change(&mut freeze);
        freeze
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn nights_follow_the_clock_of_their_zone() {
        let nights = window(|w| {
            w.from = Some("18:00".to_owned());
            w.to = Some("08:00".to_owned());
            w.zone = Some("Europe/Berlin".to_owned());
        });
        // The clocks are set back in the second night.
        let frozen = frozen("production", &[nights], at("2026-10-24T12:00:00Z")).expect("is right");
        let first: Vec<_> =
            frozen.iter().take(2).map(|f| (f.from.as_str(), f.until.as_str())).collect();
        assert_eq!(
            first,
            [
                ("2026-10-24T16:00:00.000Z", "2026-10-25T07:00:00.000Z"),
                ("2026-10-25T17:00:00.000Z", "2026-10-26T07:00:00.000Z"),
            ]
        );
        assert_eq!(
            frozen[0].why,
            "production takes no release until 2026-10-25 08:00 Europe/Berlin: nobody is there"
        );
        // There is room for twenty nights, and the rest counts as closed.
        let last = frozen.last().expect("one");
        assert_eq!((frozen.len(), last.until.as_str()), (20, "2026-11-14T12:00:00.000Z"));
    }

    #[test]
    fn whole_days_are_one_time_and_dates_narrow_them() {
        let weekends = window(|w| w.days = texts(&["sat", "sun"]));
        let now = at("2026-12-18T09:00:00Z");
        let of = |windows: &[Freeze]| frozen("live", windows, now).expect("is right");
        let all = of(std::slice::from_ref(&weekends));
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].from, "2026-12-19T00:00:00.000Z");
        assert_eq!(all[0].until, "2026-12-21T00:00:00.000Z");
        // The whole time until it opens is told, however long it is.
        let holidays = window(|w| {
            w.dates = texts(&["2026-12-20/2027-02-03"]);
            w.reason = "holidays".to_owned();
        });
        let both = of(&[weekends.clone(), holidays]);
        assert_eq!(both.len(), 1, "{both:?}");
        assert_eq!(both[0].until, "2027-02-04T00:00:00.000Z");
        assert!(both[0].why.ends_with("00:00 UTC: holidays; nobody is there"), "{}", both[0].why);
        let narrow = window(|w| {
            w.days = weekends.days.clone();
            w.dates = texts(&["2026-12-20"]);
        });
        assert_eq!(of(&[narrow])[0].from, "2026-12-20T00:00:00.000Z");
        // One that began yesterday and goes on counts.
        let night = window(|w| {
            w.days = texts(&["thu"]);
            w.from = Some("22:00".to_owned());
            w.to = Some("10:00".to_owned());
        });
        assert_eq!(of(&[night])[0].from, "2026-12-17T22:00:00.000Z");
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn a_window_that_cannot_be_is_refused_by_its_key() {
        let keys = |change: fn(&mut Freeze)| -> Vec<String> {
            window(change).faults().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(|w| w.days = texts(&["mon", "caturday"])), ["days[1]"]);
        assert_eq!(keys(|w| w.zone = Some("Mars/Olympus".to_owned())), ["zone"]);
        let days =
            keys(|w| w.dates = texts(&["2026-02-28", "2026-02-30", "2027-01-03/2026-12-20"]));
        assert_eq!(days, ["dates[1]", "dates[2]"]);
        let times = keys(|w| (w.from, w.to) = (Some("25:00".to_owned()), Some("x".to_owned())));
        assert_eq!(times, ["from", "to"]);
        assert_eq!(keys(|_| ()), [""; 0]);
    }
}
