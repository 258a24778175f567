//! State machines and the versions of their definitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::Definition;

/// A state machine as it is now.
pub(crate) struct Machine {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) express: bool,
    pub(crate) created: i64,
    pub(crate) tags: Vec<Tag>,
    pub(crate) revision: Arc<Revision>,
    /// The first journal file that holds something of what the machine is now.
    pub(super) segment: u32,
}

impl Machine {
    /// The machine with other tags.
    pub(super) fn tagged(&self, tags: Vec<Tag>) -> Self {
        self.with(tags, Arc::clone(&self.revision))
    }

    /// The machine as a record in `segment` says it.
    pub(super) fn stored(self, segment: u32) -> Self {
        self.revision.set_segment(segment);
        Self { segment, ..self }
    }

    pub(super) fn with(&self, tags: Vec<Tag>, revision: Arc<Revision>) -> Self {
        Self {
            arn: self.arn.clone(),
            name: self.name.clone(),
            express: self.express,
            created: self.created,
            tags,
            revision,
            segment: self.segment,
        }
    }
}

/// One version of a state machine's definition; executions keep the one they started with.
pub(crate) struct Revision {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) definition: Definition,
    pub(crate) role: String,
    pub(crate) configuration: Configuration,
    pub(crate) updated: i64,
    /// The journal file that holds it.
    pub(super) segment: AtomicU32,
}

impl Revision {
    /// The journal file that holds it.
    pub(super) fn segment(&self) -> u32 {
        self.segment.load(Ordering::Relaxed)
    }

    pub(super) fn set_segment(&self, segment: u32) {
        self.segment.store(segment, Ordering::Relaxed);
    }

    /// What stands for a definition that was lost by damage to the journal.
    pub(super) fn lost(id: String) -> Self {
        Self {
            id,
            text: String::new(),
            definition: Definition::lost(),
            role: String::new(),
            configuration: Configuration::default(),
            updated: 0,
            segment: AtomicU32::new(u32::MAX),
        }
    }
}

/// What a machine is configured with besides its definition. The engine keeps it and answers it;
/// it neither logs to CloudWatch nor traces nor encrypts.
///
/// Persisted: fields may be added, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    /// `loggingConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) logging: Option<Value>,
    /// `tracingConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tracing: Option<Value>,
    /// `encryptionConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<Value>,
}

impl Configuration {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// This configuration, with what it does not say taken from `before`.
    pub(crate) fn over(self, before: &Self) -> Self {
        Self {
            logging: self.logging.or_else(|| before.logging.clone()),
            tracing: self.tracing.or_else(|| before.tracing.clone()),
            encryption: self.encryption.or_else(|| before.encryption.clone()),
        }
    }
}

/// A name and a value that somebody gave a machine.
///
/// Persisted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What a revision is made of, before it is checked.
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) role: String,
    pub(crate) configuration: Configuration,
}
