//! The processes that evaluate: a few, started when they are needed and kept for the next one.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::wire::{self, Response};
use super::worker::{EvaluatorProgram, Outcome, Worker};
use crate::jsonata::{Bindings, CancelToken, Expression, Fault};
use crate::sync::lock;

/// How often a process that was gone before it began is replaced by another one.
const ATTEMPTS: usize = 3;

pub(super) struct Pool {
    program: EvaluatorProgram,
    workers: Mutex<Workers>,
    /// Told when a process is free.
    freed: Condvar,
}

struct Workers {
    idle: Vec<Worker>,
    /// How many more there may be in use.
    free: usize,
}

impl Pool {
    pub(super) fn new(program: EvaluatorProgram) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = Workers { idle: Vec::new(), free: threads.max(2) };
        Self { program, workers: Mutex::new(workers), freed: Condvar::new() }
    }

    pub(super) fn evaluate(
        &self,
        expression: &Expression,
        bindings: &Bindings<'_>,
        cancel: &CancelToken,
    ) -> Response {
        let broken = |error: io::Error| Fault::Broken(format!("cannot be evaluated: {error}"));
        let request = wire::request(&expression.source, bindings).map_err(broken)?;
        let Some(_turn) = Turn::take(self, cancel) else {
            return Err(Fault::Interrupted);
        };
        let mut last = io::Error::other("no evaluator was started");
        for _ in 0..ATTEMPTS {
            let idle = lock(&self.workers).idle.pop();
            let mut worker = match idle {
                Some(worker) => worker,
                None => Worker::start(&self.program).map_err(broken)?,
            };
            match worker.ask(&request, cancel) {
                Outcome::Answered(response) => {
                    lock(&self.workers).idle.push(worker);
                    return response;
                }
                Outcome::Ended(fault) => return Err(fault),
                Outcome::Gone(error) => last = error,
            }
        }
        Err(broken(last))
    }
}

/// The right to use one process.
struct Turn<'a>(&'a Pool);

impl<'a> Turn<'a> {
    /// Waits for it; none when it is no longer wanted.
    fn take(pool: &'a Pool, cancel: &CancelToken) -> Option<Self> {
        const GLANCE: Duration = Duration::from_millis(20);
        let mut workers = lock(&pool.workers);
        while workers.free == 0 {
            if cancel.is_cancelled() {
                return None;
            }
            let waited = pool.freed.wait_timeout(workers, GLANCE);
            workers = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        workers.free -= 1;
        Some(Self(pool))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.workers).free += 1;
        self.0.freed.notify_one();
    }
}
