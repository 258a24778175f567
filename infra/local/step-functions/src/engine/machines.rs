//! Creating, changing and deleting state machines: one change at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use uuid::Uuid;

use super::inner::Inner;
use super::machine::{Draft, Machine, Revision, Tag};
use super::nested::Mode;
use super::record::Record;
use crate::definition::{Definition, Diagnostic, NOT_PERFORMED, Severity, calls, validate_as};
use crate::error::ApiError;
use crate::sync::{lock, write};
use crate::task::not_performed;

impl Inner {
    /// Creates a machine, or answers the one that was created just so before. Another role and
    /// other tags make no difference.
    pub(crate) async fn create_machine(
        &self,
        name: &str,
        express: bool,
        draft: Draft,
        tags: Vec<Tag>,
    ) -> Result<Arc<Machine>, ApiError> {
        let _changing = self.changing.lock().await;
        let arn = self.machine_arn(name);
        if let Ok(known) = self.machine(&arn) {
            let same = known.revision.text == draft.text
                && known.express == express
                && known.revision.configuration == draft.configuration;
            return if same {
                Ok(known)
            } else {
                Err(ApiError::new(
                    "StateMachineAlreadyExists",
                    format!("State Machine Already Exists: '{arn}'"),
                ))
            };
        }
        let revision = self.revision(draft, express).await?;
        let machine = Machine {
            arn,
            name: name.to_owned(),
            express,
            created: revision.updated,
            tags,
            revision: self.known(revision),
            segment: 0,
        };
        self.store(machine).await
    }

    /// Gives a machine a new revision.
    pub(crate) async fn update_machine(
        &self,
        arn: &str,
        draft: impl FnOnce(&Machine) -> Draft,
    ) -> Result<Arc<Machine>, ApiError> {
        let _changing = self.changing.lock().await;
        let known = self.machine(arn)?;
        let revision = self.revision(draft(&known), known.express).await?;
        self.store(known.with(known.tags.clone(), self.known(revision))).await
    }

    /// Gives a machine other tags.
    pub(crate) async fn change_tags(
        &self,
        arn: &str,
        change: impl FnOnce(&mut Vec<Tag>) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let known = self.machine(arn)?;
        let mut tags = known.tags.clone();
        change(&mut tags)?;
        if tags == known.tags {
            return Ok(());
        }
        self.write(&Record::tags(arn, &tags)).await?;
        write(&self.machines).insert(arn.to_owned(), Arc::new(known.tagged(tags)));
        Ok(())
    }

    /// Deletes a machine, if there is one. Its executions stay and go on.
    pub(crate) async fn delete_machine(&self, arn: &str) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        if self.machine(arn).is_ok() {
            self.write(&Record::MachineDeleted { arn: arn.into() }).await?;
            write(&self.machines).remove(arn);
        }
        Ok(())
    }

    async fn revision(&self, draft: Draft, express: bool) -> Result<Revision, ApiError> {
        let definition = checked(&draft.text, express).await?;
        for warning in self.warnings(&definition) {
            tracing::warn!("{warning}");
        }
        Ok(Revision {
            id: Uuid::new_v4().to_string(),
            text: draft.text,
            definition,
            role: draft.role,
            configuration: draft.configuration,
            updated: self.now(),
            segment: AtomicU32::new(0),
        })
    }

    /// What of a definition this machine does not perform.
    pub(crate) fn warnings(&self, definition: &Definition) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        calls(&definition.graph, "", &mut found);
        let known = |arn: &str| Mode::of(arn).is_some() || self.tasks.performs(arn);
        found
            .into_iter()
            .filter(|(_, resource)| !known(resource.plain_arn()))
            .map(|(location, resource)| Diagnostic {
                severity: Severity::Warning,
                code: NOT_PERFORMED,
                message: not_performed(resource.plain_arn()),
                location: Some(location),
            })
            .collect()
    }

    /// A revision that is kept as long as somebody uses it.
    fn known(&self, revision: Revision) -> Arc<Revision> {
        let revision = Arc::new(revision);
        lock(&self.revisions).push(Arc::downgrade(&revision));
        revision
    }

    /// Writes a machine down. Whoever calls it holds `changing`.
    pub(super) async fn store(&self, machine: Machine) -> Result<Arc<Machine>, ApiError> {
        let position = self.write(&Record::machine(&machine)).await?;
        let machine = Arc::new(machine.stored(position.segment));
        write(&self.machines).insert(machine.arn.clone(), Arc::clone(&machine));
        Ok(machine)
    }
}

/// The definition that `text` is. Reading a large one takes long, so a thread of its own does.
async fn checked(text: &str, express: bool) -> Result<Definition, ApiError> {
    let text = text.to_owned();
    let validated = tokio::task::spawn_blocking(move || validate_as(&text, express)).await;
    let validated = validated
        .map_err(|error| ApiError::internal(format!("cannot check the definition: {error}")))?;
    validated.map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(Diagnostic::quoted).collect();
        ApiError::new(
            "InvalidDefinition",
            format!("Invalid State Machine Definition: '{}'", faults.join(", ")),
        )
    })
}
