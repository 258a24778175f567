//! Runs, logs, locks, approvals and what is kept by key.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pact_agent::ports::{
    ApprovalAnswer, ApprovalRecord, Callbacks as _, Claim, EnvironmentView, Environments as _,
    Idempotency as _, Lock, Outbox as _, OutboxEntry, Policies as _, Recorder as _, Registry as _,
    RunReader as _, Runs as _, SendLater, StoreError,
};
use pact_contract::{
    RunStatus, StageRecord, StageStatus,
    actions::{EnvironmentRecord, ReleaseRecord},
    log::{self, LogKind, NewEntry},
    policy::PolicyRecord,
    run::{NotificationRecord, Outcome},
    settings::{Environment, Instance, Watch},
};
use serde_json::{Value, json};

use super::{environment, id, request, store};

const HOUR: Duration = Duration::from_secs(3_600);

fn outcome(status: RunStatus) -> Outcome {
    Outcome {
        status,
        reason: "because".to_owned(),
        template: Some("default".to_owned()),
        decision: None,
        deployments: Vec::new(),
        fault: None,
    }
}

#[tokio::test]
async fn a_run_is_created_once_and_finished_once() {
    let store = store().await;
    let first = request("acme/web", "main", 1);
    let id = &first.run_id;
    assert_eq!(store.run(id).await.unwrap(), None);
    let nothing = store.finish_run(id, &outcome(RunStatus::Failed), Timestamp::now()).await;
    assert!(!nothing.unwrap(), "a run that does not exist is not finished");

    store.create_run(&first, "arn:1", RunStatus::Running, None).await.unwrap();
    let mut again = first.clone();
    again.message = Some("another".to_owned());
    store.create_run(&again, "arn:2", RunStatus::Running, None).await.unwrap();
    let run = store.run(id).await.unwrap().unwrap();
    assert_eq!(
        (run.request, run.status, run.execution_arn.as_str()),
        (first.clone(), RunStatus::Running, "arn:1")
    );

    let at = Timestamp::now();
    assert!(store.finish_run(id, &outcome(RunStatus::Succeeded), at).await.unwrap());
    assert!(!store.finish_run(id, &outcome(RunStatus::Cancelled), at).await.unwrap());
    let run = store.run(id).await.unwrap().unwrap();
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(run.finished_at, Some(at));
    assert_eq!(run.outcome, Some(outcome(RunStatus::Succeeded)));
}

#[tokio::test]
async fn a_run_is_read_as_the_state_machine_writes_its_end() {
    let store = store().await;
    let run = request("acme/web", "main", 1);
    store.create_run(&run, "arn", RunStatus::Running, None).await.unwrap();
    let write = |outcome: &str| {
        store
            .client
            .update_item()
            .table_name(&store.table)
            .key("pk", super::super::s(format!("RUN#{}", run.run_id)))
            .key("sk", super::super::s("RUN"))
            .update_expression("SET #s = :s, finished_at = :f, outcome = :o")
            .expression_attribute_names("#s", "status")
            .expression_attribute_values(":s", super::super::s("rolled_back"))
            .expression_attribute_values(":f", super::super::s("2026-11-22T10:00:00.123Z"))
            .expression_attribute_values(":o", super::super::s(outcome))
            .send()
    };
    write(r#"{"status":"rolled_back","reason":"unhealthy","template":null}"#).await.unwrap();
    let found = store.run(&run.run_id).await.unwrap().unwrap();
    assert_eq!(found.status, RunStatus::RolledBack);
    assert_eq!(found.outcome.unwrap().reason, "unhealthy");
    assert_eq!(found.finished_at.unwrap().to_string(), "2026-11-22T10:00:00.123Z");

    write("{ not json").await.unwrap();
    let found = store.run(&run.run_id).await.unwrap().unwrap();
    let outcome = found.outcome.unwrap();
    assert_eq!((found.status, outcome.status), (RunStatus::RolledBack, RunStatus::RolledBack));
    assert!(
        outcome.reason.contains("RUN cannot be read: its \"outcome\" is no JSON"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn of_many_claims_one_is_new_until_it_expires() {
    let store = store().await;
    let claims = (0..10).map(|n| {
        let store = store.clone();
        tokio::spawn(
            async move { store.claim("push", &id(&format!("run-{n}")), HOUR).await.unwrap() },
        )
    });
    let mut new = Vec::new();
    let mut seen = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.unwrap() {
            Claim::New => new.push(()),
            Claim::Seen { run_id } => seen.push(run_id),
        }
    }
    assert_eq!((new.len(), seen.len()), (1, 9));
    assert!(seen.iter().all(|id| id == &seen[0]), "{seen:?}");

    store.unclaim("push").await.unwrap();
    assert_eq!(store.claim("push", &id("next"), Duration::ZERO).await.unwrap(), Claim::New);
    // That claim was kept for no time at all.
    assert_eq!(store.claim("push", &id("last"), HOUR).await.unwrap(), Claim::New);
}

#[tokio::test]
async fn the_first_answer_stays() {
    let store = store().await;
    let key = format!("run/State/{}", "x".repeat(3_000));
    for key in ["run/State/2026-11-22T10:00:00Z", &key] {
        assert_eq!(store.completed(key).await.unwrap(), None);
        store.complete(key, &json!({ "n": 1.5, "t": "ä" })).await.unwrap();
        store.complete(key, &json!({ "n": 2 })).await.unwrap();
        assert_eq!(store.completed(key).await.unwrap(), Some(json!({ "n": 1.5, "t": "ä" })));
    }
}

fn entry(actor: &str, n: u64) -> NewEntry {
    NewEntry {
        timestamp: Timestamp::now(),
        actor: actor.to_owned(),
        kind: LogKind::Event,
        action: "test".to_owned(),
        body: json!({ "n": n }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_many_append_to_has_no_gap_and_verifies() {
    let store = store().await;
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..5 {
                store.append_log(&id("run"), entry(&format!("writer-{writer}"), n)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let entries = store.log(&id("run")).await.unwrap();
    assert_eq!(entries.items.len(), 40);
    assert_eq!(log::verify(&entries.items), Ok(()));
    for writer in 0..8 {
        let name = format!("writer-{writer}");
        let own: Vec<&Value> =
            entries.items.iter().filter(|e| e.actor == name).map(|e| &e.body["n"]).collect();
        assert_eq!(own, [0, 1, 2, 3, 4].map(|n| json!(n)).iter().collect::<Vec<_>>());
    }
    assert!(store.log(&id("another")).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_lock_is_held_renewed_refused_taken_over_and_given_back() {
    let store = store().await;
    let lock = |run: &'static str, lease| {
        let store = store.clone();
        async move { store.lock(&environment("acme/web#staging"), &id(run), lease).await.unwrap() }
    };
    assert_eq!(lock("a", HOUR).await, Lock::Held { fence: 1 });
    assert_eq!(lock("a", HOUR).await, Lock::Held { fence: 1 }, "renewed");
    assert_eq!(lock("b", HOUR).await, Lock::Busy { run_id: id("a") });
    store.unlock(&environment("acme/web#staging"), &id("b")).await.unwrap();
    assert_eq!(lock("b", HOUR).await, Lock::Busy { run_id: id("a") }, "not b's to give");

    // A renewal with no lease at all: it is over at once.
    assert_eq!(lock("a", Duration::ZERO).await, Lock::Held { fence: 1 });
    assert_eq!(lock("b", HOUR).await, Lock::Held { fence: 2 }, "taken over");
    assert_eq!(lock("a", HOUR).await, Lock::Busy { run_id: id("b") });

    let record = EnvironmentRecord { url: Some("http://x".to_owned()), ..<_>::default() };
    let late = store.store(&environment("acme/web#staging"), &record, 1).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    store.store(&environment("acme/web#staging"), &record, 2).await.unwrap();
    assert_eq!(store.load(&environment("acme/web#staging")).await.unwrap(), record);
    assert_eq!(store.load(&environment("acme/web#production")).await.unwrap(), <_>::default());

    store.unlock(&environment("acme/web#staging"), &id("b")).await.unwrap();
    assert_eq!(lock("a", HOUR).await, Lock::Held { fence: 3 });
}

#[tokio::test]
async fn of_many_runs_one_gets_the_lock() {
    let store = store().await;
    let runs = (0..10).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .lock(&environment("acme/web#production"), &id(&format!("run-{n}")), HOUR)
                .await
                .unwrap()
        })
    });
    let mut held = 0;
    for run in runs.collect::<Vec<_>>() {
        held += usize::from(run.await.unwrap() == Lock::Held { fence: 1 });
    }
    assert_eq!(held, 1);
}

#[tokio::test]
async fn the_state_machine_unlocks_by_removing_two_attributes() {
    let store = store().await;
    assert_eq!(
        store.lock(&environment("r#staging"), &id("a"), HOUR).await.unwrap(),
        Lock::Held { fence: 1 }
    );
    store
        .client
        .update_item()
        .table_name(&store.table)
        .key("pk", super::super::s("ENV#r#staging"))
        .key("sk", super::super::s("ENV"))
        .update_expression("REMOVE lock_run, lock_expires")
        .condition_expression("lock_run = :run")
        .expression_attribute_values(":run", super::super::s("a"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        store.lock(&environment("r#staging"), &id("b"), HOUR).await.unwrap(),
        Lock::Held { fence: 2 }
    );
}

#[tokio::test]
async fn every_environment_is_listed_with_its_record() {
    let store = store().await;
    let settings = Environment {
        target: Instance::new("directory"),
        health: Vec::new(),
        approval: None,
        watch: Some(Watch::default()),
        shift: Default::default(),
        freeze: Vec::new(),
        no_return: None,
        wave_of: None,
    };
    let record = EnvironmentRecord {
        current: Some(ReleaseRecord {
            release: "r1".parse().unwrap(),
            commit: "c".to_owned(),
            run_id: id("run"),
            deployed_at: Timestamp::now(),
            settings,
        }),
        ..<_>::default()
    };
    store.store(&environment("acme/api#staging"), &record, 0).await.unwrap();
    store.lock(&environment("acme/web#production"), &id("a"), HOUR).await.unwrap();
    let listed = store.environments().await.unwrap();
    assert_eq!(
        listed.items,
        [
            EnvironmentView {
                key: environment("acme/api#staging"),
                record,
                watch: None,
                incident: None,
                budget: None,
            },
            EnvironmentView {
                key: environment("acme/web#production"),
                record: EnvironmentRecord::default(),
                watch: None,
                incident: None,
                budget: None,
            },
        ]
    );
}

fn approval(callback: &str, state: &str) -> ApprovalRecord {
    ApprovalRecord {
        schema: ApprovalRecord::VERSION,
        callback: callback.to_owned(),
        run_id: id("run"),
        state: state.parse().unwrap(),
        question: "release r1?".to_owned(),
        expires_at: Timestamp::now() + SignedDuration::from_hours(1),
        people: 1,
        agreed: Vec::new(),
        answer: None,
    }
}

#[tokio::test]
async fn an_approval_keeps_its_callback_and_takes_one_answer() {
    let store = store().await;
    let first = approval("aa", "AwaitApproval");
    assert_eq!(store.question(&first.run_id, &first.state).await.unwrap(), None);
    assert_eq!(store.open_approval(&first, "token-1").await.unwrap(), first);
    assert_eq!(store.question(&first.run_id, &first.state).await.unwrap(), Some(first.clone()));
    let again = store.open_approval(&approval("bb", "AwaitApproval"), "token-2").await.unwrap();
    assert_eq!(again, first);
    assert_eq!(store.approval("aa").await.unwrap(), Some((first.clone(), "token-2".to_owned())));
    assert_eq!(store.approval("bb").await.unwrap(), None);
    assert_eq!(store.approval(&"x".repeat(9_000)).await.unwrap(), None);
    store.open_approval(&approval("cc", "Another"), "token-3").await.unwrap();

    let answers = (0..6).map(|n| {
        let store = store.clone();
        let answer = ApprovalAnswer {
            approved: n % 2 == 0,
            by: format!("person-{n}"),
            owner: String::new(),
            reason: None,
            at: Timestamp::now(),
        };
        tokio::spawn(async move { store.answer_approval("aa", &answer).await.unwrap() })
    });
    let mut taken = 0;
    for answer in answers.collect::<Vec<_>>() {
        taken += usize::from(answer.await.unwrap());
    }
    assert_eq!(taken, 1);
    let listed = store.approvals(&id("run")).await.unwrap().items;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().filter(|a| a.answer.is_some()).count(), 1);
    let answer = ApprovalAnswer {
        approved: true,
        by: "x".to_owned(),
        owner: String::new(),
        reason: None,
        at: Timestamp::now(),
    };
    assert!(!store.answer_approval("unknown", &answer).await.unwrap());
}

#[tokio::test]
async fn of_many_that_open_one_approval_all_get_the_same_callback() {
    let store = store().await;
    let opened = (0..6).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let approval = approval(&format!("callback-{n}"), "AwaitApproval");
            store.open_approval(&approval, &format!("token-{n}")).await.unwrap().callback
        })
    });
    let mut callbacks = Vec::new();
    for one in opened.collect::<Vec<_>>() {
        callbacks.push(one.await.unwrap());
    }
    callbacks.dedup();
    assert_eq!(callbacks.len(), 1, "{callbacks:?}");
}

#[tokio::test]
async fn notifications_are_kept_by_channel() {
    let store = store().await;
    let entry = |channel: &str, detail: &str| OutboxEntry {
        record: NotificationRecord {
            channel: channel.to_owned(),
            sent: false,
            detail: detail.to_owned(),
        },
        body: "text".to_owned(),
        reference: None,
        at: Timestamp::now(),
        later: None,
    };
    assert_eq!(store.notification(&id("run"), "slack").await.unwrap(), None);
    store.put_notification(&id("run"), &entry("slack", "first")).await.unwrap();
    store.put_notification(&id("run"), &entry("slack", "second")).await.unwrap();
    store.put_notification(&id("run"), &entry("email", "third")).await.unwrap();
    let slack = store.notification(&id("run"), "slack").await.unwrap().unwrap();
    assert_eq!(slack.record.detail, "second");
    let all = store.notifications(&id("run")).await.unwrap().items;
    assert_eq!(all.len(), 2);

    // What is to be sent again is listed from when it is due, and taken by one alone.
    let now = Timestamp::now();
    let email = store.notification(&id("run"), "email").await.unwrap().unwrap();
    let later = SendLater::new("notify.email_stakeholders".to_owned(), Default::default(), now);
    let due = later.due;
    let waits = OutboxEntry { later: Some(later.clone()), ..email.clone() };
    assert!(store.replace_notification(&id("run"), &email, &waits).await.unwrap());
    assert_eq!(store.due_notifications(now, 10).await.unwrap(), []);
    assert_eq!(store.due_notifications(due, 10).await.unwrap(), [(id("run"), "email".to_owned())]);
    let taken = OutboxEntry { later: Some(later.taken(due)), ..email.clone() };
    assert!(store.replace_notification(&id("run"), &waits, &taken).await.unwrap());
    assert!(!store.replace_notification(&id("run"), &waits, &taken).await.unwrap());
    assert_eq!(store.due_notifications(due, 10).await.unwrap(), []);
    store.put_notification(&id("run"), &email).await.unwrap();
    let far = due + jiff::SignedDuration::from_hours(100);
    assert_eq!(store.due_notifications(far, 10).await.unwrap(), []);
}

fn stage(state: &str, second: i64, summary: &str) -> StageRecord {
    StageRecord {
        schema: StageRecord::VERSION,
        run_id: id("run"),
        state: state.parse().unwrap(),
        agent: "test-agent".to_owned(),
        action: "tests.run_unit".to_owned(),
        status: StageStatus::Passed,
        summary: summary.to_owned(),
        attempt: 1,
        started_at: Timestamp::from_second(second).unwrap(),
        finished_at: None,
        duration_ms: 0,
        findings: Vec::new(),
        findings_total: 0,
        output: Value::Null,
        details_key: None,
        error: None,
        fallback: None,
    }
}

#[tokio::test]
async fn stages_come_in_the_order_in_which_they_began() {
    let store = store().await;
    for record in [stage("B", 2, ""), stage("A", 3, "old"), stage("C", 1, "")] {
        store.record_stage(&record).await.unwrap();
    }
    store.record_stage(&stage("A", 3, "new")).await.unwrap();
    store.append_log(&id("run"), entry("x", 1)).await.unwrap();
    let stages = store.stages(&id("run")).await.unwrap().items;
    let names: Vec<_> = stages.iter().map(|s| (s.state.as_str(), s.summary.as_str())).collect();
    assert_eq!(names, [("C", ""), ("B", ""), ("A", "new")]);
}

#[tokio::test]
async fn more_than_one_page_of_stages_is_read() {
    let store = store().await;
    // DynamoDB ends a page after a megabyte.
    let text = "x".repeat(300_000);
    for n in 0..8 {
        store.record_stage(&stage(&format!("S{n}"), n, &text)).await.unwrap();
    }
    assert_eq!(store.stages(&id("run")).await.unwrap().items.len(), 8);
}

#[tokio::test]
async fn a_branch_is_changed_on_the_version_that_was_read() {
    use pact_agent::ports::Branches as _;
    use pact_contract::pushes::{BranchRecord, PlacedPush};

    let store = store().await;
    let repository = "acme/web".parse().unwrap();
    let main = "refs/heads/main";
    let (mut record, version) = store.branch(&repository, main).await.unwrap();
    assert_eq!((record.clone(), version), (BranchRecord::default(), 0));
    record.add(PlacedPush {
        place: 1,
        before: None,
        after: "c1".to_owned(),
        run_id: id("r-1"),
        found: false,
    });
    assert!(store.store_branch(&repository, main, &record, 0).await.unwrap());
    assert!(!store.store_branch(&repository, main, &BranchRecord::default(), 0).await.unwrap());
    assert_eq!(store.branch(&repository, main).await.unwrap(), (record.clone(), 1));
    assert!(store.store_branch(&repository, main, &record, 1).await.unwrap());
    assert!(!store.store_branch(&repository, main, &record, 1).await.unwrap());
    assert_eq!(store.branch(&repository, "refs/heads/dev").await.unwrap().1, 0);
}

#[tokio::test]
async fn rules_are_those_of_the_latest_push_and_go_with_their_repository() {
    let store = store().await;
    let name = "acme/web".parse().unwrap();
    let rules = |branch: &str, place| PolicyRecord {
        schema: PolicyRecord::VERSION,
        commit: "2".repeat(40),
        branch: branch.to_owned(),
        place,
        run_id: id("run-1"),
        path: None,
        text: None,
        loosened: Vec::new(),
        agreed_by: None,
        at: Timestamp::UNIX_EPOCH,
    };
    assert_eq!(store.policy(&name).await.unwrap(), None);
    // Another default branch has an order of its own.
    let order = [("main", 2, true), ("main", 1, false), ("main", 2, true), ("main", 3, true)];
    for (branch, place, counts) in order.into_iter().chain([("trunk", 1, true)]) {
        let counted = store.put_policy(&name, &rules(branch, place)).await.unwrap();
        assert_eq!(counted, counts, "{branch} {place}");
    }
    assert_eq!(store.policy(&name).await.unwrap(), Some(rules("trunk", 1)));
    store.remove_repository(&name).await.unwrap();
    assert_eq!(store.policy(&name).await.unwrap(), None);
}
