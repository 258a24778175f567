//! Who evaluates expressions: this process what is known to be small, processes of their own
//! everything else.
//!
//! A process that evaluates has a limit on its memory and a time by which it is ended. So whatever
//! an expression does, it costs its execution an error and nobody else anything.

mod child;
mod pool;
mod wire;
mod worker;

use std::sync::{Arc, Mutex};

use serde_json::Value;

pub use child::evaluator_main;
pub use worker::EvaluatorProgram;

use crate::jsonata::{self, Bindings, CancelToken, Environment, Expression, Fault};
use crate::sync::lock;
use pool::Pool;

/// Evaluates the expressions of one execution. Clones do the same for it.
#[derive(Clone, Default)]
pub(crate) struct Evaluator {
    pool: Option<Arc<Pool>>,
    /// Whether even what is small is left to another process.
    isolated: bool,
    interrupt: Interrupt,
}

impl Evaluator {
    /// One that leaves what is not small to `program`; to nobody where there is none.
    pub(crate) fn new(program: Option<EvaluatorProgram>) -> Self {
        let pool = program.map(|program| Arc::new(Pool::new(program)));
        Self { pool, isolated: false, interrupt: Interrupt::default() }
    }

    /// One for another execution.
    pub(crate) fn for_execution(&self, interrupt: Interrupt) -> Self {
        Self { pool: self.pool.clone(), isolated: false, interrupt }
    }

    /// One that leaves everything to other processes, where it can.
    pub(crate) fn isolated(&self) -> Self {
        Self { isolated: true, ..self.clone() }
    }

    /// The value of an expression. Blocks until there is one, at most for some seconds; not to be
    /// called on a runtime of one thread.
    pub(crate) fn evaluate(
        &self,
        expression: &Expression,
        environment: &dyn Environment,
    ) -> Result<Value, Fault> {
        let bindings = Bindings::of(expression, environment);
        let token = self.interrupt.token();
        if !self.isolated && jsonata::is_small(expression, &bindings) {
            return jsonata::evaluate(expression, &bindings, &token);
        }
        // The others of this runtime go on meanwhile.
        tokio::task::block_in_place(|| match &self.pool {
            Some(pool) => pool.evaluate(expression, &bindings, &token),
            None => jsonata::evaluate(expression, &bindings, &token),
        })
    }
}

/// Ends what an execution evaluates, because nobody waits for it any longer.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Mutex<CancelToken>>);

impl Interrupt {
    fn token(&self) -> CancelToken {
        lock(&self.0).clone()
    }

    /// Ends it now; what is evaluated from now on ends at once until it is [`Interrupt::reset`].
    pub(crate) fn interrupt(&self) {
        lock(&self.0).cancel();
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        lock(&self.0).is_cancelled()
    }

    pub(crate) fn reset(&self) {
        *lock(&self.0) = CancelToken::new();
    }
}
