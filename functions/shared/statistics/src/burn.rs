//! Whether an environment burns its budget of errors too fast.
//!
//! Two pairs of windows, with the rates of Google's Site Reliability Workbook (chapter 5, table 5-8):
//! 14.4 times the budget's share in an hour and in five minutes, or 6 times in six hours and in half an
//! hour. A service that is asked little shows a high rate by one failure alone; so the long window has
//! to be above the rate beyond chance, too (the binomial test).

use jiff::Timestamp;
use pact_contract::objectives::{Budget, Counts, Objectives, Sli};

use crate::chance::{binomial, real};

/// Rate, long and short window in minutes.
const RULES: [(f64, i64, i64); 2] = [(14.4, 60, 5), (6.0, 360, 30)];
/// How rarely chance alone may say so.
const ALPHA: f64 = 0.01;

/// Why the budget burns too fast, in a sentence; none: it does not.
#[must_use]
pub fn burns(budget: &Budget, objectives: &Objectives, now: Timestamp) -> Option<String> {
    objectives.each().find_map(|(sli, share)| {
        RULES.iter().find_map(|&(rate, long, short)| {
            let limit = (share * rate).min(1.0);
            let long_counts = budget.within_minutes(long, now);
            let is_over = |counts: &Counts| of(counts, sli) >= limit && counts.against(sli) > 0;
            let chance = binomial(long_counts.requests, long_counts.against(sli), limit);
            let over = is_over(&long_counts) && is_over(&budget.within_minutes(short, now));
            (over && chance < ALPHA).then(|| said(sli, &long_counts, long, share, objectives))
        })
    })
}

fn of(counts: &Counts, sli: Sli) -> f64 {
    if counts.requests == 0 { 0.0 } else { real(counts.against(sli)) / real(counts.requests) }
}

fn said(sli: Sli, counts: &Counts, minutes: i64, share: f64, objectives: &Objectives) -> String {
    let what = match (sli, objectives.latency_ms) {
        (Sli::Latency, Some(ms)) => format!("took more than {ms} ms"),
        _ => "failed".to_owned(),
    };
    let promised = match sli {
        Sli::Availability => objectives.availability,
        Sli::Latency => objectives.latency_share,
    };
    let rate = if share > 0.0 { of(counts, sli) / share } else { f64::INFINITY };
    let hours = if minutes == 60 { "hour".to_owned() } else { format!("{} hours", minutes / 60) };
    format!(
        "{} of {} requests {what} in the last {hours}: the budget of {} % {} burns {rate:.0} times too \
         fast for {} days",
        counts.against(sli),
        counts.requests,
        promised,
        sli.as_str(),
        objectives.days
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).expect("a time")
    }

    /// So many looks of 25 requests, five minutes apart, each with so many failures; the last is at 0.
    fn after(failures: &[u64]) -> Budget {
        let mut budget = Budget::default();
        let first = -5 * i64::try_from(failures.len()).expect("few") + 5;
        for (look, errors) in (0..).zip(failures) {
            let counts = Counts { requests: 25, errors: *errors, slow: *errors };
            budget.count(&counts, at(first + 5 * look));
        }
        budget
    }

    fn says(failures: &[u64]) -> Option<String> {
        burns(&after(failures), &Objectives::default(), at(0))
    }

    #[test]
    fn one_failure_is_no_fire_and_many_are() {
        let mut looks = vec![0; 72];
        assert_eq!(says(&looks), None);
        looks[71] = 1;
        assert_eq!(says(&looks), None, "1 of 25 is 40 times too fast, and may be chance");
        looks[71] = 25;
        let said = says(&looks).expect("burns");
        assert_eq!(
            said,
            "25 of 325 requests failed in the last hour: the budget of 99.9 % availability burns 77 \
             times too fast for 28 days"
        );
        looks.rotate_left(10);
        assert_eq!(says(&looks), None, "it is over: the short window is clean");
    }

    #[test]
    fn a_slow_fire_shows_in_six_hours() {
        let looks: Vec<u64> = (0..72).map(|look| u64::from(look % 3 == 2)).collect();
        let said = says(&looks).expect("burns");
        assert!(said.contains("in the last 6 hours"), "{said}");
    }

    #[test]
    fn answers_that_are_too_slow_have_a_budget_of_their_own() {
        let objectives =
            Objectives { availability: 0.0, latency_ms: Some(300), ..Objectives::default() };
        let looks = vec![25; 12];
        let said = burns(&after(&looks), &objectives, at(0)).expect("burns");
        assert!(said.contains("took more than 300 ms"), "{said}");
        let few: Vec<u64> = vec![1; 12];
        assert_eq!(burns(&after(&few), &objectives, at(0)), None, "4 % may be slow");
    }
}
