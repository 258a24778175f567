//! Base scores of CVSS version 2, by the equation of its specification (FIRST, "A Complete Guide
//! to the Common Vulnerability Scoring System Version 2.0", section 3.2.1).

use pact_contract::Severity;

/// The base score of a vector such as `AV:N/AC:L/Au:N/C:P/I:P/A:P`.
pub(crate) fn score(vector: &str) -> Option<f64> {
    let metric = |name: &str| {
        vector
            .trim_matches(['(', ')'])
            .split('/')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix(':'))
    };
    let of = |name: &str, values: &[(&str, f64)]| {
        let value = metric(name)?;
        values.iter().find(|(n, _)| *n == value).map(|(_, v)| *v)
    };
    let impact = [("N", 0.0), ("P", 0.275), ("C", 0.66)];
    let (c, i, a) = (of("C", &impact)?, of("I", &impact)?, of("A", &impact)?);
    let vector = of("AV", &[("L", 0.395), ("A", 0.646), ("N", 1.0)])?;
    let complexity = of("AC", &[("H", 0.35), ("M", 0.61), ("L", 0.71)])?;
    let authentication = of("Au", &[("M", 0.45), ("S", 0.56), ("N", 0.704)])?;
    let impact = 10.41 * (1.0 - (1.0 - c) * (1.0 - i) * (1.0 - a));
    let exploitability = 20.0 * vector * complexity * authentication;
    let factor = if impact == 0.0 { 0.0 } else { 1.176 };
    let score = (0.6 * impact + 0.4 * exploitability - 1.5) * factor;
    Some((score * 10.0).round() / 10.0)
}

/// The severity that the National Vulnerability Database gives a score of version 2, which knows
/// no critical one.
pub(crate) fn severity(vector: &str) -> Option<Severity> {
    let score = score(vector)?;
    Some(match score {
        s if s >= 7.0 => Severity::High,
        s if s >= 4.0 => Severity::Medium,
        s if s > 0.0 => Severity::Low,
        _ => Severity::Info,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        // Section 3.3: CVE-2002-0392, CVE-2003-0818, CVE-2003-0062.
        assert_eq!(score("AV:N/AC:L/Au:N/C:N/I:N/A:C"), Some(7.8));
        assert_eq!(score("AV:N/AC:L/Au:N/C:C/I:C/A:C"), Some(10.0));
        assert_eq!(score("AV:L/AC:H/Au:N/C:C/I:C/A:C"), Some(6.2));
        assert_eq!(severity("(AV:N/AC:L/Au:N/C:N/I:N/A:C)"), Some(Severity::High));
        assert_eq!(severity("nonsense"), None);
    }
}
