//! The handle by which an engine is opened, used and shut down.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};

use super::health::Health;
use super::inner::Inner;
use super::machine::{Configuration, Draft, Machine};
use super::names;
use super::open::{self, Running};
use super::options::EngineOptions;
use super::status::StatusChange;
use crate::error::{ApiError, OpenError};
use crate::journal;
use crate::sync::{lock, read, write};
use crate::task::TaskExecutor;

/// A Step Functions engine. Clones are handles on the same engine.
///
/// When the last handle is gone the engine stops as [`Engine::shutdown`] does, without waiting.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
    guard: Arc<Guard>,
}

/// Ends the drivers when the last handle is dropped.
struct Guard {
    stop: watch::Sender<bool>,
    drivers: Option<Runtime>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(drivers) = self.drivers.take() {
            drivers.shutdown_background();
        }
    }
}

impl Engine {
    /// Opens the data folder and continues every execution that had not ended.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, is in use, or holds what this version cannot read.
    pub async fn open(
        options: EngineOptions,
        tasks: Arc<dyn TaskExecutor>,
    ) -> Result<Self, OpenError> {
        let Running { inner, stop, drivers } = open::open(options, tasks).await?;
        Ok(Self { inner, guard: Arc::new(Guard { stop, drivers: Some(drivers) }) })
    }

    /// Creates a standard state machine, or updates the one of that name. Answers its ARN.
    ///
    /// # Errors
    ///
    /// `InvalidDefinition` or `InvalidName`, or a fault of the journal.
    pub async fn put_state_machine(
        &self,
        name: &str,
        definition: &str,
    ) -> Result<String, ApiError> {
        let arn = self.inner.machine_arn(name);
        match self.inner.machine(&arn) {
            Ok(machine) if machine.revision.text == definition => Ok(arn),
            Ok(_) => {
                let draft = |known: &Machine| Draft {
                    text: definition.to_owned(),
                    role: known.revision.role.clone(),
                    configuration: known.revision.configuration.clone(),
                };
                self.inner.update_machine(&arn, draft).await?;
                Ok(arn)
            }
            Err(_) => {
                names::check_name(name)?;
                let draft = Draft {
                    text: definition.to_owned(),
                    role: format!("arn:aws:iam::{}:role/local", self.inner.options.account),
                    configuration: Configuration::default(),
                };
                self.inner.create_machine(name, false, draft, Vec::new()).await?;
                Ok(arn)
            }
        }
    }

    /// Every start and end of an execution from now on. What a receiver hears is on disk.
    pub fn status_changes(&self) -> broadcast::Receiver<StatusChange> {
        self.inner.changes.subscribe()
    }

    /// How the engine is now.
    #[must_use]
    pub fn health(&self) -> Health {
        let refusing = match read(&self.inner.journal).as_ref().map(journal::Journal::health) {
            Some(journal::Health::Well) => None,
            Some(journal::Health::Failing { reason, .. }) => {
                Some(format!("the journal cannot be written: {reason}"))
            }
            None => Some("the engine has been shut down".to_owned()),
        };
        Health { refusing, losses: self.inner.losses.clone() }
    }

    /// How many executions are running.
    pub fn running(&self) -> usize {
        self.inner.running.load(Ordering::Relaxed)
    }

    /// Stops cleanly: running tasks are dropped, and everything is on disk when this returns.
    /// Running executions go on when the folder is opened again.
    pub async fn shutdown(&self) {
        self.guard.stop.send_replace(true);
        drop(lock(&self.inner.alive).take());
        let drivers = lock(&self.inner.all_gone).take();
        if let Some(mut drivers) = drivers {
            // Nothing is ever sent: this ends when all senders are gone.
            drivers.recv().await;
        }
        drop(write(&self.inner.journal).take());
        let writer = lock(&self.inner.journal_ended).take();
        if let Some(writer) = writer {
            // It never sends: its end is the signal.
            drop(writer.await);
        }
    }
}
