//! What a sealed journal file says about each execution, kept beside it, so that opening a folder
//! reads the records of running executions only.
//!
//! A summary can always be made again from its file: one that is missing, torn or of another
//! version is.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::status::Change;
use super::trail::Trail;
use crate::journal::{Damage, Position, Reader, Stored, reread};

const VERSION: u32 = 2;

/// What happened to executions and machines in one journal file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Summary {
    version: u32,
    /// The records of state machines.
    pub(super) machines: Vec<Position>,
    /// The executions that have records in the file, in the order of their first ones.
    pub(super) executions: Vec<Touched>,
    /// What of the file could not be read.
    pub(super) damage: Vec<Damage>,
    #[serde(skip)]
    known: HashMap<String, usize>,
}

/// What one file says about one execution.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Touched {
    pub(super) arn: String,
    pub(super) birth: Option<Started>,
    pub(super) trail: Trail,
    /// How the execution stands after the file; none when the file does not change that.
    pub(super) change: Option<Change>,
}

/// How an execution began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) name: String,
    pub(super) machine: String,
    pub(super) revision: String,
    pub(super) express: bool,
    pub(super) at: i64,
    pub(super) by: Option<String>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            version: VERSION,
            machines: Vec::new(),
            executions: Vec::new(),
            damage: Vec::new(),
            known: HashMap::new(),
        }
    }
}

impl Summary {
    pub(super) fn add(&mut self, position: Position, record: &Record<'_>) {
        match record {
            Record::Machine { .. }
            | Record::MachineDeleted { .. }
            | Record::Tags { .. }
            | Record::Revision { .. } => self.machines.push(position),
            Record::Execution { arn, name, machine, revision, express, event, by } => {
                let mut trail = Trail::default();
                trail.push(position, Some(0), std::slice::from_ref(&**event));
                let birth = Some(Started {
                    name: name.to_string(),
                    machine: machine.to_string(),
                    revision: revision.to_string(),
                    express: *express,
                    at: event.at,
                    by: by.as_ref().map(ToString::to_string),
                });
                // One of the same name before it was forgotten by then.
                let touched = self.of(arn);
                *touched = Touched { arn: arn.to_string(), birth, trail, change: None };
            }
            Record::Events { execution, events, number } => {
                let touched = self.of(execution);
                touched.trail.push(position, *number, events);
                if let Some(change) = Change::of(events, touched.change.as_ref()) {
                    touched.change = Some(change);
                }
            }
        }
    }

    fn of(&mut self, arn: &str) -> &mut Touched {
        let next = self.executions.len();
        let index = *self.known.entry(arn.to_owned()).or_insert(next);
        if index == next {
            let arn = arn.to_owned();
            let trail = Trail::default();
            self.executions.push(Touched { arn, birth: None, trail, change: None });
        }
        #[expect(clippy::indexing_slicing, reason = "known holds places in executions")]
        &mut self.executions[index]
    }

    fn path(folder: &Path, segment: u32) -> PathBuf {
        folder.join(format!("journal-{segment:08}.summary"))
    }

    /// The summary of a file, where there is one that can be read.
    pub(super) fn load(folder: &Path, segment: u32) -> Option<Self> {
        let bytes = std::fs::read(Self::path(folder, segment)).ok()?;
        let (head, body) = bytes.split_at_checked(4)?;
        if head != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let summary: Self = serde_json::from_slice(body).ok()?;
        (summary.version == VERSION).then_some(summary)
    }

    /// Keeps the summary. Not being able to is no fault: it is made again when it is needed.
    pub(super) fn save(&self, folder: &Path, segment: u32) {
        let path = Self::path(folder, segment);
        let aside = path.with_extension("summary.new");
        let save = || -> std::io::Result<()> {
            let body = serde_json::to_vec(self).map_err(std::io::Error::other)?;
            let mut file = File::create(&aside)?;
            file.write_all(&crc32fast::hash(&body).to_le_bytes())?;
            file.write_all(&body)?;
            file.sync_all()?;
            std::fs::rename(&aside, &path)
        };
        if let Err(error) = save() {
            tracing::warn!(path = %path.display(), %error, "cannot keep the summary of a journal file");
        }
    }

    /// Makes the summary of a sealed file and keeps it.
    pub(super) fn make(folder: &Path, segment: u32, now: i64) {
        struct Maker<'a>(&'a Path, Summary);
        impl Reader for Maker<'_> {
            fn summarised(&mut self, _: u32) -> bool {
                false
            }
            fn record(&mut self, stored: Stored) -> Result<(), String> {
                let record: Record<'_> =
                    serde_json::from_slice(&stored.bytes).map_err(|error| error.to_string())?;
                self.1.add(stored.position, &record);
                Ok(())
            }
            fn finished(&mut self, segment: u32, _: bool, damage: &[Damage]) {
                self.1.damage = damage.to_vec();
                self.1.save(self.0, segment);
            }
        }
        if let Err(error) = reread(folder, segment, now, &mut Maker(folder, Self::default())) {
            tracing::warn!(%error, "cannot sum up a journal file");
        }
    }
}
