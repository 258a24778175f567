//! Schedule expressions of EventBridge: `rate(…)`, `cron(…)` and `at(…)`, all in UTC.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The last year that a cron expression can name.
const LAST_YEAR: i16 = 2199;

/// When something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Every so often, counted from when the schedule was made.
    Rate(SignedDuration),
    /// At the minutes a cron expression names.
    Cron(Box<Cron>),
    /// Once.
    At(Timestamp),
}

/// The six fields of `cron(minutes hours day-of-month month day-of-week year)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    days: Days,
    months: BTreeSet<i16>,
    years: BTreeSet<i16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(BTreeSet<i16>),
    Last,
    LastWeekday,
    NearestWeekday(i8),
    /// Sunday is 1, as AWS counts.
    OfWeek(BTreeSet<i16>),
    LastOfWeek(Weekday),
    NthOfWeek(i8, Weekday),
}

/// Why a schedule expression is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError(String);

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ExpressionError {}

fn wrong<T>(message: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError(message.into()))
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let inner = |name: &str| {
            text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(str::trim)
        };
        if let Some(rate) = inner("rate") {
            return parse_rate(rate).map(Expression::Rate);
        }
        if let Some(cron) = inner("cron") {
            return parse_cron(cron).map(|cron| Expression::Cron(Box::new(cron)));
        }
        if let Some(at) = inner("at") {
            let instant = at
                .parse::<DateTime>()
                .ok()
                .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
                .map(|zoned| Expression::At(zoned.timestamp()));
            return instant
                .map_or_else(|| wrong(format!("at({at}) is not yyyy-mm-ddThh:mm:ss")), Ok);
        }
        wrong(format!("{text:?} is none of rate(…), cron(…) and at(…)"))
    }
}

impl Expression {
    /// The first instant after `now` at which the schedule is due, for a schedule made at `start`;
    /// none when it will never be due again.
    pub fn next_after(&self, start: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Expression::At(instant) => (*instant > now).then_some(*instant),
            Expression::Rate(period) => {
                if now < start {
                    return start.checked_add(*period).ok();
                }
                let period_seconds = period.as_secs().max(1);
                let passed = now.as_second().saturating_sub(start.as_second()) / period_seconds;
                // One period back, for the fractions of a second that were cut off.
                let mut due = start
                    .checked_add(SignedDuration::from_secs(passed.checked_mul(period_seconds)?))
                    .ok()?;
                while due <= now {
                    due = due.checked_add(*period).ok()?;
                }
                Some(due)
            }
            Expression::Cron(cron) => cron.next_after(now),
        }
    }
}

impl Cron {
    fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(TimeZone::UTC).datetime();
        let mut date = now.date();
        while date.year() <= LAST_YEAR {
            if !self.years.contains(&date.year()) {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
                continue;
            }
            if !self.months.contains(&i16::from(date.month())) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.days.on(date) {
                for hour in &self.hours {
                    for minute in &self.minutes {
                        let time =
                            date.at(i8::try_from(*hour).ok()?, i8::try_from(*minute).ok()?, 0, 0);
                        if time > now {
                            return Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp());
                        }
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

impl Days {
    fn on(&self, date: Date) -> bool {
        let weekday = i16::from(date.weekday().to_sunday_one_offset());
        match self {
            Days::OfMonth(days) => days.contains(&i16::from(date.day())),
            Days::Last => date == date.last_of_month(),
            Days::LastWeekday => nearest_weekday(date.last_of_month()) == Some(date),
            Days::NearestWeekday(day) => Date::new(date.year(), date.month(), *day)
                .is_ok_and(|wanted| nearest_weekday(wanted) == Some(date)),
            Days::OfWeek(days) => days.contains(&weekday),
            Days::LastOfWeek(day) => date.nth_weekday_of_month(-1, *day).is_ok_and(|d| d == date),
            Days::NthOfWeek(nth, day) => {
                date.nth_weekday_of_month(*nth, *day).is_ok_and(|d| d == date)
            }
        }
    }
}

/// Monday to Friday nearest to a day, without leaving its month.
fn nearest_weekday(date: Date) -> Option<Date> {
    match date.weekday() {
        Weekday::Saturday if date.day() == 1 => date.tomorrow().ok()?.tomorrow().ok(),
        Weekday::Saturday => date.yesterday().ok(),
        Weekday::Sunday if date == date.last_of_month() => date.yesterday().ok()?.yesterday().ok(),
        Weekday::Sunday => date.tomorrow().ok(),
        _ => Some(date),
    }
}

fn parse_rate(text: &str) -> Result<SignedDuration, ExpressionError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [value, unit] = words[..] else {
        return wrong(format!("rate({text}) is not a value and a unit"));
    };
    let Some(value) = value.parse::<i64>().ok().filter(|v| *v > 0) else {
        return wrong(format!("rate({text}) needs a positive whole number"));
    };
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return wrong(format!("rate({text}) needs minutes, hours or days")),
    };
    if unit.ends_with('s') == (value == 1) {
        return wrong(format!("rate({text}): AWS takes the singular for 1 and the plural above"));
    }
    // A century is longer than any schedule lives, and keeps the arithmetic in range.
    match value.checked_mul(seconds).filter(|s| *s <= 100 * 366 * 86_400) {
        Some(total) => Ok(SignedDuration::from_secs(total)),
        None => wrong(format!("rate({text}) is too long")),
    }
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn parse_cron(text: &str) -> Result<Cron, ExpressionError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, day, month, weekday, year] = fields[..] else {
        return wrong(format!(
            "cron({text}) has {} fields; AWS has six: minutes hours day-of-month month day-of-week year",
            fields.len()
        ));
    };
    let days = match (day, weekday) {
        ("?", "?") => return wrong(format!("cron({text}): only one day field may be ?")),
        (day, "?") => days_of_month(day)?,
        ("?", weekday) => days_of_week(weekday)?,
        _ => return wrong(format!("cron({text}): one of day-of-month and day-of-week must be ?")),
    };
    Ok(Cron {
        minutes: set(minutes, 0, 59, &[])?,
        hours: set(hours, 0, 23, &[])?,
        days,
        months: set(month, 1, 12, &MONTHS)?,
        years: set(year, 1970, LAST_YEAR, &[])?,
    })
}

fn days_of_month(text: &str) -> Result<Days, ExpressionError> {
    match text {
        "L" => Ok(Days::Last),
        "LW" => Ok(Days::LastWeekday),
        _ => match text.strip_suffix('W') {
            Some(day) => match day.parse::<i8>() {
                Ok(day @ 1..=31) => Ok(Days::NearestWeekday(day)),
                _ => wrong(format!("{text} is not a day of the month with W")),
            },
            None => Ok(Days::OfMonth(set(text, 1, 31, &[])?)),
        },
    }
}

fn days_of_week(text: &str) -> Result<Days, ExpressionError> {
    if let Some((day, nth)) = text.split_once('#') {
        return match nth.parse::<i8>() {
            Ok(nth @ 1..=5) => Ok(Days::NthOfWeek(nth, weekday(day)?)),
            _ => wrong(format!("{text}: # takes 1 to 5")),
        };
    }
    match text.strip_suffix('L') {
        // `L` alone is the last day of the week, Saturday.
        Some("") => Ok(Days::OfWeek(BTreeSet::from([7]))),
        Some(day) => Ok(Days::LastOfWeek(weekday(day)?)),
        None => Ok(Days::OfWeek(set(text, 1, 7, &WEEKDAYS)?)),
    }
}

fn weekday(text: &str) -> Result<Weekday, ExpressionError> {
    let number = number(text, 1, 7, &WEEKDAYS)?;
    let day = i8::try_from(number).ok().and_then(|n| Weekday::from_sunday_one_offset(n).ok());
    day.map_or_else(|| wrong(format!("{text} is not a day of the week")), Ok)
}

fn number(text: &str, low: i16, high: i16, names: &[&str]) -> Result<i16, ExpressionError> {
    let named = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .and_then(|at| i16::try_from(at).ok())
        .map(|at| at + 1);
    match named.or_else(|| text.parse::<i16>().ok()) {
        Some(value) if (low..=high).contains(&value) => Ok(value),
        _ => wrong(format!("{text:?} is not within {low} to {high}")),
    }
}

/// `*`, values, `a-b`, `a/n`, `a-b/n` and lists of them.
fn set(text: &str, low: i16, high: i16, names: &[&str]) -> Result<BTreeSet<i16>, ExpressionError> {
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step, 1, high.max(1), &[])?)),
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (low, high),
            (_, Some((from, to))) => {
                (number(from, low, high, names)?, number(to, low, high, names)?)
            }
            (single, None) => {
                let from = number(single, low, high, names)?;
                (from, if step.is_some() { high } else { from })
            }
        };
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
        if from <= to {
            values.extend((from..=to).step_by(step));
        } else if names.is_empty() {
            return wrong(format!("{part}: the range runs backwards"));
        } else {
            // FRI-MON wraps around the week.
            values.extend((from..=high).chain(low..=to).step_by(step));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(expression: &str, now: &str) -> Option<String> {
        let now: Timestamp = now.parse().unwrap();
        let expression: Expression = expression.parse().unwrap();
        expression.next_after(now, now).map(|t| t.to_string())
    }

    #[test]
    fn due_instants() {
        for (expression, now, due) in [
            ("rate(5 minutes)", "2026-11-23T10:00:00Z", Some("2026-11-23T10:05:00Z")),
            ("rate(1 day)", "2026-12-31T23:30:00Z", Some("2027-01-01T23:30:00Z")),
            ("cron(0 10 * * ? *)", "2026-11-23T10:00:00Z", Some("2026-11-24T10:00:00Z")),
            ("cron(15 12 * * ? *)", "2026-11-23T10:00:00Z", Some("2026-11-23T12:15:00Z")),
            ("cron(0 18 ? * MON-FRI *)", "2026-11-20T18:00:00Z", Some("2026-11-23T18:00:00Z")),
            ("cron(0 8 1 * ? *)", "2026-11-23T10:00:00Z", Some("2026-12-01T08:00:00Z")),
            ("cron(0/15 * * * ? *)", "2026-11-23T10:07:30Z", Some("2026-11-23T10:15:00Z")),
            ("cron(0 9 ? * 2#1 *)", "2026-11-23T10:00:00Z", Some("2026-12-07T09:00:00Z")),
            ("cron(0 9 L * ? *)", "2026-02-03T10:00:00Z", Some("2026-02-28T09:00:00Z")),
            ("cron(0 9 LW * ? *)", "2026-01-03T10:00:00Z", Some("2026-01-30T09:00:00Z")),
            ("cron(0 9 15W * ? *)", "2026-11-03T10:00:00Z", Some("2026-11-16T09:00:00Z")),
            ("cron(0 9 1W * ? *)", "2026-07-31T10:00:00Z", Some("2026-08-03T09:00:00Z")),
            ("cron(0 9 ? * 6L *)", "2026-11-03T10:00:00Z", Some("2026-11-27T09:00:00Z")),
            ("cron(0 9 ? * FRI-SUN *)", "2026-11-23T10:00:00Z", Some("2026-11-27T09:00:00Z")),
            ("cron(0 0 29 2 ? *)", "2026-11-23T10:00:00Z", Some("2028-02-29T00:00:00Z")),
            ("cron(0 0 1 1 ? 2020)", "2026-11-23T10:00:00Z", None),
            ("cron(0 0 30 2 ? *)", "2026-11-23T10:00:00Z", None),
            ("at(2026-12-01T08:00:00)", "2026-11-23T10:00:00Z", Some("2026-12-01T08:00:00Z")),
            ("at(2026-11-01T08:00:00)", "2026-11-23T10:00:00Z", None),
        ] {
            assert_eq!(next(expression, now).as_deref(), due, "{expression}");
        }
    }

    #[test]
    fn a_rate_keeps_its_beat() {
        let start: Timestamp = "2026-11-23T10:00:30.5Z".parse().unwrap();
        let now: Timestamp = "2026-11-23T10:12:00Z".parse().unwrap();
        let rate: Expression = "rate(5 minutes)".parse().unwrap();
        assert_eq!(rate.next_after(start, now).unwrap().to_string(), "2026-11-23T10:15:30.5Z");
        assert_eq!(rate.next_after(now, start).unwrap().to_string(), "2026-11-23T10:17:00Z");
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for (expression, part) in [
            ("every 5 minutes", "none of"),
            ("rate(5 minute)", "plural"),
            ("rate(1 minutes)", "singular"),
            ("rate(0 minutes)", "positive"),
            ("rate(5 weeks)", "minutes, hours or days"),
            ("rate(99999999999999 days)", "too long"),
            ("cron(* * * * *)", "5 fields"),
            ("cron(0 10 * * * *)", "must be ?"),
            ("cron(0 10 ? * ? *)", "only one"),
            ("cron(60 10 * * ? *)", "0 to 59"),
            ("cron(5-1 10 * * ? *)", "backwards"),
            ("cron(0 10 ? * 2#6 *)", "1 to 5"),
            ("at(tomorrow)", "yyyy-mm-dd"),
        ] {
            let error = expression.parse::<Expression>().unwrap_err().to_string();
            assert!(error.contains(part), "{expression}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_looks_back(text in "(rate|cron|at)\\([0-9A-Z*?/#, L-]{0,24}\\)", second in 0i64..4_000_000_000) {
            if let Ok(expression) = text.parse::<Expression>() {
                let now = Timestamp::from_second(second).unwrap();
                if let Some(due) = expression.next_after(now, now) {
                    prop_assert!(due > now);
                }
            }
        }

        #[test]
        fn cron_is_due_at_the_minute_it_names(minute in 0i8..60, hour in 0i8..24, second in 0i64..4_000_000_000) {
            let expression: Expression = format!("cron({minute} {hour} * * ? *)").parse().unwrap();
            let now = Timestamp::from_second(second).unwrap();
            let due = expression.next_after(now, now).unwrap();
            let at = due.to_zoned(TimeZone::UTC);
            prop_assert_eq!((at.hour(), at.minute(), at.second()), (hour, minute, 0));
            prop_assert!(due.as_second() - second <= 86_400);
        }
    }
}
