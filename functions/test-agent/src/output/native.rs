//! CTest, GoogleTest and XCTest.

use super::sums::{Sums, Tool};

#[derive(Default)]
pub(super) struct Native {
    /// Inside CTest's list of what failed.
    failing: bool,
    /// Tests that CTest left out.
    left_out: u64,
    /// Tests of XCTest's latest line: each level says the sum of those below it.
    xctest: Option<(u64, u64)>,
    /// Inside GoogleTest's list of what failed.
    listed: bool,
}

impl Tool for Native {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        self.ctest(text, sums) || self.gtest(text, sums) || self.xctest(text)
    }

    fn end(&mut self, sums: &mut Sums) {
        if let Some((ran, failed)) = self.xctest {
            sums.add(ran.saturating_sub(failed), failed, 0);
        }
    }
}

impl Native {
    /// `67% tests passed, 1 tests failed out of 3`, then `The following tests FAILED:` and their names.
    fn ctest(&mut self, text: &str, sums: &mut Sums) -> bool {
        if text.contains(" Test ") && text.contains('#') {
            // Of a test that was left out the sums say that it passed.
            if text.contains("***Skipped") || text.contains("***Not Run (Disabled)") {
                self.left_out += 1;
            }
            return text.contains("/") && (text.contains("Passed") || text.contains("***"));
        }
        if let Some((_, rest)) = text.split_once("% tests passed, ")
            && let Some((failed, total)) = rest.split_once(" tests failed out of ")
            && let (Ok(failed), Ok(total)) = (failed.trim().parse::<u64>(), total.parse::<u64>())
        {
            let skipped = std::mem::take(&mut self.left_out).min(total.saturating_sub(failed));
            sums.add(total.saturating_sub(failed.saturating_add(skipped)), failed, skipped);
            return true;
        }
        if text == "The following tests FAILED:" {
            self.failing = true;
            return true;
        }
        if self.failing {
            // `2 - b (Failed)`
            let name =
                text.split_once(" - ").filter(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()));
            if let Some((_, rest)) = name {
                let (name, why) = rest.rsplit_once(" (").unwrap_or((rest, "Failed)"));
                sums.fail(name, why.trim_end_matches(')'));
                return true;
            }
            self.failing = false;
        }
        false
    }

    /// `[  PASSED  ] 1 test.`, `[  FAILED  ] 1 test, listed below:`, then their names.
    fn gtest(&mut self, text: &str, sums: &mut Sums) -> bool {
        let Some((sign, rest)) = text.strip_prefix('[').and_then(|text| text.split_once("] "))
        else {
            return false;
        };
        let number = rest.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        let (sign, is_sum) = (sign.trim(), rest.contains(" test"));
        match (sign, number.filter(|_| is_sum)) {
            ("PASSED", Some(number)) => sums.add(number, 0, 0),
            ("FAILED", Some(number)) if rest.ends_with("listed below:") => {
                self.listed = true;
                sums.end_detail();
                sums.add(0, number, 0);
            }
            ("SKIPPED", Some(number)) if rest.ends_with("listed below:") => {
                self.listed = false;
                sums.add(0, 0, number);
            }
            ("FAILED", None) => {
                let name = rest.split([' ', ',']).next().unwrap_or(rest);
                sums.fail(name, "");
            }
            // What a test says stands between this and its end.
            ("RUN", None) if !self.listed => return true,
            ("==========" | "----------" | "OK" | "SKIPPED", _) => {}
            _ => return false,
        }
        true
    }

    /// `Executed 5 tests, with 1 failure (0 unexpected) in 0.1 seconds`, level by level: the last
    /// one counts.
    fn xctest(&mut self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix("Executed ") else { return false };
        let Some((ran, rest)) = rest.split_once(" test") else { return false };
        let Some((_, failed)) = rest.split_once("with ") else { return false };
        let failed = failed.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        let (Ok(ran), Some(failed)) = (ran.parse::<u64>(), failed) else { return false };
        self.xctest = Some((ran, failed));
        true
    }
}
