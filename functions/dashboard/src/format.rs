//! Numbers, times and texts for people.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_contract::{RepositoryName, cause::Excerpt};
use serde_json::Value;

/// A length of time: `310 ms`, `4.2 s`, `1 min 32 s`, `2 h 5 min`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..=9 => format!("{seconds}.{} s", ms % 1_000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// US dollars, with about two digits that count: `$0.0068`, `$0.021`, `$1.25`, `$0`.
pub(crate) fn dollars(usd: f64) -> String {
    let digits = match usd {
        usd if usd < 0.000_05 => 0,
        usd if usd >= 1.0 => 2,
        usd if usd >= 0.01 => 3,
        _ => 4,
    };
    format!("${usd:.digits$}")
}

/// Milliseconds between two instants; 0 when they are in the wrong order.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

/// How long ago something was.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let count = |n: u64, unit: &str| {
        if n == 1 { format!("1 {unit} ago") } else { format!("{n} {unit}s ago") }
    };
    match between(then, now) / 1_000 {
        0..=4 => "just now".to_owned(),
        s @ 5..=59 => count(s, "second"),
        s @ 60..=3_599 => count(s / 60, "minute"),
        s @ 3_600..=86_399 => count(s / 3_600, "hour"),
        s => count(s / 86_400, "day"),
    }
}

/// An instant to the second in UTC.
pub(crate) fn instant(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// How long ago, with the instant behind it.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.strftime("%Y-%m-%d %H:%M:%S UTC");
    html! { time datetime=(at) title=(exact) { (age(at, now)) } }
}

/// The beginning of a commit id.
pub(crate) fn commit(id: &str) -> String {
    id.chars().take(10).collect()
}

/// `text` without its end, when it is long; what would turn the direction of writing is shown.
pub(crate) fn short(text: &str, limit: usize) -> String {
    pact_contract::cause::plain(&pact_agent::text::truncated(text, limit))
}

/// The lines of a log that say most, with how many are left out before and after them.
pub(crate) fn lines(log: &str, most: usize) -> Markup {
    excerpt(&pact_contract::cause::excerpt(log, most))
}

/// Part of a log, with how many lines are left out.
pub(crate) fn excerpt(part: &Excerpt) -> Markup {
    let left_out = |n: usize, place: &str| match n {
        0 => String::new(),
        n => format!("… {} {place}", plural(n, "more line")),
    };
    html! {
        @if !part.lines.is_empty() {
            pre tabindex="0" {
                @if part.before > 0 { span class="muted" { (left_out(part.before, "before")) } "\n" }
                (part.lines.join("\n"))
                @if part.after > 0 { "\n" span class="muted" { (left_out(part.after, "after")) } }
            }
        }
    }
}

/// A JSON value in one line.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => short(text, 200),
        Value::Object(map) => short(
            &map.iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| format!("{}: {}", k.replace('_', " "), self::value(v)))
                .collect::<Vec<_>>()
                .join(", "),
            300,
        ),
        other => short(&other.to_string(), 200),
    }
}

/// A JSON value in several lines, bounded.
pub(crate) fn pretty(value: &Value) -> String {
    const LIMIT: usize = 8_000;
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    short(&text, LIMIT)
}

/// `1 entry`, `2 entries`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    match (n, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) if noun.ends_with("sh") => format!("{n} {noun}es"),
        (_, None) => format!("{n} {noun}s"),
    }
}

/// An address that may stand in a link: `http` and `https` alone.
pub(crate) fn link(address: &str) -> Option<&str> {
    let lower = address.get(..8).unwrap_or(address).to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://")).then_some(address)
}

/// An address as a link where it may be one, otherwise as text.
pub(crate) fn address(address: &str) -> Markup {
    html! {
        @match link(address) {
            Some(href) => a href=(href) rel="noreferrer noopener" { (short(address, 200)) },
            None => (short(address, 200)),
        }
    }
}

/// A text as part of a query string.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

/// A text of several parts as part of an address: what stands between them stays.
pub(crate) fn path(text: &str) -> String {
    text.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// A state's name as an id of the page.
pub(crate) fn anchor(state: &str) -> String {
    let safe: String = state
        .chars()
        .take(100)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    format!("stage-{safe}")
}

/// Address of the page of a repository.
pub(crate) fn repository_page(repository: &RepositoryName) -> String {
    format!("/repositories/{}", path(repository.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lengths_of_time_read_well() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (4_250, "4.2 s"),
            (59_999, "59 s"),
            (92_000, "1 min 32 s"),
            (7_500_000, "2 h 5 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, text) in table {
            assert_eq!(duration(ms), text);
        }
        let at = |s| Timestamp::from_second(s).expect("an instant");
        assert_eq!(age(at(0), at(61)), "1 minute ago");
        assert_eq!(age(at(0), at(7_300)), "2 hours ago");
        assert_eq!(age(at(10), at(0)), "just now");
    }

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(link("https://example.org/"), Some("https://example.org/"));
        assert_eq!(link("HTTP://example.org/"), Some("HTTP://example.org/"));
        for bad in ["javascript:alert(1)", "data:text/html,x", "//example.org", "", "httpsx://a"] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_are_one_line() {
        assert_eq!(value(&json!({ "failed": 2, "exit_code": null })), "failed: 2");
        assert_eq!(value(&json!(null)), "–");
        assert_eq!(encoded("a/b ü"), "a%2Fb%20%C3%BC");
        assert_eq!(anchor("Run Tests\"<"), "stage-Run_Tests__");
    }
}
