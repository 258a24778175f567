use proptest::prelude::*;

use super::*;

fn name(number: u64) -> ReleaseId {
    format!("r{number}").parse().expect("a name")
}

fn run(number: u64) -> RunId {
    format!("run-{number}").parse().expect("an id")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("an instant")
}

fn entry(number: u64, commit: &str, place: u64, second: i64) -> LedgerEntry {
    LedgerEntry {
        release: name(number),
        commit: commit.to_owned(),
        run_id: run(number),
        origin: Origin { branch: Some("main".to_owned()), place: Some(place), on_purpose: None },
        standing: Standing::Candidate,
        reason: None,
        deployed_at: at(second),
        judged_at: None,
        serving_since: None,
        served_seconds: 0,
    }
}

fn from(place: u64) -> Origin {
    entry(0, "", place, 0).origin
}

fn code(ledger: &Ledger, commit: &str, origin: &Origin) -> Option<Against> {
    ledger.refuses(commit, origin).map(|refusal| refusal.against)
}

#[test]
fn an_older_push_does_not_replace_a_newer_one() {
    let mut ledger = Ledger::default();
    assert_eq!(code(&ledger, "c1", &from(1)), None);
    ledger.deployed(entry(1, "c2", 2, 0));
    assert_eq!(code(&ledger, "c1", &from(1)), Some(Against::Order), "it is in effect");
    assert!(ledger.judged_good(&name(1), &run(1), at(5)));
    let refusal = ledger.refuses("c1", &from(1)).expect("it is refused");
    assert!(refusal.message.contains("c1 was pushed before commit c2"), "{}", refusal.message);
    assert_eq!(code(&ledger, "c2", &from(2)), None, "itself, again");
    assert_eq!(code(&ledger, "c1", &from(3)), None, "pushed back to it");
    let other = Origin { branch: Some("dev".to_owned()), ..from(1) };
    assert_eq!(code(&ledger, "c1", &other), None, "another branch has its own order");
    // A release of another branch in between changes nothing.
    let mut dev = entry(2, "d1", 1, 10);
    dev.origin = other;
    ledger.deployed(dev);
    assert_eq!(code(&ledger, "c1", &from(1)), Some(Against::Order));
}

#[test]
fn what_was_rejected_comes_back_by_a_persons_word_alone() {
    let mut ledger = Ledger::default();
    ledger.deployed(entry(1, "c1", 1, 0));
    assert!(ledger.judged_good(&name(1), &run(1), at(10)));
    ledger.deployed(entry(2, "c2", 2, 60));
    ledger.taken_back(&name(2), Some(&name(1)), (true, "12 % of requests fail"), at(90));
    let refusal = ledger.refuses("c2", &from(3)).expect("it is refused");
    assert_eq!(refusal.against, Against::Verdict);
    assert!(refusal.message.ends_with("12 % of requests fail"), "{}", refusal.message);
    assert!(!ledger.is_good(&name(2)) && ledger.is_good(&name(1)));
    let person = OnPurpose { by: "ada".to_owned(), reason: "the database was down".to_owned() };
    let insisted = Origin { on_purpose: Some(person), ..from(3) };
    assert_eq!(code(&ledger, "c2", &insisted), None);
    // Judged anew, the latest verdict counts.
    ledger.deployed(entry(3, "c2", 3, 120));
    assert!(ledger.judged_good(&name(3), &run(3), at(130)));
    assert_eq!(code(&ledger, "c2", &from(4)), None);
    let first = ledger.of(&name(1)).expect("known");
    assert_eq!((first.served_seconds, first.serving_since), (60 + 30, None));
}

#[test]
fn what_was_taken_back_without_a_verdict_may_be_tried_again() {
    let mut ledger = Ledger::default();
    ledger.deployed(entry(1, "c1", 1, 0));
    ledger.taken_back(&name(1), None, (false, "cancelled"), at(5));
    assert_eq!(ledger.entries()[0].standing, Standing::Withdrawn);
    assert_eq!(code(&ledger, "c1", &from(2)), None);
    assert!(!ledger.judged_good(&name(1), &run(1), at(6)), "too late");
}

#[test]
fn the_last_good_release_is_never_forgotten() {
    let mut ledger = Ledger::default();
    ledger.deployed(entry(0, "c", 1, 0));
    assert!(ledger.judged_good(&name(0), &run(0), at(1)));
    for number in 1..200 {
        ledger.deployed(entry(number, &format!("c{number}"), number, 10));
        ledger.taken_back(&name(number), Some(&name(0)), (true, "ill"), at(11));
        assert!(ledger.entries().len() <= MAX_LEDGER);
        assert!(ledger.is_good(&name(0)), "after {number}");
    }
}

/// What may happen to an environment.
#[derive(Clone, Debug)]
enum Step {
    /// A push of some place asks to be deployed.
    Deploy {
        commit: u8,
        place: u64,
    },
    Judge,
    TakeBack {
        judged: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..6, 1u64..12).prop_map(|(commit, place)| Step::Deploy { commit, place }),
        2 => Just(Step::Judge),
        2 => any::<bool>().prop_map(|judged| Step::TakeBack { judged }),
    ]
}

proptest! {
    /// A plain environment that does what the ledger allows: the order holds whatever comes.
    #[test]
    fn order_and_way_back_hold_whatever_happens(steps in prop::collection::vec(step(), 0..60)) {
        let mut ledger = Ledger::default();
        let (mut current, mut way_back): (Option<LedgerEntry>, Option<LedgerEntry>) = (None, None);
        for (number, step) in (1u64..).zip(steps) {
            let second = i64::try_from(number).unwrap();
            match step {
                Step::Deploy { commit, place } => {
                    let commit = format!("c{commit}");
                    let last = ledger.entries().iter().find(|e| {
                        e.commit == commit
                            && matches!(e.standing, Standing::Good | Standing::Rejected)
                    });
                    let rejected = last.is_some_and(|e| e.standing == Standing::Rejected);
                    match ledger.refuses(&commit, &from(place)) {
                        Some(refusal) if rejected =>
                            prop_assert_eq!(refusal.against, Against::Verdict),
                        Some(refusal) => {
                            prop_assert_eq!(refusal.against, Against::Order);
                            prop_assert!(ledger.entries().iter().any(|e| e.origin.place > Some(place)));
                        }
                        None => {
                            prop_assert!(!rejected, "a rejected commit came back");
                            if let Some(now) = &current {
                                prop_assert!(now.origin.place <= Some(place), "older over newer");
                                if ledger.is_good(&now.release) {
                                    way_back = current.clone();
                                }
                            }
                            let new = entry(number, &commit, place, second);
                            ledger.deployed(new.clone());
                            current = Some(new);
                        }
                    }
                }
                Step::Judge => if let Some(now) = &current {
                    ledger.judged_good(&now.release, &now.run_id, at(second));
                },
                Step::TakeBack { judged } => if let Some(now) = current.take() {
                    let to = way_back.take();
                    let release = to.as_ref().map(|e| &e.release);
                    prop_assert!(release.is_none_or(|r| ledger.is_good(r)), "back to what is not good");
                    ledger.taken_back(&now.release, release, (judged, "why"), at(second));
                    prop_assert!(!ledger.is_good(&now.release));
                    current = to;
                },
            }
            let serving: Vec<_> =
                ledger.entries().iter().filter(|e| e.serving_since.is_some()).collect();
            prop_assert!(serving.len() <= 1, "two in effect: {:?}", serving);
            prop_assert_eq!(
                serving.first().map(|e| &e.release), current.as_ref().map(|e| &e.release)
            );
        }
    }
}
