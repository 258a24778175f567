//! Driving an execution: writing what it decided, then doing it, then waiting for what comes.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::inner::Inner;
use super::nested::{self, Child, Mode};
use super::record::Record;
use super::run::{Command, Reply, Run, Stage};
use super::within::Within;
use crate::error::ApiError;
use crate::evaluator::Evaluator;
use crate::execution::{Attempt, Effect, Execution, ScopeId};
use crate::sync::lock;
use crate::task::{TaskFailure, TaskRequest};

/// How many commands may wait for one execution.
const COMMANDS: usize = 64;

/// What comes from a task.
#[derive(Clone)]
enum Word {
    /// What it started is under way; the task waits for its end.
    Submitted(serde_json::Value),
    Done(Result<serde_json::Value, TaskFailure>),
}

/// What a task says.
#[derive(Clone)]
struct Answer {
    scope: ScopeId,
    attempt: Attempt,
    word: Word,
}

/// A task under way.
struct Under {
    handle: AbortHandle,
    child: Child,
}

/// An answer that is held back until its reason is on disk.
enum PendingReply {
    Done(Reply<()>),
    Found(Reply<bool>, bool),
}

impl PendingReply {
    fn give(self) {
        // The one who asked may have gone.
        match self {
            Self::Done(reply) => drop(reply.send(Ok(()))),
            Self::Found(reply, found) => drop(reply.send(Ok(found))),
        }
    }

    fn refuse(self, error: &ApiError) {
        match self {
            Self::Done(reply) => drop(reply.send(Err(error.clone()))),
            Self::Found(reply, _) => drop(reply.send(Err(error.clone()))),
        }
    }
}

impl Inner {
    /// Notes who waits for a token.
    pub(super) fn listen(&self, run: &Arc<Run>, scope: ScopeId, token: String) {
        lock(&self.tokens).insert(token, (Arc::clone(run), scope));
    }

    pub(super) fn spawn_driver(self: &Arc<Self>, run: Arc<Run>, execution: Execution) {
        self.spawn_driver_of(run, execution, false);
    }

    /// As [`Inner::spawn_driver`]; the next step of one that is suspected is evaluated elsewhere.
    pub(super) fn spawn_driver_of(
        self: &Arc<Self>,
        run: Arc<Run>,
        execution: Execution,
        suspected: bool,
    ) {
        let Some(alive) = lock(&self.alive).clone() else {
            return;
        };
        let (commands, inbox) = mpsc::channel(COMMANDS);
        run.attach(commands);
        let (answers, answered) = mpsc::unbounded_channel();
        let driver = Driver {
            inner: Arc::clone(self),
            run,
            execution,
            inbox,
            answers,
            answered,
            tasks: HashMap::new(),
            held: Vec::new(),
            unsaved: Vec::new(),
            panicked: None,
            suspected,
        };
        self.drivers.spawn(async move {
            driver.drive().await;
            drop(alive);
        });
    }
}

struct Driver {
    inner: Arc<Inner>,
    run: Arc<Run>,
    execution: Execution,
    inbox: mpsc::Receiver<Command>,
    answers: mpsc::UnboundedSender<Answer>,
    answered: mpsc::UnboundedReceiver<Answer>,
    tasks: HashMap<Attempt, Under>,
    held: Vec<PendingReply>,
    /// What tasks said since the last write.
    unsaved: Vec<Answer>,
    /// What the interpreter panicked with.
    panicked: Option<String>,
    /// Whether the process ended before while the execution was computed.
    suspected: bool,
}

impl Driver {
    fn now(&self) -> i64 {
        self.inner.now()
    }

    async fn drive(mut self) {
        let mut stop = self.inner.stop.clone();
        self.execution.use_evaluator(self.evaluator());
        loop {
            self.compute(Execution::run);
            if let Some(reason) = self.panicked.take() {
                self.give_up(&reason);
            }
            if self.run.interrupt.is_interrupted() && !self.rewind() {
                break;
            }
            if let Err(error) = self.settle().await {
                if !self.outlast(&error, &mut stop).await {
                    break;
                }
                continue;
            }
            if self.execution.has_ended() || *stop.borrow() {
                break;
            }
            if !self.execution.is_ready() {
                let (due, now) = (self.execution.next_due(), self.now());
                tokio::select! {
                    _ = stop.changed() => break,
                    Some(command) = self.inbox.recv() => self.obey(command),
                    Some(answer) = self.answered.recv() => self.take(answer),
                    () = until(due, now) => self.compute(Execution::fire),
                }
            }
            // Whatever else has come goes into the same write.
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }
            while let Ok(answer) = self.answered.try_recv() {
                self.take(answer);
            }
            if self.execution.is_ready() {
                // A long burst does not keep the others waiting.
                let now = self.now();
                if self.execution.next_due().is_some_and(|due| due <= now) {
                    self.compute(Execution::fire);
                }
                tokio::task::yield_now().await;
            }
        }
        self.run.detach();
        for task in self.tasks.values() {
            task.handle.abort();
        }
    }

    /// Lets the execution go on. Should that panic, the execution fails and nothing else does.
    fn compute<T: Default>(&mut self, work: impl FnOnce(&mut Execution, i64) -> T) -> T {
        let (now, execution) = (self.now(), &mut self.execution);
        let _noted = self.inner.suspects.note(&self.run.arn, self.run.records());
        match std::panic::catch_unwind(AssertUnwindSafe(|| work(execution, now))) {
            Ok(result) => result,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                self.panicked = Some(text.unwrap_or("no reason was given").to_owned());
                T::default()
            }
        }
    }

    /// Goes back to what is on disk, because an evaluation was interrupted: what it would have led
    /// to is not known. Then does what it was interrupted for. Answers whether to go on.
    fn rewind(&mut self) -> bool {
        self.run.interrupt.reset();
        // Its task is under way as far as anybody can tell.
        for held in self.held.drain(..) {
            match held {
                PendingReply::Done(reply) => PendingReply::Done(reply).give(),
                PendingReply::Found(reply, _) => PendingReply::Found(reply, false).give(),
            }
        }
        let said = std::mem::take(&mut self.unsaved);
        if !self.restore(&said) {
            return false;
        }
        while let Ok(command) = self.inbox.try_recv() {
            self.obey(command);
        }
        if !self.execution.has_ended() {
            said.into_iter().for_each(|answer| self.take(answer));
        }
        true
    }

    /// Ends the execution because the engine failed.
    fn give_up(&mut self, reason: &str) {
        tracing::error!(execution = self.run.arn, reason, "the interpreter panicked");
        match self.stored() {
            Ok(execution) => self.execution = execution,
            Err(error) => tracing::error!(%error, "cannot read an execution again"),
        }
        let cause = format!("The engine failed at the execution's last state: {reason}");
        let now = self.now();
        self.execution.break_off(now, &cause);
    }

    /// Puts the events on disk, then lets their effects happen.
    async fn settle(&mut self) -> Result<(), ApiError> {
        let events = self.execution.take_events();
        if !events.is_empty() {
            let record = Record::events(&self.run, &events);
            let position = self.inner.write(&record).await?;
            self.run.record(position, &events);
        }
        if !self.unsaved.is_empty() {
            self.unsaved.clear();
        }
        if std::mem::take(&mut self.suspected) {
            // It got past the step.
            self.execution.use_evaluator(self.evaluator());
        }
        self.held.drain(..).for_each(PendingReply::give);
        for effect in self.execution.take_effects() {
            self.perform(effect);
        }
        if self.execution.has_ended() {
            self.inner.running.fetch_sub(1, Ordering::Relaxed);
            self.run.set_stage(Stage::Ended);
            self.inner.announce(&self.run);
        }
        Ok(())
    }

    /// Waits until the journal takes records again, then goes on from what is on disk: what was
    /// asked for meanwhile is refused, what tasks said is not lost. Answers whether to go on.
    async fn outlast(&mut self, error: &ApiError, stop: &mut watch::Receiver<bool>) -> bool {
        self.held.drain(..).for_each(|held| held.refuse(error));
        let mut said = std::mem::take(&mut self.unsaved);
        let Ok(journal) = self.inner.journal() else {
            return false;
        };
        tracing::warn!(execution = self.run.arn, %error, "an execution waits");
        let mut asked = None;
        while asked.is_none() {
            tokio::select! {
                biased;
                _ = stop.changed() => return false,
                () = journal.recovered() => break,
                Some(command) = self.inbox.recv() => {
                    if journal.health().is_well() {
                        asked = Some(command);
                    } else {
                        command.refuse(error);
                    }
                }
                Some(answer) = self.answered.recv() => said.push(answer),
            }
        }
        if !self.restore(&said) {
            return false;
        }
        said.into_iter().for_each(|answer| self.take(answer));
        if let Some(command) = asked {
            self.obey(command);
        }
        true
    }

    /// Makes the execution what it is on disk, with its tasks under way; `said` is what they said
    /// that is not. Answers whether that worked.
    fn restore(&mut self, said: &[Answer]) -> bool {
        match self.stored() {
            Ok(execution) => self.execution = execution,
            Err(error) => {
                tracing::error!(execution = self.run.arn, %error, "an execution cannot go on until the engine is opened again");
                return false;
            }
        }
        let now = self.now();
        self.execution.resume(now);
        // What is under way, or has said its last word, is not performed again.
        let known = |attempt: &Attempt| {
            self.tasks.contains_key(attempt) || said.iter().any(|answer| answer.attempt == *attempt)
        };
        self.execution.drop_invocations(known);
        true
    }

    fn evaluator(&self) -> Evaluator {
        let evaluator = self.inner.evaluator.for_execution(self.run.interrupt.clone());
        if self.suspected { evaluator.isolated() } else { evaluator }
    }

    /// The execution as it is on disk.
    fn stored(&self) -> Result<Execution, ApiError> {
        let events = tokio::task::block_in_place(|| self.inner.events(&self.run))?;
        let mut execution = self.inner.replay(&self.run, &events);
        execution.use_evaluator(self.evaluator());
        Ok(execution)
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Invoke {
                scope,
                attempt,
                resource,
                state,
                arguments,
                timeout_seconds,
                token,
            } => {
                if self.execution.has_ended() {
                    return;
                }
                let wait_for_token = token.is_some();
                if let Some(token) = token {
                    self.inner.listen(&self.run, scope, token);
                }
                let request = TaskRequest {
                    resource,
                    arguments: Arc::unwrap_or_clone(arguments),
                    wait_for_token,
                    execution_arn: self.run.arn.clone(),
                    state,
                    timeout: timeout_seconds.map(Duration::from_secs),
                };
                self.invoke(scope, attempt, request);
            }
            Effect::Cancel { attempt } => {
                if let Some(task) = self.tasks.remove(&attempt) {
                    task.handle.abort();
                    nested::stop(&self.inner, &task.child);
                }
            }
            Effect::Release { attempt } => {
                self.tasks.remove(&attempt);
            }
            Effect::Forget { token } => {
                lock(&self.inner.tokens).remove(&token);
            }
        }
    }

    fn invoke(&mut self, scope: ScopeId, attempt: Attempt, request: TaskRequest) {
        let inner = Arc::clone(&self.inner);
        let answers = self.answers.clone();
        let child = Child::default();
        let started = Arc::clone(&child);
        let performed = async move {
            // The execution may have ended.
            let say = |word| drop(answers.send(Answer { scope, attempt, word }));
            let work = async {
                let Some(mode) = Mode::of(&request.resource) else {
                    return inner.execute(request).await;
                };
                let by = format!("{}#{attempt}", request.execution_arn);
                let submitted = |answer| say(Word::Submitted(answer));
                nested::perform(&inner, mode, by, &request, &started, submitted).await
            };
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let result = result.unwrap_or_else(|_| {
                Err(TaskFailure {
                    error: "States.TaskFailed".to_owned(),
                    cause: Some("The task executor panicked.".to_owned()),
                })
            });
            say(Word::Done(result));
        };
        // On the threads of the drivers, as its driver waits for nothing else.
        let within = Within::new(self.inner.performers.clone(), performed);
        let task = self.inner.drivers.spawn(within);
        self.tasks.insert(attempt, Under { handle: task.abort_handle(), child });
    }

    fn take(&mut self, answer: Answer) {
        self.unsaved.push(answer.clone());
        let Answer { scope, attempt, word } = answer;
        match word {
            Word::Submitted(output) => {
                let now = self.now();
                self.execution.submitted(now, scope, attempt, output);
            }
            Word::Done(result) => {
                self.tasks.remove(&attempt);
                self.compute(|execution, now| {
                    execution.invoked(now, scope, attempt, result.into());
                });
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Stop { error, cause, reply } => {
                let now = self.now();
                self.execution.stop(now, error, cause);
                self.held.push(PendingReply::Done(reply));
            }
            Command::Complete { scope, token, completion, reply } => {
                let known = self.compute(|execution, now| {
                    execution.complete_token(now, scope, &token, completion)
                });
                self.held.push(PendingReply::Found(reply, known));
            }
            Command::Heartbeat { scope, token, reply } => {
                let now = self.now();
                let known = self.execution.heartbeat(now, scope, &token);
                self.held.push(PendingReply::Found(reply, known));
            }
        }
    }
}

/// Waits until `due`, or for ever.
async fn until(due: Option<i64>, now: i64) {
    match due {
        Some(due) => {
            let wait = u64::try_from(due.saturating_sub(now)).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        None => std::future::pending().await,
    }
}
