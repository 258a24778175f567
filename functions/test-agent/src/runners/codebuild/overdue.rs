//! A build whose suites go on after their time: what keeps their time runs among what they start, and
//! may have been stopped there. The build is stopped then, and its suites were out of time.

use std::time::Duration;

use jiff::Timestamp;
use pact_agent::builds::{Build, BuildStatus};

/// How much longer than all of its suites may a phase may go on: it hands over what they wrote.
const LATE: Duration = Duration::from_secs(60);

/// Whether a phase has gone on for so much longer than its suites may take.
pub(super) fn is_overdue(build: &Build, phase: &str, time: Duration, now: Timestamp) -> bool {
    let Some(phase) = build.phase(phase) else { return false };
    let most = i64::try_from((time + LATE).as_secs()).unwrap_or(i64::MAX);
    let began = phase.started.map(|began| now.duration_since(began).as_secs());
    build.status == BuildStatus::InProgress
        && phase.status.is_none()
        && began.is_some_and(|seconds| seconds > most)
}

/// The build, which was stopped for that.
pub(super) fn out_of_time(mut build: Build) -> Build {
    if build.status == BuildStatus::Stopped {
        build.status = BuildStatus::TimedOut;
    }
    build
}

#[cfg(test)]
mod tests {
    use pact_agent::builds::BuildPhase;

    use super::*;

    #[test]
    fn only_what_goes_on_for_too_long_is_overdue() {
        let now = Timestamp::from_second(1_790_000_000).expect("a time");
        let ago = |seconds| Some(now - Duration::from_secs(seconds));
        let build = |status, ended, started| Build {
            id: "b".to_owned(),
            status,
            phases: vec![BuildPhase {
                name: "BUILD".to_owned(),
                status: ended,
                message: None,
                took: Duration::ZERO,
                started,
            }],
            image: None,
            started: ago(10_000),
        };
        let goes = BuildStatus::InProgress;
        for (build, overdue) in [
            (build(goes, None, ago(71)), true),
            (build(goes, None, ago(70)), false),
            (build(goes, None, None), false),
            (build(goes, Some(BuildStatus::Succeeded), ago(900)), false),
            (build(BuildStatus::Succeeded, None, ago(900)), false),
        ] {
            let time = Duration::from_secs(10);
            assert_eq!(is_overdue(&build, "BUILD", time, now), overdue, "{build:?}");
            assert!(!is_overdue(&build, "POST_BUILD", time, now));
        }
    }
}
