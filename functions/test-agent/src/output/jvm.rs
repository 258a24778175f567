//! Maven's surefire, Gradle, and ScalaTest.

use super::sums::{Sums, Tool, named, pairs, sum};

#[derive(Default)]
pub(super) struct Jvm;

impl Tool for Jvm {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        surefire(text, sums) || gradle(line, sums)
    }
}

/// `Tests run: 3, Failures: 1, Errors: 0, Skipped: 0` of Maven: the total, not the classes.
fn surefire(text: &str, sums: &mut Sums) -> bool {
    let Some((_, rest)) = text.split_once("Tests run: ") else { return false };
    if rest.contains("Time elapsed") {
        return true;
    }
    let ran = rest.split(',').next().and_then(|n| n.trim().parse::<u64>().ok());
    let of = |word| named(rest, word).unwrap_or(0);
    let (failed, skipped) = (of("Failures").saturating_add(of("Errors")), of("Skipped"));
    let passed = ran.unwrap_or(0).saturating_sub(failed.saturating_add(skipped));
    sums.add(passed, failed, skipped);
    // Surefire tells of tests that passed when they were run again.
    sums.flaky(named(rest, "Flakes").unwrap_or(0));
    true
}

/// `3 tests completed, 1 failed, 1 skipped`, and `ATest > b FAILED`.
fn gradle(line: &str, sums: &mut Sums) -> bool {
    let text = line.trim();
    if let Some((number, rest)) = text.split_once(' ')
        && let Ok(total) = number.parse::<u64>()
        && (rest.starts_with("tests completed") || rest.starts_with("test completed"))
    {
        sums.end_detail();
        let counts = pairs(rest, &[',']);
        let (failed, skipped) = (sum(&counts, &["failed"]), sum(&counts, &["skipped"]));
        sums.add(total.saturating_sub(failed.saturating_add(skipped)), failed, skipped);
        return true;
    }
    if let Some(name) = line.strip_suffix(" FAILED")
        && name.contains(" > ")
        && !line.starts_with(' ')
        && !name.starts_with("> Task")
    {
        sums.fail_with_detail(name);
        return true;
    }
    false
}
