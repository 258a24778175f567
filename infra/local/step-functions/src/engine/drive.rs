//! Driving an execution: writing what it decided, then doing it, then waiting for what comes.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::inner::{Inner, identity};
use super::machine::Machine;
use super::nested::{self, Child, Mode};
use super::record::Record;
use super::run::{Birth, Command, Run, Stage};
use crate::error::ApiError;
use crate::execution::{Attempt, Effect, Execution, ScopeId};
use crate::sync::{lock, write};
use crate::task::{TaskFailure, TaskRequest};

/// How many commands may wait for one execution.
const COMMANDS: usize = 64;

/// From when on a step counts as slow, so that further ones leave the runtime's threads.
const SLOW: Duration = Duration::from_millis(100);

/// What comes from a task.
enum Word {
    /// What it started is under way; the task waits for its end.
    Submitted(serde_json::Value),
    Done(Result<serde_json::Value, TaskFailure>),
}

type Answer = (ScopeId, Attempt, Word);

/// A task under way.
struct Under {
    handle: AbortHandle,
    child: Child,
}

/// An answer that is held back until its reason is on disk.
enum Reply {
    Done(oneshot::Sender<()>),
    Known(oneshot::Sender<bool>, bool),
}

impl Inner {
    /// Starts an execution, unless there is one with this ARN. Answers the execution and whether
    /// this call started it.
    pub(crate) async fn start(
        self: &Arc<Self>,
        machine: &Machine,
        name: String,
        arn: String,
        input: String,
        by: Option<String>,
    ) -> Result<(Arc<Run>, bool), ApiError> {
        let at = self.now();
        let birth = Birth {
            arn,
            name,
            machine_arn: machine.arn.clone(),
            revision: Arc::clone(&machine.revision),
            express: machine.express,
            started: at,
            by,
            order: self.order.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let run = Arc::new(Run::new(birth, Some(&input), Stage::Starting));
        {
            let mut runs = write(&self.runs);
            if let Some(known) = runs.by_arn.get(&run.arn) {
                return Ok((Arc::clone(known), false));
            }
            runs.add(&run);
        }
        let mut execution = Execution::new(identity(&run), machine.revision.definition.clone());
        execution.start(input, at);
        let events = execution.take_events();
        let written = match events.first() {
            Some(event) => self.write(&Record::execution(&run, event)).await,
            None => Err(ApiError::internal("an execution has no start")),
        };
        match written {
            Ok(position) => {
                run.record(position, &[]);
            }
            Err(error) => {
                write(&self.runs).remove(&run);
                run.set_stage(Stage::Lost);
                return Err(error);
            }
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        run.set_stage(Stage::Running);
        self.announce(&run);
        self.spawn_driver(Arc::clone(&run), execution);
        Ok((run, true))
    }

    /// Notes who waits for a token.
    pub(super) fn listen(&self, run: &Arc<Run>, scope: ScopeId, token: String) {
        lock(&self.tokens).insert(token, (Arc::clone(run), scope));
    }

    pub(super) fn spawn_driver(self: &Arc<Self>, run: Arc<Run>, execution: Execution) {
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
            replies: Vec::new(),
        };
        tokio::spawn(async move {
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
    replies: Vec<Reply>,
}

impl Driver {
    fn now(&self) -> i64 {
        self.inner.now()
    }

    async fn drive(mut self) {
        let mut stop = self.inner.stop.clone();
        loop {
            let now = self.now();
            self.compute(|execution| execution.run(now));
            if let Err(error) = self.settle().await {
                tracing::error!(execution = self.run.arn, %error, "an execution cannot go on until the engine is opened again");
                break;
            }
            if self.execution.has_ended() {
                break;
            }
            if *stop.borrow() {
                break;
            }
            if !self.execution.is_ready() {
                let (due, now) = (self.execution.next_due(), self.now());
                tokio::select! {
                    _ = stop.changed() => break,
                    Some(command) = self.inbox.recv() => self.obey(command),
                    Some((scope, attempt, result)) = self.answered.recv() => {
                        self.take(scope, attempt, result);
                    }
                    () = until(due, now) => {
                        let now = self.now();
                        self.compute(|execution| execution.fire(now));
                    }
                }
            }
            // Whatever else has come goes into the same write.
            while let Ok(command) = self.inbox.try_recv() {
                self.obey(command);
            }
            while let Ok((scope, attempt, result)) = self.answered.try_recv() {
                self.take(scope, attempt, result);
            }
            if self.execution.is_ready() {
                // A long burst does not keep the others waiting.
                let now = self.now();
                if self.execution.next_due().is_some_and(|due| due <= now) {
                    self.compute(|execution| execution.fire(now));
                }
                tokio::task::yield_now().await;
            }
        }
        self.run.detach();
        for task in self.tasks.values() {
            task.handle.abort();
        }
    }

    /// Lets the execution evaluate. Expressions that take long do not hold up other executions.
    fn compute<T>(&mut self, work: impl FnOnce(&mut Execution) -> T) -> T {
        use tokio::runtime::{Handle, RuntimeFlavor};
        let slow = &self.run.revision.slow;
        let began = std::time::Instant::now();
        let execution = &mut self.execution;
        let apart = slow.load(Ordering::Relaxed)
            && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        let result =
            if apart { tokio::task::block_in_place(|| work(execution)) } else { work(execution) };
        if began.elapsed() > SLOW {
            slow.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Puts the events on disk, then lets their effects happen.
    async fn settle(&mut self) -> Result<(), ApiError> {
        let events = self.execution.take_events();
        if !events.is_empty() {
            let record = Record::events(&self.run, &events);
            let position = self.inner.write(&record).await?;
            self.run.record(position, &events);
        }
        for reply in self.replies.drain(..) {
            // The one who asked may have gone.
            match reply {
                Reply::Done(reply) => drop(reply.send(())),
                Reply::Known(reply, known) => drop(reply.send(known)),
            }
        }
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
                let inner = Arc::clone(&self.inner);
                let answers = self.answers.clone();
                let child = Child::default();
                let started = Arc::clone(&child);
                let task = tokio::spawn(async move {
                    let work = async {
                        let Some(mode) = Mode::of(&request.resource) else {
                            return inner.tasks.execute(request).await;
                        };
                        let by = format!("{}#{attempt}", request.execution_arn);
                        nested::perform(&inner, mode, by, &request, &started, |answer| {
                            // The execution may have ended.
                            drop(answers.send((scope, attempt, Word::Submitted(answer))));
                        })
                        .await
                    };
                    let result = AssertUnwindSafe(work).catch_unwind().await;
                    let result = result.unwrap_or_else(|_| {
                        Err(TaskFailure {
                            error: "States.TaskFailed".to_owned(),
                            cause: Some("The task executor panicked.".to_owned()),
                        })
                    });
                    // The execution may have ended.
                    drop(answers.send((scope, attempt, Word::Done(result))));
                });
                self.tasks.insert(attempt, Under { handle: task.abort_handle(), child });
            }
            Effect::Cancel { attempt } => {
                if let Some(task) = self.tasks.remove(&attempt) {
                    task.handle.abort();
                    nested::stop(&task.child);
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

    fn take(&mut self, scope: ScopeId, attempt: Attempt, word: Word) {
        match word {
            Word::Submitted(output) => {
                let now = self.now();
                self.execution.submitted(now, scope, attempt, output);
            }
            Word::Done(result) => {
                self.tasks.remove(&attempt);
                let now = self.now();
                self.compute(|execution| {
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
                self.replies.push(Reply::Done(reply));
            }
            Command::Complete { scope, token, completion, reply } => {
                let now = self.now();
                let known = self
                    .compute(|execution| execution.complete_token(now, scope, &token, completion));
                self.replies.push(Reply::Known(reply, known));
            }
            Command::Heartbeat { scope, token, reply } => {
                let now = self.now();
                let known = self.execution.heartbeat(now, scope, &token);
                self.replies.push(Reply::Known(reply, known));
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
