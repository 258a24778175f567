//! Series in the form of the Numenta benchmark: a line `timestamp,value`, then one line for each value.

use std::{
    fmt,
    io::{self, BufRead, Read as _},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Longest line.
const MAX_LINE: u64 = 4_096;
/// Most values.
const MAX_VALUES: usize = 20_000_000;

/// Why a file is no series, and in which line.
#[derive(Debug)]
pub struct CsvError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What would mend it.
    pub remedy: &'static str,
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for CsvError {}

const FORM: &str = "write each line as TIMESTAMP,VALUE, the time as 2014-02-14 14:30:00, as RFC 3339 or in seconds";

/// Hands each value on: its number from 0, the text of its time, seconds, the value. An empty value, or
/// one that is no number, is missing (`None`). Gives the number of lines with a time.
///
/// # Errors
/// In which line the file is no series, and why.
pub fn read(
    mut file: impl BufRead,
    mut each: impl FnMut(usize, &str, f64, Option<f64>),
) -> Result<usize, CsvError> {
    let mut line = String::new();
    let (mut number, mut values) = (0, 0);
    loop {
        line.clear();
        number += 1;
        let wrong = |reason: String| CsvError { line: number, reason, remedy: FORM };
        let read = (&mut file).take(MAX_LINE + 1).read_line(&mut line);
        let read = read.map_err(|e: io::Error| wrong(format!("cannot be read: {e}")))?;
        if read == 0 {
            return Ok(values);
        }
        if read as u64 > MAX_LINE {
            return Err(wrong(format!("it is longer than {MAX_LINE} bytes")));
        }
        let text = line.trim().trim_start_matches('\u{feff}');
        if text.is_empty() {
            continue;
        }
        let (time, rest) =
            text.split_once(',').ok_or_else(|| wrong("it has no comma".to_owned()))?;
        let Some(at) = seconds(time.trim()) else {
            if number == 1 {
                continue;
            }
            return Err(wrong(format!(
                "{:?} is no time",
                time.chars().take(40).collect::<String>()
            )));
        };
        if values == MAX_VALUES {
            return Err(wrong(format!("it has more than {MAX_VALUES} values")));
        }
        // Further columns, such as a score, are of no interest.
        let value = rest.split(',').next().unwrap_or_default().trim().parse::<f64>().ok();
        each(values, time.trim(), at, value.filter(|v| v.is_finite()));
        values += 1;
    }
}

fn seconds(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(timestamp.as_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(f64, Option<f64>)>, CsvError> {
        let mut out = Vec::new();
        read(text.as_bytes(), |_, _, at, value| out.push((at, value)))?;
        Ok(out)
    }

    #[test]
    fn the_benchmarks_form_is_read() {
        let found = all(
            "timestamp,value\n2014-02-14 14:30:00,0.132\r\n2014-02-14 14:35:00,\n1392388800,7,0.3\n",
        );
        assert_eq!(
            found.expect("is read"),
            [(1_392_388_200.0, Some(0.132)), (1_392_388_500.0, None), (1_392_388_800.0, Some(7.0))]
        );
        assert!(all("").expect("is read").is_empty());
    }

    #[test]
    fn what_is_no_series_is_refused_with_its_line() {
        for (text, said) in [
            ("timestamp,value\nyesterday,1\n", "line 2: \"yesterday\" is no time"),
            ("timestamp;value\n", "line 1: it has no comma"),
        ] {
            assert_eq!(all(text).expect_err("is refused").to_string(), said);
        }
        assert!(all(&format!("1,{}\n", "9".repeat(9_000))).is_err());
        assert!(read(&[0xff, 0xfe, b'\n'][..], |_, _, _, _| {}).is_err());
    }
}
