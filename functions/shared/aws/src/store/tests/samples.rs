//! What each version wrote, as it was written: it stays readable, and a form does not change
//! without its version.
//!
//! `samples/unversioned.json` is what was written before items carried a version.
//! `samples/written.json` is what is written now. Whoever raises a version keeps that item under
//! its old version in a file of its own, which [`OLDER`] names, before the sample is renewed with
//! `PACT_RENEW=1`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pact_agent::access::{Sessions as _, Tokens as _};
use pact_agent::heads::Heads as _;
use pact_agent::incidents::Incidents as _;
use pact_agent::ports::{
    ApprovalAnswer, ApprovalRecord, Branches, Callbacks as _, Claim, Environments as _,
    Idempotency as _, Outbox as _, OutboxEntry, Policies as _, Recorder as _, Registry as _,
    RunReader as _, Runs, SendLater,
};
use pact_agent::pulls::Pulls as _;
use pact_agent::statuses::Statuses as _;
use pact_agent::waiting::WaitingCalls as _;
use pact_contract::{
    Deployment, Finding, RunId, RunStatus, Severity, StageRecord, StageStatus,
    access::{Credential, Revoked, Scope, Scopes, SessionRecord, TokenId, TokenRecord},
    actions::{EnvironmentRecord, PendingDeployment, ReleaseRecord, WatchResult},
    codes,
    heads::HeadsRecord,
    incident::{Health, Incident, IncidentId, Seen},
    ledger::{Ledger, LedgerEntry, OnPurpose, Origin, Standing},
    log::{self, LogKind, NewEntry},
    objectives::{Budget, Counts},
    policy::{Floor, PolicyRecord},
    pushes::{BranchRecord, PlacedPush},
    registry::{Allowed, Forks, PullRecord, RepositoryEntry},
    run::{DeploymentStatus, NotificationRecord, Outcome, PullRequest},
    settings::{Environment, Instance, Template, Watch},
    statuses::{CommitState, CommitStatus, StatusKey, StatusRecord, StatusSettings},
};
use serde_json::{Value, json};

use super::{super::item::Item, environment, id, request, store, waiting::call_of};
use crate::DynamoStore;

/// Files of what earlier versions wrote.
const OLDER: &[&str] = &["unversioned", "first"];

const HOUR: Duration = Duration::from_secs(3_600);

/// Attributes that are another each time.
const VOLATILE: &[&str] = &["expires", "lock_expires"];

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/store/tests/samples");
    folder.join(format!("{name}.json"))
}

fn read(name: &str) -> Vec<serde_json::Map<String, Value>> {
    let text = std::fs::read_to_string(file(name)).unwrap_or_else(|_| "[]".to_owned());
    serde_json::from_str(&text).unwrap()
}

/// An item of a sample: a document stands for its text.
fn item(sample: &serde_json::Map<String, Value>) -> Item {
    let attribute = |value: &Value| match value {
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        document => AttributeValue::S(document.to_string()),
    };
    sample.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// A store that has what a file has, however it came there.
pub(super) async fn holding(name: &str) -> DynamoStore {
    let store = store().await;
    for sample in read(name) {
        put(&store, item(&sample)).await;
    }
    store
}

/// Puts an item as it is.
pub(super) async fn put(store: &DynamoStore, item: Item) {
    let put = store.client.put_item().table_name(&store.table).set_item(Some(item));
    put.send().await.unwrap();
}

/// Takes an item away.
pub(super) async fn take(store: &DynamoStore, item: &Item) {
    let key = |name: &str| item[name].clone();
    let gone = store.client.delete_item().table_name(&store.table);
    gone.key("pk", key("pk")).key("sk", key("sk")).send().await.unwrap();
}

/// Every item of a store, by its key.
pub(super) async fn items(store: &DynamoStore) -> BTreeMap<(String, String), Item> {
    let all = store.client.scan().table_name(&store.table).send().await.unwrap();
    assert!(all.last_evaluated_key.is_none(), "one page is all");
    let key = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    let items = all.items.unwrap_or_default().into_iter();
    items.map(|item| ((key(&item, "pk"), key(&item, "sk")), item)).collect()
}

fn sample_of(item: &Item) -> Value {
    let value = |name: &str, attribute: &AttributeValue| match attribute {
        // Far enough for a sample that is read again.
        AttributeValue::N(_) if VOLATILE.contains(&name) => json!(4_102_444_800_u64),
        AttributeValue::N(number) => serde_json::from_str(number).unwrap(),
        AttributeValue::S(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap()
        }
        AttributeValue::S(text) => json!(text),
        other => panic!("{name} is {other:?}"),
    };
    item.iter().map(|(name, attribute)| (name.clone(), value(name, attribute))).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn run(number: i64) -> pact_contract::RunRequest {
    request("acme/web-shop", "main", number)
}

fn release(name: &str, run_id: &RunId) -> ReleaseRecord {
    let mut target = Instance::new("directory");
    target.settings.insert("keep".to_owned(), json!(5));
    let settings = Environment {
        target,
        health: Vec::new(),
        approval: None,
        watch: Some(Watch { source: Some(Instance::new("probe")), ..Watch::default() }),
        shift: Default::default(),
        freeze: Vec::new(),
        no_return: None,
        wave_of: None,
    };
    ReleaseRecord {
        release: name.parse().unwrap(),
        commit: "2".repeat(40),
        run_id: run_id.clone(),
        deployed_at: at(30),
        settings,
    }
}

fn ledger(run_id: &RunId) -> Ledger {
    let mut ledger = Ledger::default();
    let entry = LedgerEntry {
        release: "r1".parse().unwrap(),
        commit: "2".repeat(40),
        run_id: run_id.clone(),
        origin: Origin {
            branch: Some("main".to_owned()),
            place: Some(7),
            on_purpose: Some(OnPurpose { by: "ada".to_owned(), reason: "a drill".to_owned() }),
        },
        standing: Standing::Candidate,
        reason: None,
        deployed_at: at(30),
        judged_at: None,
        serving_since: None,
        served_seconds: 0,
    };
    ledger.deployed(entry);
    ledger
}

/// Writes two of everything, the same each time: the first whole, the second bare.
pub(super) async fn fill(store: &DynamoStore) {
    let (first, second) = (run(1), run(2));
    for run in [&first, &second] {
        store
            .create_run(run, &format!("arn:{}", run.run_id), RunStatus::Running, None)
            .await
            .unwrap();
    }
    let run_id = &first.run_id;
    let deployment = Deployment {
        environment: "staging".parse().unwrap(),
        tier: None,
        release: Some("r2".parse().unwrap()),
        previous: Some("r1".parse().unwrap()),
        status: DeploymentStatus::RolledBack,
        url: Some("http://127.0.0.1:40001".to_owned()),
        weight: None,
        weights: Vec::new(),
        apart: None,
        wave_of: None,
    };
    let outcome = Outcome {
        template: Some("default".to_owned()),
        deployments: vec![deployment],
        ..Outcome::unknown(RunStatus::RolledBack, "not healthy".to_owned())
    };
    assert!(store.finish_run(run_id, &outcome, at(60)).await.unwrap());
    for (state, findings) in [
        ("RunUnitTests", vec![Finding::new(codes::TEST_FAILED, Severity::High, "failed")]),
        ("ScanSecrets", Vec::new()),
    ] {
        let record = StageRecord {
            schema: StageRecord::VERSION,
            run_id: run_id.clone(),
            state: state.parse().unwrap(),
            agent: "test-agent".to_owned(),
            action: "tests.run_unit".to_owned(),
            status: StageStatus::Failed,
            summary: "1 of 2 tests failed".to_owned(),
            attempt: 1,
            started_at: at(3),
            finished_at: Some(at(5)),
            duration_ms: 2_000,
            findings_total: findings.len(),
            findings,
            output: json!({ "failed": 1 }),
            details_key: Some("runs/x/details.json".to_owned()),
            error: None,
            fallback: None,
        };
        store.record_stage(&record).await.unwrap();
    }
    for number in 0..2 {
        let entry = NewEntry {
            timestamp: at(number),
            actor: "code-agent".to_owned(),
            kind: LogKind::Response,
            action: "code.analyze_changes".to_owned(),
            body: json!({ "status": "passed" }),
        };
        store.append_log(run_id, entry).await.unwrap();
    }
    for channel in ["email", "slack"] {
        let record = NotificationRecord {
            channel: channel.to_owned(),
            sent: true,
            detail: "#releases".to_owned(),
        };
        let entry = OutboxEntry {
            record,
            body: "It is out.".to_owned(),
            reference: Some("1.2".to_owned()),
            at: at(61),
            later: (channel == "email").then(|| {
                let run = json!({ "run_id": run_id }).as_object().cloned().unwrap();
                SendLater::new("notify.email_stakeholders".to_owned(), run, at(61))
            }),
        };
        store.put_notification(run_id, &entry).await.unwrap();
    }
    for (state, callback) in [("ApproveFirst", "c0ffee"), ("AwaitApproval", "decaf")] {
        let approval = ApprovalRecord {
            schema: ApprovalRecord::VERSION,
            callback: callback.to_owned(),
            run_id: run_id.clone(),
            state: state.parse().unwrap(),
            question: "Deploy it?".to_owned(),
            expires_at: at(3_600),
            people: 1,
            agreed: Vec::new(),
            answer: None,
        };
        store.open_approval(&approval, "token").await.unwrap();
    }
    let answer = ApprovalAnswer {
        approved: true,
        by: "ada".to_owned(),
        owner: String::new(),
        reason: None,
        at: at(40),
    };
    assert!(store.answer_approval("c0ffee", &answer).await.unwrap());
    for name in ["production", "staging"] {
        let key = environment(&format!("acme/web-shop#{name}"));
        store.lock(&key, run_id, HOUR).await.unwrap();
        let record = EnvironmentRecord {
            current: Some(release("r1", run_id)),
            previous: None,
            pending: Some(PendingDeployment {
                release: release("r2", run_id),
                replaces: Some(release("r1", run_id)),
                fence: 1,
                shift: None,
            }),
            url: Some("http://127.0.0.1:40001".to_owned()),
            ledger: ledger(run_id),
        };
        store.store(&key, &record, 1).await.unwrap();
        // As its state machine does.
        let watched = store.client.update_item().table_name(&store.table);
        let expression = "SET watch_health = :health, watch_summary = :health, watched_at = :now, \
            watch_schema = :schema, good_run = :run, good_at = :now";
        watched
            .key("pk", AttributeValue::S(format!("ENV#{key}")))
            .key("sk", AttributeValue::S("ENV".to_owned()))
            .update_expression(expression)
            .expression_attribute_values(":health", AttributeValue::S("healthy".to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(at(70).to_string()))
            .expression_attribute_values(":schema", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":run", AttributeValue::S(run_id.to_string()))
            .send()
            .await
            .unwrap();
    }
    for name in ["acme/blog", "acme/web-shop"] {
        let entry = RepositoryEntry {
            schema: RepositoryEntry::VERSION,
            name: name.parse().unwrap(),
            url: format!("https://git.example/{name}"),
            local: Some("file:///srv/shop".to_owned()),
            default_branch: Some("main".to_owned()),
            branches: vec!["main".to_owned()],
            floor: Floor { template: Some(Template::Production), ..Floor::default() },
            forks: Forks::Run,
            host: Some("github".to_owned()),
            statuses: Some(StatusSettings {
                host: "github".to_owned(),
                api: "https://git.example/api/v3".to_owned(),
            }),
            rotation: None,
            registered_by: "ada".to_owned(),
            registered_at: at(0),
        };
        assert!(store.put_repository(&entry, None).await.unwrap());
    }
    fill_access(store).await;
    fill_statuses(store, run_id).await;
    fill_incidents(store, run_id).await;
    let rules = PolicyRecord {
        schema: PolicyRecord::VERSION,
        commit: "2".repeat(40),
        branch: "main".to_owned(),
        place: 7,
        run_id: run_id.clone(),
        path: Some("pact.toml".to_owned()),
        text: Some("[gate]\nmin_coverage = 80\n".to_owned()),
        loosened: vec!["gate.min_coverage = 80 is less than 90".to_owned()],
        agreed_by: Some("ada".to_owned()),
        at: at(0),
    };
    assert!(store.put_policy(&"acme/blog".parse().unwrap(), &rules).await.unwrap());
    store.propose(&PolicyRecord { agreed_by: None, ..rules }).await.unwrap();
    for (state, key) in [("RunIntegrationTests", "k1"), ("RunUnitTests", "k2")] {
        let call = call_of(run_id.clone(), state.parse().unwrap(), key, json!({ "build": "b-1" }));
        store.keep(&call, "token").await.unwrap();
    }
    let mut branch = BranchRecord::default();
    branch.add(PlacedPush {
        place: 7,
        before: Some("1".repeat(40)),
        after: "2".repeat(40),
        run_id: run_id.clone(),
        found: true,
    });
    let repository = "acme/web-shop".parse().unwrap();
    let main = "refs/heads/main";
    assert!(Branches::store_branch(store, &repository, main, &branch, 0).await.unwrap());
    Runs::claim(store, "delivery/d-1", run_id, HOUR).await.unwrap();
    store.complete("key-1", &json!({ "response": { "status": "passed" } })).await.unwrap();
}

async fn fill_statuses(store: &DynamoStore, run_id: &RunId) {
    let wanted = CommitStatus {
        run_id: run_id.clone(),
        since: at(1),
        state: CommitState::Failure,
        description: "Rolled back: not healthy".to_owned(),
        url: "http://127.0.0.1:4000/runs/1".to_owned(),
    };
    for number in [7, 12] {
        let mut request = run(number);
        request.pull = Some(PullRequest {
            number: u64::try_from(number).unwrap(),
            target: "main".to_owned(),
            merge: Some(format!("refs/pull/{number}/merge")),
            fork: true,
            labels: Vec::new(),
        });
        let allowed = (number == 7).then(|| Allowed { by: "ada".to_owned(), at: at(3) });
        let schema = PullRecord::VERSION;
        let record = PullRecord { schema, request, asked_at: at(2), allowed };
        assert!(store.put_pull(&record, u64::try_from(number).unwrap(), None).await.unwrap());
    }
    let mut heads = HeadsRecord::new(
        "acme/web-shop".parse().unwrap(),
        "github".to_owned(),
        "http://127.0.0.1:4000".to_owned(),
        at(1),
    );
    heads.told("main", &"1".repeat(40));
    assert!(!heads.is_lost("wip", &"2".repeat(40), at(2)));
    let heads = heads.failed("did not answer in time".to_owned(), at(2));
    assert!(store.store_heads(&heads, 0).await.unwrap());
    for digit in ["1", "2"] {
        let key = StatusKey {
            repository: "acme/web-shop".parse().unwrap(),
            commit: digit.repeat(40),
            context: "pact".to_owned(),
        };
        let record = StatusRecord {
            shown: Some(CommitStatus { state: CommitState::Pending, ..wanted.clone() }),
            attempts: 2,
            trouble: Some("GitHub answers 503".to_owned()),
            ..StatusRecord::new(key, wanted.clone(), at(9))
        };
        assert!(store.store_status(&record, 0).await.unwrap());
    }
}

async fn fill_incidents(store: &DynamoStore, run_id: &RunId) {
    for (environment, ended) in [("staging", true), ("production", false)] {
        let environment = format!("acme/web-shop#{environment}").parse().unwrap();
        let seen = Seen {
            environment,
            release: ended.then(|| "r1".parse().unwrap()),
            health: Health::Unhealthy,
            reason: "the probe / answers 500".to_owned(),
        };
        let mut incident = Incident::begin(IncidentId::new(&seen.cause(), 1), &seen, at(40));
        incident.take_back(&seen.environment, run_id);
        incident.acknowledge("ada", Some("on it".to_owned()), at(50));
        if ended {
            incident.close("ada", at(60));
            incident.end_told = true;
        }
        assert!(store.store_incident(&incident, 0).await.unwrap());
        let (health, summary) = ("healthy".to_owned(), "healthy".to_owned());
        let watch = WatchResult { health, summary, at: at(70) };
        let mut budget = Budget::default();
        budget.count(&Counts { requests: 25, errors: 2, slow: 1 }, at(40));
        store.keep_watch(&seen.environment, &watch, Some(&budget)).await.unwrap();
        store.set_incident_of(&seen.environment, Some(&incident.id)).await.unwrap();
    }
}

async fn fill_access(store: &DynamoStore) {
    let far = at(3_000_000_000);
    let first = TokenId::parse("0123456789abcdef").unwrap();
    let second = TokenId::parse("fedcba9876543210").unwrap();
    for id in [&first, &second] {
        let record = TokenRecord {
            schema: TokenRecord::VERSION,
            id: id.clone(),
            hash: "0".repeat(64),
            owner: "ada".to_owned(),
            scopes: [Scope::Read, Scope::Approve].into_iter().collect(),
            created_by: "installation".to_owned(),
            made_with: (*id == second).then(|| first.clone()),
            created_at: at(0),
            expires_at: far,
            revoked: (*id == second).then(|| Revoked { by: "ada".to_owned(), at: at(9) }),
        };
        assert!(store.put_token(&record, None).await.unwrap());
    }
    store.used(&first, at(7)).await.unwrap();
    let session = |credential| SessionRecord {
        schema: SessionRecord::VERSION,
        owner: "ada".to_owned(),
        scopes: Scopes::all(),
        credential,
        expires_at: far,
    };
    let mark = "1".repeat(64);
    let subject = "248289761001".to_owned();
    let provider = Credential::Provider { subject, mark: mark.clone() };
    store.open_session("a11ce", &session(provider)).await.unwrap();
    store.open_session("5e55", &session(Credential::Token { id: first })).await.unwrap();
    store.keep_code("c0de", &session(Credential::Installation { mark })).await.unwrap();
}

/// What `new` no longer has, or has as something else, of what `old` has.
fn lost(old: &Value, new: &Value, path: &str, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old {
                let path = format!("{path}/{name}");
                match new.get(name) {
                    Some(new) => lost(old, new, &path, found),
                    None => found.push(format!("{path} is gone")),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for (old, new) in old.iter().zip(new) {
                lost(old, new, path, found);
            }
        }
        (old, new) if std::mem::discriminant(old) == std::mem::discriminant(new) => {
            if old != new && old.is_string() {
                found.push(format!("{path} was {old} and is {new}"));
            }
        }
        (old, new) => found.push(format!("{path} was {old} and is {new}")),
    }
}

#[tokio::test]
async fn a_form_does_not_change_without_its_version() {
    let store = store().await;
    fill(&store).await;
    let written: Vec<Value> = items(&store).await.values().map(sample_of).collect();
    let kept: Vec<Value> = read("written").into_iter().map(Value::Object).collect();
    for item in &written {
        for version in ["schema", "expires"] {
            let for_ever = item["sk"] == "ENV"
                || item["pk"]
                    .as_str()
                    .is_some_and(|key| key.starts_with("REPOSITORY#") || key.starts_with("HEADS#"));
            let kept_for_ever = version == "expires" && for_ever;
            assert_eq!(item[version].is_u64(), !kept_for_ever, "{version} of {item}");
        }
    }
    let same_key = |a: &Value, b: &Value| a["pk"] == b["pk"] && a["sk"] == b["sk"];
    for old in &kept {
        let new = written.iter().find(|new| same_key(old, new)).expect("every item is written");
        let mut found = Vec::new();
        lost(old, new, "", &mut found);
        let raised = ["schema", "outcome_schema", "watch_schema"]
            .iter()
            .any(|version| old[version].as_u64() < new[version].as_u64());
        assert!(
            found.is_empty() || raised,
            "{} / {} is written in another form under the same version:\n  {}\n\
             raise the version and write the step to it, see `SchemaVersion`",
            old["pk"],
            old["sk"],
            found.join("\n  ")
        );
    }
    if std::env::var_os("PACT_RENEW").is_some() {
        let text = serde_json::to_string_pretty(&written).unwrap();
        std::fs::write(file("written"), text + "\n").unwrap();
    } else {
        assert_eq!(kept, written, "fields were added: renew the sample with PACT_RENEW=1");
    }
}

#[tokio::test]
async fn what_earlier_programs_wrote_is_read() {
    for name in OLDER {
        let store = holding(name).await;
        let run_id = id("web-shop-1111111111-0a0a0a0a0a");

        let run = store.run(&run_id).await.unwrap().expect("the run");
        assert_eq!(run.status, RunStatus::RolledBack);
        assert_eq!(run.request.repository.name.as_str(), "acme/web-shop");
        let outcome = run.outcome.expect("an outcome");
        assert_eq!(outcome.reason, "staging is not healthy");
        assert_eq!(
            outcome.deployments[0].previous.as_ref().expect("a release").as_str(),
            "20261122-220000-2222222222"
        );
        assert_eq!(outcome.fault.expect("a fault").sentence(), "ERR_TIMEOUT: no answer");
        assert!(outcome.decision.expect("a decision").reasons[0].required);
        let page = store.latest_runs(&pact_agent::ports::RunQuery::default()).await.unwrap();
        assert_eq!((page.runs.len(), page.unreadable.len()), (1, 0));

        let stages = store.stages(&run_id).await.unwrap();
        assert_eq!(stages.unreadable, [], "{name}");
        assert_eq!(stages.items[0].findings[0].code, codes::TEST_FAILED);
        let entries = store.log(&run_id).await.unwrap();
        log::verify(&entries.items).expect("the chain is whole");
        let next = NewEntry {
            timestamp: at(9),
            actor: "pact.gateway".to_owned(),
            kind: LogKind::Event,
            action: "runs.cancel".to_owned(),
            body: Value::Null,
        };
        assert_eq!(store.append_log(&run_id, next).await.unwrap().sequence, 3);
        let entries = store.log(&run_id).await.unwrap();
        log::verify(&entries.items).expect("the chain goes on");
        let outbox = store.notifications(&run_id).await.unwrap();
        assert_eq!(outbox.items[0].reference.as_deref(), Some("1700000000.1"));
        let approvals = store.approvals(&run_id).await.unwrap();
        assert_eq!(approvals.items[0].answer.as_ref().expect("an answer").by, "ada");
        assert_eq!(store.approval("c0ffee").await.unwrap().expect("a callback").1, "token-1");

        let environments = store.environments().await.unwrap();
        assert_eq!(environments.unreadable, [], "{name}");
        let environment = &environments.items[0];
        let watch = &environment.record.current.as_ref().expect("a release").settings.watch;
        let source = watch.as_ref().and_then(|w| w.source.as_ref());
        let source = source.expect("every release was probed");
        assert_eq!((source.kind.as_str(), &source.settings["interval_ms"]), ("probe", &json!(50)));
        // Before there was a ledger, what was in effect counted as good.
        let current = environment.record.current.as_ref().expect("a release");
        assert!(environment.record.ledger.is_good(&current.release), "{name}");
        assert_eq!(environment.watch.as_ref().expect("a watch").health, "healthy");
        // Whoever holds it goes on, under the same fence.
        let held = store.lock(&environment.key, &run_id, HOUR).await.unwrap();
        assert_eq!(held, pact_agent::ports::Lock::Held { fence: 3 });
        store.store(&environment.key, &environment.record, 3).await.unwrap();
        assert_eq!(store.load(&environment.key).await.unwrap(), environment.record);

        let claim = Runs::claim(&store, "delivery/d-1", &id("another"), HOUR).await.unwrap();
        assert_eq!(claim, Claim::Seen { run_id });
        let answer = store.completed("key-1").await.unwrap();
        assert_eq!(answer, Some(json!({ "response": { "status": "passed" } })));
        for (kind, count) in [
            ("stages", stages.unreadable.len()),
            ("log", entries.unreadable.len()),
            ("notifications", outbox.unreadable.len()),
            ("approvals", approvals.unreadable.len()),
            ("environments", environments.unreadable.len()),
        ] {
            assert_eq!(count, 0, "{kind} of {name}");
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_not_there_and_its_run_goes_first() {
    let store = store().await;
    fill(&store).await;
    let expires =
        |item: &Item| item.get("expires").map(|e| e.as_n().unwrap().parse::<i64>().unwrap());
    let run_id = run(1).run_id;
    let all = items(&store).await;
    let of_run = expires(&all[&(format!("RUN#{run_id}"), "RUN".to_owned())]).unwrap();
    for ((pk, sk), item) in &all {
        let belongs = pk.ends_with(run_id.as_str()) || pk.starts_with("CALLBACK#");
        assert!(!belongs || expires(item).unwrap() >= of_run, "{pk} / {sk} goes before its run");
    }
    for (_, mut item) in all {
        item.insert("expires".to_owned(), AttributeValue::N("1700000000".to_owned()));
        if item["sk"].as_s().unwrap() != "ENV" {
            put(&store, item).await;
        }
    }
    assert_eq!(store.run(&run_id).await.unwrap(), None);
    let page = store.latest_runs(&pact_agent::ports::RunQuery::default()).await.unwrap();
    assert!(page.runs.is_empty() && page.unreadable.is_empty() && page.cursor.is_none());
    assert!(store.stages(&run_id).await.unwrap().items.is_empty());
    assert!(store.log(&run_id).await.unwrap().items.is_empty());
    assert!(store.notifications(&run_id).await.unwrap().items.is_empty());
    assert!(store.approvals(&run_id).await.unwrap().items.is_empty());
    assert_eq!(store.approval("decaf").await.unwrap(), None);
    assert_eq!(store.completed("key-1").await.unwrap(), None);
    assert_eq!(store.environments().await.unwrap().items.len(), 2, "these do not expire");
}

#[tokio::test]
async fn an_environment_of_a_newer_version_is_left_alone() {
    let store = store().await;
    fill(&store).await;
    let key = environment("acme/web-shop#staging");
    let record = store.load(&key).await.unwrap();
    let mut item = items(&store).await.remove(&(format!("ENV#{key}"), "ENV".to_owned())).unwrap();
    item.insert("schema".to_owned(), AttributeValue::N("9".to_owned()));
    item.remove("lock_run");
    put(&store, item.clone()).await;
    for error in [
        store.load(&key).await.unwrap_err(),
        store.lock(&key, &id("another"), HOUR).await.unwrap_err(),
        store.store(&key, &record, 1).await.unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("ENV#acme/web-shop#staging / ENV cannot be read"), "{error}");
        assert!(error.contains("version 9"), "{error}");
    }
    let after = items(&store).await.remove(&(format!("ENV#{key}"), "ENV".to_owned())).unwrap();
    assert_eq!(after, item);
}
