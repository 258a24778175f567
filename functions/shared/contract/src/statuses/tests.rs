use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn status(run: &str, since: i64, state: CommitState) -> CommitStatus {
    CommitStatus {
        run_id: run.parse().unwrap(),
        since: at(since),
        state,
        description: state.as_str().to_owned(),
        url: format!("https://pact.example/runs/{run}"),
    }
}

fn record(wanted: CommitStatus) -> StatusRecord {
    let key = StatusKey {
        repository: "acme/web".parse().unwrap(),
        commit: "2".repeat(40),
        context: "pact".to_owned(),
    };
    StatusRecord::new(key, wanted, at(0))
}

fn not_now(wait: Option<i64>) -> Attempted {
    let wait = wait.map(SignedDuration::from_secs);
    Attempted::NotNow { why: "it answers 503".to_owned(), wait }
}

#[test]
fn a_later_run_and_a_verdict_are_shown_instead() {
    use CommitState::{Error, Pending, Success};
    let of = |run: &str, since, state| status(run, since, state);
    for (new, old, replaces) in [
        (of("a", 1, Success), of("a", 1, Pending), true),
        (of("a", 1, Pending), of("a", 1, Success), false),
        (of("a", 1, Success), of("a", 1, Success), false),
        (of("a", 1, Success), of("a", 1, Error), true),
        (of("b", 2, Pending), of("a", 1, Success), true),
        (of("a", 1, Success), of("b", 2, Pending), false),
        // Of the same moment one of the two, and always the same.
        (of("b", 1, Pending), of("a", 1, Success), true),
        (of("a", 1, Success), of("b", 1, Pending), false),
    ] {
        assert_eq!(new.replaces(&old), replaces, "{new:?} for {old:?}");
        assert_eq!(record(old).wanting(new, at(5)).is_some(), replaces);
    }
}

#[test]
fn one_attempt_at_a_time_and_the_verdict_after_it() {
    let pending = status("a", 1, CommitState::Pending);
    let verdict = status("a", 1, CommitState::Success);
    let begun = record(pending.clone()).begun(at(0)).expect("due at once");
    assert_eq!(begun.begun(at(30)), None, "somebody is at it");
    assert_eq!(begun.begun(at(41)).expect("nothing was heard").attempts, 2);
    let wanting = begun.wanting(verdict.clone(), at(1)).expect("a verdict");
    assert_eq!(wanting.begun(at(2)), None, "the attempt before is waited for");
    let after = wanting.ended(&pending, Attempted::Taken, at(3));
    assert_eq!((after.due(), after.shown.as_ref()), (Some(at(3)), Some(&pending)));
    let sent = after.begun(at(3)).expect("due").ended(&verdict, Attempted::Taken, at(4));
    assert_eq!((sent.due(), sent.shown, sent.trouble), (None, Some(verdict), None));
}

#[test]
fn it_is_tried_for_a_day_and_not_before_the_host_allows() {
    let wanted = status("a", 1, CommitState::Success);
    let mut record = record(wanted.clone());
    let (mut now, mut waits) = (at(0), Vec::new());
    while let Some(due) = record.due() {
        waits.push(due.duration_since(now).as_secs());
        now = due;
        record = record.begun(now).expect("due").ended(&wanted, not_now(None), now);
    }
    assert_eq!(waits.get(..6), Some(&[0, 60, 120, 240, 480, 960][..]));
    assert!(waits.iter().all(|wait| *wait <= 3_600));
    assert_eq!(record.standing, Standing::GivenUp);
    let whole = now.duration_since(at(0));
    assert!(whole <= PATIENCE && whole > PATIENCE - SignedDuration::from_hours(2), "{whole}");
    // What is wanted next is sent again.
    let next = record.wanting(status("b", 2, CommitState::Pending), now).expect("a later run");
    assert_eq!((next.due(), next.attempts), (Some(now), 0));

    let asked = super::tests::record(wanted.clone()).begun(at(0)).expect("due");
    let waits = asked.ended(&wanted, not_now(Some(1_800)), at(0));
    assert_eq!(waits.due(), Some(at(1_800)));
    let refused = asked.ended(&wanted, Attempted::Refused("no such commit".to_owned()), at(0));
    assert_eq!((refused.due(), refused.trouble.as_deref()), (None, Some("no such commit")));
    // Two days are longer than it is tried for.
    let late = asked.ended(&wanted, not_now(Some(48 * 3_600)), at(0));
    assert_eq!(late.standing, Standing::GivenUp);
}

#[test]
fn a_description_is_one_line_of_at_most_140_characters() {
    assert_eq!(described("  two\nlines\t\u{1b}[0m "), "two lines [0m");
    let long = described(&"ä b".repeat(100));
    assert_eq!(long.chars().count(), MAX_DESCRIPTION);
    assert!(long.ends_with('…'));
    assert_eq!(described(&"x".repeat(140)), "x".repeat(140));
}

#[test]
fn the_secret_of_a_repository_is_below_its_name() {
    let name = "group/sub.group/web".parse().unwrap();
    assert_eq!(token_name(&name), "repositories/group/sub.group/web/status-token");
    assert_eq!(source_token_name(&name), "repositories/group/sub.group/web/source-token");
    assert_eq!(webhook_secret_name(&name), "repositories/group/sub.group/web/webhook-secret");
}
