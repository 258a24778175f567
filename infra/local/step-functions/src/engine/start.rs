//! Starting executions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::inner::{Inner, identity};
use super::machine::Machine;
use super::record::Record;
use super::run::{Birth, Run, Stage};
use crate::error::ApiError;
use crate::execution::Execution;
use crate::sync::write;

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
            match runs.by_arn.get(&run.arn).map(Arc::clone) {
                // Its name is free again.
                Some(known) if known.is_forgotten(at) => runs.remove(&known),
                Some(known) => return Ok((known, false)),
                None => {}
            }
            runs.add(&run);
        }
        let evaluator = self.evaluator.for_execution(run.interrupt.clone());
        let definition = machine.revision.definition.clone();
        let mut execution = Execution::new(identity(&run), definition, evaluator);
        execution.start(input, at);
        let events = execution.take_events();
        let written = match events.first() {
            Some(event) => self.write(&Record::execution(&run, event)).await,
            None => Err(ApiError::internal("an execution has no start")),
        };
        match written {
            Ok(position) => run.record(position, &events),
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
}
