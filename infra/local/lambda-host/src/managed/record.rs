//! What is kept of a function on disk: one file each, replaced in one step.

use crate::name::LATEST;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The version in which a record is written. An older one is read; a newer one is left alone.
const SCHEMA: u32 = 1;
/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 64 << 20;

/// A function with its versions and aliases.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    schema: u32,
    pub(crate) name: String,
    pub(crate) latest: Version,
    /// Published ones, the oldest first.
    pub(crate) versions: Vec<Version>,
    /// The number of the version that is published next: none is given twice.
    pub(crate) next: u64,
    pub(crate) aliases: BTreeMap<String, Alias>,
    /// By alias; the empty one is that of the function itself.
    pub(crate) urls: BTreeMap<String, FunctionUrl>,
    /// Statements of its policy.
    #[serde(default)]
    pub(crate) policy: Vec<Statement>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A version of a function, `$LATEST` among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) revision: String,
    pub(crate) config: Config,
    pub(crate) code: Code,
    /// The code that serves until the update to `code` is done.
    #[serde(default)]
    pub(crate) serving: Option<Code>,
    pub(crate) modified: Timestamp,
    pub(crate) state: State,
    pub(crate) update: Update,
    /// Why it failed.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// How a function is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) runtime: String,
    pub(crate) handler: String,
    pub(crate) role: String,
    pub(crate) description: String,
    pub(crate) timeout: u32,
    pub(crate) memory: u32,
    pub(crate) ephemeral: u32,
    pub(crate) architecture: String,
    pub(crate) env: BTreeMap<String, String>,
    /// What is shown as it was given, and has no effect here: tracing, log format.
    pub(crate) shown: Map<String, Value>,
}

/// A zip, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// SHA-256, in base64 as AWS shows it.
    pub(crate) sha256: String,
    /// The same in hexadecimal: the name of its folder.
    pub(crate) folder: String,
    /// Bytes of the zip.
    pub(crate) size: u64,
}

/// See `State` of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Pending,
    Active,
    Failed,
}

/// See `LastUpdateStatus` of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Update {
    InProgress,
    Successful,
    Failed,
}

/// A name for a version, or for two by their weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub(crate) version: String,
    pub(crate) description: String,
    /// The share of invocations that another version gets, from 0 to 1.
    pub(crate) weights: BTreeMap<String, f64>,
    pub(crate) revision: String,
}

/// The HTTP address of a function or an alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionUrl {
    pub(crate) port: u16,
    /// `NONE` or `AWS_IAM`.
    pub(crate) auth: String,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
}

/// A statement of a function's policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) id: String,
    /// The alias or version that it is for; empty: the function.
    pub(crate) qualifier: String,
    pub(crate) action: String,
    pub(crate) principal: String,
    #[serde(default)]
    pub(crate) auth: Option<String>,
}

impl Record {
    /// A function that was just made.
    pub(crate) fn new(name: &str, config: Config, code: Code) -> Record {
        let latest = Version {
            version: LATEST.to_owned(),
            revision: revision(),
            config,
            code,
            serving: None,
            modified: Timestamp::now(),
            state: State::Pending,
            update: Update::InProgress,
            reason: None,
        };
        Record {
            schema: SCHEMA,
            name: name.to_owned(),
            latest,
            versions: Vec::new(),
            next: 1,
            aliases: BTreeMap::new(),
            urls: BTreeMap::new(),
            policy: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The version of this name.
    pub(crate) fn version(&self, version: &str) -> Option<&Version> {
        if version == LATEST {
            return Some(&self.latest);
        }
        self.versions.iter().find(|known| known.version == version)
    }

    /// Every code that one of its versions has.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &Code> {
        let all = std::iter::once(&self.latest).chain(&self.versions);
        all.flat_map(|version| std::iter::once(&version.code).chain(&version.serving))
    }

    /// Reads one.
    pub(crate) fn read(path: &Path) -> io::Result<Record> {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_RECORD).read_to_end(&mut text)?;
        let record: Record = serde_json::from_slice(&text).map_err(io::Error::other)?;
        if record.schema > SCHEMA {
            let reason = format!("it is of version {}, a newer program's", record.schema);
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
        Ok(record)
    }

    /// Writes it, in one step that survives a loss of power.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let next = path.with_extension("next");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec_pretty(self).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&next, path)
    }
}

/// A new one: whoever read an older one does not change what came after it.
pub(crate) fn revision() -> String {
    uuid::Uuid::new_v4().to_string()
}
