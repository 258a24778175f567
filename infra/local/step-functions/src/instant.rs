//! Instants as text: what a definition may hold, and what an expression may give.

use jiff::Timestamp;

/// Whether `text` is a timestamp as the States Language wants it: RFC 3339 with an upper-case `T`
/// and, where there is no offset, an upper-case `Z`.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    shaped(text, true) && text.parse::<Timestamp>().is_ok()
}

/// The instant that `text` means as an ISO 8601 date and time with an offset, in milliseconds
/// since 1970, rounded up; the seconds may be left out.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    if !shaped(text, false) {
        return None;
    }
    let instant: Timestamp = text.parse().ok()?;
    // Rounded up: a Wait never ends early.
    let rest = instant.subsec_nanosecond() % 1_000_000 != 0;
    Some(instant.as_millisecond().saturating_add(i64::from(rest)))
}

/// Whether `text` has the shape `2016-03-14T01:59:26.535Z`, whatever the numbers are.
fn shaped(text: &str, seconds_needed: bool) -> bool {
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let numbers = |text: &str, mark: char, counts: &[usize]| {
        let parts: Vec<&str> = text.split(mark).collect();
        parts.len() == counts.len()
            && parts.iter().zip(counts).all(|(part, count)| digits(part, *count))
    };
    let Some((date, rest)) = text.split_once('T') else {
        return false;
    };
    let zone = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone);
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let clock_fits = numbers(clock, ':', &[2, 2, 2])
        || (!seconds_needed && fraction.is_none() && numbers(clock, ':', &[2, 2]));
    let zone_fits = zone == "Z"
        || zone.strip_prefix(['+', '-']).is_some_and(|offset| numbers(offset, ':', &[2, 2]));
    numbers(date, '-', &[4, 2, 2])
        && clock_fits
        && fraction.is_none_or(|fraction| {
            (1..=9).contains(&fraction.len()) && digits(fraction, fraction.len())
        })
        && zone_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_way_to_write_an_instant() {
        for good in ["2016-03-14T01:59:00Z", "2016-03-14T01:59:00.123456789+05:30"] {
            assert!(is_rfc3339(good), "{good}");
        }
        for bad in [
            "2016-03-14 01:59:00Z",
            "2016-03-14t01:59:00z",
            "2016-03-14T01:59:00",
            "2016-03-14T01:59Z",
            "20160314T015900Z",
            "2016-03-14T01:59:00+0530",
            "2016-03-14T01:59:00Z[UTC]",
            "2016-02-30T01:59:00Z",
            "2016-03-14T01:59:00.Z",
            "",
        ] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
        assert_eq!(parse_iso("1970-01-01T00:01Z"), Some(60_000));
        assert_eq!(parse_iso("1970-01-01T00:00:00.0000001Z"), Some(1));
        assert_eq!(parse_iso("1970-01-01T00:00:00"), None);
    }
}
