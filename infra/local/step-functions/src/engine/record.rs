//! What the journal holds.
//!
//! Persisted: variants and fields may be added, never changed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::machine::{Configuration, Machine, Revision, Tag};
use super::run::Run;
use crate::execution::Event;

/// One record of the journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Record<'a> {
    /// A state machine was created or updated.
    Machine {
        arn: Cow<'a, str>,
        name: Cow<'a, str>,
        express: bool,
        role: Cow<'a, str>,
        revision: Cow<'a, str>,
        definition: Cow<'a, str>,
        created: i64,
        updated: i64,
        #[serde(default, skip_serializing_if = "is_default")]
        configuration: Cow<'a, Configuration>,
        #[serde(default, skip_serializing_if = "is_empty")]
        tags: Cow<'a, [Tag]>,
    },
    /// A state machine was deleted.
    MachineDeleted { arn: Cow<'a, str> },
    /// A state machine has other tags.
    Tags { arn: Cow<'a, str>, tags: Cow<'a, [Tag]> },
    /// An execution started.
    Execution {
        arn: Cow<'a, str>,
        name: Cow<'a, str>,
        machine: Cow<'a, str>,
        revision: Cow<'a, str>,
        express: bool,
        event: Cow<'a, Event>,
        /// The task of another execution that started it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Cow<'a, str>>,
    },
    /// A definition that executions still use, although the machine has another one by now.
    Revision {
        revision: Cow<'a, str>,
        role: Cow<'a, str>,
        definition: Cow<'a, str>,
        updated: i64,
        #[serde(default, skip_serializing_if = "is_default")]
        configuration: Cow<'a, Configuration>,
    },
    /// An execution went on.
    Events {
        execution: Cow<'a, str>,
        events: Cow<'a, [Event]>,
        /// How many records the execution had before.
        #[serde(default, rename = "n", skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
    },
}

fn is_default(configuration: &Configuration) -> bool {
    configuration.is_default()
}

fn is_empty(tags: &[Tag]) -> bool {
    tags.is_empty()
}

impl<'a> Record<'a> {
    pub(crate) fn machine(machine: &'a Machine) -> Self {
        Self::Machine {
            arn: Cow::Borrowed(&machine.arn),
            name: Cow::Borrowed(&machine.name),
            express: machine.express,
            role: Cow::Borrowed(&machine.revision.role),
            revision: Cow::Borrowed(&machine.revision.id),
            definition: Cow::Borrowed(&machine.revision.text),
            created: machine.created,
            updated: machine.revision.updated,
            configuration: Cow::Borrowed(&machine.revision.configuration),
            tags: Cow::Borrowed(&machine.tags),
        }
    }

    pub(crate) fn tags(arn: &'a str, tags: &'a [Tag]) -> Self {
        Self::Tags { arn: Cow::Borrowed(arn), tags: Cow::Borrowed(tags) }
    }

    pub(crate) fn execution(run: &'a Run, event: &'a Event) -> Self {
        Self::Execution {
            arn: Cow::Borrowed(&run.arn),
            name: Cow::Borrowed(&run.name),
            machine: Cow::Borrowed(&run.machine_arn),
            revision: Cow::Borrowed(&run.revision.id),
            express: run.express,
            event: Cow::Borrowed(event),
            by: run.by.as_deref().map(Cow::Borrowed),
        }
    }

    pub(crate) fn events(run: &'a Run, events: &'a [Event]) -> Self {
        Self::Events {
            execution: Cow::Borrowed(&run.arn),
            events: Cow::Borrowed(events),
            number: Some(run.records()),
        }
    }

    pub(crate) fn revision(revision: &'a Revision) -> Self {
        Self::Revision {
            revision: Cow::Borrowed(&revision.id),
            role: Cow::Borrowed(&revision.role),
            definition: Cow::Borrowed(&revision.text),
            updated: revision.updated,
            configuration: Cow::Borrowed(&revision.configuration),
        }
    }
}
