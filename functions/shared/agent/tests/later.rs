//! Answers that come later, whatever happens in between: once, to whoever waits last.
#![expect(clippy::expect_used, reason = "what a test needs is there, or the test fails")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use pact_agent::{
    Agent, AgentError, Call, Later, News, Outcome, Recording, Stand, adapter,
    error::StoreError,
    ports::Listed,
    testing::Memory,
    waiting::{TaskTokens, WaitingCall, WaitingCalls},
};
use pact_contract::{Capability, ErrorName, RunId, StageStatus, StateName};
use serde_json::{Value, json};

const OFFERED: &[Capability] = pact_contract::agents::TEST;

/// What happens outside, as far as the agent can see it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outside {
    Goes,
    Done,
    Down,
    Broken,
}

#[derive(Default)]
struct Seen {
    started: Vec<String>,
    stopped: usize,
    answers: Vec<(String, Result<Value, String>)>,
    call: Option<(WaitingCall, String)>,
    claimed: bool,
    noted: bool,
}

struct World {
    outside: Mutex<Outside>,
    seen: Mutex<Seen>,
}

#[async_trait]
impl Agent for World {
    fn id(&self) -> &'static str {
        "test-agent"
    }
    fn capabilities(&self) -> &'static [Capability] {
        OFFERED
    }
    async fn act(&self, _: &Call) -> Result<Outcome, AgentError> {
        Err(AgentError::internal("nobody waits in person"))
    }
    async fn begin(&self, _: &Call) -> Result<Stand, AgentError> {
        Ok(Stand::Later(json!({ "build": null })))
    }
    async fn look(&self, call: &Call, progress: &Value) -> Result<Stand, AgentError> {
        if progress["build"].is_null() {
            // The same key is the same build.
            let mut seen = self.seen.lock().expect("a lock");
            if !seen.started.contains(&call.key) {
                seen.started.push(call.key.clone());
            }
            return Ok(Stand::Later(json!({ "build": "b" })));
        }
        match *self.outside.lock().expect("a lock") {
            Outside::Goes => Ok(Stand::Later(progress.clone())),
            Outside::Done => {
                Ok(Stand::Done(Outcome::new(StageStatus::Passed, "3 tests passed", &json!({}))?))
            }
            Outside::Down => Err(AgentError::new(ErrorName::StoreUnavailable, "throttled")),
            Outside::Broken => Err(AgentError::tool("the environment ended")),
        }
    }
    async fn stop(&self, _: &Call, _: &Value) -> Result<(), AgentError> {
        self.seen.lock().expect("a lock").stopped += 1;
        Ok(())
    }
    fn news(&self, event: &Value) -> Option<News> {
        let run_id: RunId = "web-1".parse().expect("an id");
        let state: StateName = "RunUnitTests".parse().expect("a name");
        match event.get("news")?.as_str()? {
            "changed" => Some(News::Changed { run_id, states: vec![state] }),
            _ => Some(News::RunEnded { run_id }),
        }
    }
}

#[async_trait]
impl WaitingCalls for World {
    async fn keep(&self, call: &WaitingCall, token: &str) -> Result<WaitingCall, StoreError> {
        let mut seen = self.seen.lock().expect("a lock");
        let kept = seen.call.take().map_or_else(|| call.clone(), |(kept, _)| kept);
        seen.call = Some((kept.clone(), token.to_owned()));
        Ok(kept)
    }
    async fn waiting(
        &self,
        _: &RunId,
        _: &StateName,
    ) -> Result<Option<(WaitingCall, String)>, StoreError> {
        Ok(self.seen.lock().expect("a lock").call.clone())
    }
    async fn of_run(&self, _: &RunId) -> Result<Listed<WaitingCall>, StoreError> {
        let seen = self.seen.lock().expect("a lock");
        Ok(seen.call.iter().map(|(call, _)| Ok(call.clone())).collect())
    }
    async fn progress(&self, call: &WaitingCall) -> Result<(), StoreError> {
        match &mut self.seen.lock().expect("a lock").call {
            Some((kept, _)) => {
                *kept = call.clone();
                Ok(())
            }
            None => Err(StoreError::Conflict("closed".to_owned())),
        }
    }
    async fn claim(&self, _: &WaitingCall, _: Duration) -> Result<bool, StoreError> {
        let mut seen = self.seen.lock().expect("a lock");
        seen.noted = seen.claimed;
        Ok(!std::mem::replace(&mut seen.claimed, true))
    }
    async fn unclaim(&self, _: &WaitingCall) -> Result<bool, StoreError> {
        let mut seen = self.seen.lock().expect("a lock");
        if std::mem::take(&mut seen.noted) {
            return Ok(false);
        }
        seen.claimed = false;
        Ok(true)
    }
    async fn close(&self, _: &WaitingCall) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().expect("a lock");
        (seen.call, seen.claimed) = (None, false);
        Ok(())
    }
}

#[async_trait]
impl TaskTokens for World {
    async fn succeed(&self, token: &str, output: &Value) -> Result<bool, StoreError> {
        let summary = output.pointer("/Payload/response/summary");
        let said = Ok(summary.cloned().unwrap_or_default());
        self.seen.lock().expect("a lock").answers.push((token.to_owned(), said));
        Ok(true)
    }
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<bool, StoreError> {
        let said = Err(format!("{error}: {cause}"));
        self.seen.lock().expect("a lock").answers.push((token.to_owned(), said));
        Ok(true)
    }
}

struct Bench {
    world: Arc<World>,
    memory: Arc<Memory>,
}

impl Bench {
    fn new(outside: Outside) -> Self {
        let world = World { outside: Mutex::new(outside), seen: Mutex::default() };
        Self { world: Arc::new(world), memory: Memory::new() }
    }

    fn outside(&self, outside: Outside) {
        *self.world.outside.lock().expect("a lock") = outside;
    }

    async fn send(&self, event: Value) -> Result<Value, AgentError> {
        let later =
            Later { calls: Arc::clone(&self.world) as _, tokens: Arc::clone(&self.world) as _ };
        let recording = Recording { later: Some(later), ..self.memory.recording() };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        adapter::handle(&*self.world, &recording, event, deadline).await
    }

    /// The state machine asks, with this token.
    async fn ask(&self, token: &str) -> Result<Value, AgentError> {
        let source = json!({ "key": "source", "commit": "c" });
        let repository =
            json!({ "name": "acme/web", "url": "https://git.example", "default_branch": "main" });
        self.send(json!({
            "version": "0.1.0",
            "intent": {
                "action": "tests.run_unit",
                "parameters": { "source": source, "repository": repository },
                "context": { "run_id": "web-1", "state": "RunUnitTests", "task_token": token },
            },
            "metadata": {
                "sender": { "agent_id": "pact.pipeline", "timestamp": jiff::Timestamp::now().to_string() },
                "idempotency_key": "web-1/RunUnitTests/now",
            },
        }))
        .await
    }

    fn answers(&self) -> Vec<(String, Result<Value, String>)> {
        self.world.seen.lock().expect("a lock").answers.clone()
    }
}

fn passed(token: &str) -> (String, Result<Value, String>) {
    (token.to_owned(), Ok("3 tests passed".into()))
}

#[tokio::test]
async fn an_event_brings_the_answer_once_and_again_to_who_asks_again() {
    let bench = Bench::new(Outside::Goes);
    bench.ask("one").await.expect("it is begun");
    assert_eq!(bench.answers(), []);
    bench.outside(Outside::Done);
    bench.send(json!({ "news": "changed" })).await.expect("an event");
    bench.send(json!({ "news": "changed" })).await.expect("the same event");
    assert_eq!(bench.answers(), [passed("one")]);
    // The answer was lost on its way: the state asks again.
    bench.ask("two").await.expect("it is answered");
    assert_eq!(bench.answers(), [passed("one"), passed("two")]);
    let stages = bench.memory.stages();
    let statuses: Vec<_> = stages.iter().map(|stage| stage.status).collect();
    assert_eq!(statuses, [StageStatus::Running, StageStatus::Passed]);
    assert_eq!(bench.world.seen.lock().expect("a lock").started.len(), 1);
}

#[tokio::test]
async fn a_lost_event_is_found_by_asking_again_and_nothing_is_begun_twice() {
    let bench = Bench::new(Outside::Goes);
    for token in ["one", "two"] {
        bench.ask(token).await.expect("it goes on");
    }
    bench.outside(Outside::Done);
    bench.ask("three").await.expect("it is done");
    assert_eq!(bench.answers(), [passed("three")]);
    assert_eq!(bench.world.seen.lock().expect("a lock").started.len(), 1);
    assert_eq!(bench.memory.stages().len(), 2, "one attempt, begun and ended");
}

#[tokio::test]
async fn what_does_not_answer_is_asked_again_and_what_broke_is_a_fault() {
    let bench = Bench::new(Outside::Down);
    let error = bench.ask("one").await.expect_err("a fault that passes");
    assert_eq!(error.name, ErrorName::StoreUnavailable);
    assert_eq!(bench.answers(), [], "the machine tries again by itself");
    bench.outside(Outside::Broken);
    bench.ask("two").await.expect("it is said");
    let answers = bench.answers();
    let (token, said) = answers.first().expect("an answer");
    let said = said.as_ref().expect_err("a fault");
    assert_eq!(token, "two");
    assert!(said.starts_with("ERR_TOOL_FAILED: {") && said.contains("errorMessage"), "{said}");
    let last = bench.memory.stages().pop().expect("a stage");
    assert_eq!((last.status, last.error.as_deref()), (StageStatus::Error, Some("ERR_TOOL_FAILED")));
}

#[tokio::test]
async fn what_a_run_began_ends_with_it() {
    let bench = Bench::new(Outside::Goes);
    bench.ask("one").await.expect("it is begun");
    for _ in 0..2 {
        bench.send(json!({ "news": "ended" })).await.expect("an event");
    }
    assert_eq!(bench.world.seen.lock().expect("a lock").stopped, 1);
    bench.outside(Outside::Done);
    bench.send(json!({ "news": "changed" })).await.expect("a late event");
    assert_eq!(bench.answers(), []);
}

#[tokio::test]
async fn a_token_without_what_it_needs_is_refused() {
    let bench = Bench::new(Outside::Goes);
    let event = json!({
        "version": "0.1.0",
        "intent": { "action": "tests.run_unit", "context": { "task_token": "t", "skip": "no" } },
        "metadata": { "sender": { "agent_id": "pact.pipeline", "timestamp": jiff::Timestamp::now().to_string() } },
    });
    let error = bench.send(event).await.expect_err("no run");
    assert_eq!(error.name, ErrorName::InvalidIntent);
}
