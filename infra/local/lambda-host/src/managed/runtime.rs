//! Which program runs a function.

use super::record::Config;
use crate::{error::RequestError, sync::lock};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// What an interpreter runs: it asks for events and calls the handler.
const PYTHON: &str = include_str!("runtimes/python.py");
const NODE: &str = include_str!("runtimes/node.mjs");

/// The interpreters of this machine, and what they run.
#[derive(Debug)]
pub(super) struct Runtimes {
    folder: PathBuf,
    path: String,
    /// Those that were tried before: the program itself, where it runs.
    known: Mutex<BTreeMap<PathBuf, Option<PathBuf>>>,
}

/// What an interpreter is asked: where its program is, behind links and launchers.
const WHERE_PYTHON: &[&str] = &["-I", "-c", "import sys; print(sys.executable)"];
const WHERE_NODE: &[&str] = &["-p", "process.execPath"];

/// How a function is started.
pub(super) struct Program {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
}

impl Runtimes {
    /// Writes what the interpreters run.
    pub(super) fn open(folder: PathBuf, path: String) -> io::Result<Runtimes> {
        fs::create_dir_all(&folder)?;
        for (name, text) in [("python.py", PYTHON), ("node.mjs", NODE)] {
            let path = folder.join(name);
            if fs::read_to_string(&path).is_ok_and(|known| known == text) {
                continue;
            }
            let next = folder.join(format!("{name}.next"));
            fs::write(&next, text)?;
            fs::rename(next, path)?;
        }
        Ok(Runtimes { folder, path, known: Mutex::default() })
    }

    /// Where the scripts of the interpreters are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where programs are looked for.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// How a function is started.
    ///
    /// # Errors
    /// `InvalidParameterValueException` when this machine cannot run it.
    pub(super) fn program(&self, config: &Config, root: &Path) -> Result<Program, RequestError> {
        let runtime = config.runtime.as_str();
        if matches!(runtime, "provided.al2023" | "provided.al2") {
            return Ok(Program { program: root.join("bootstrap"), args: Vec::new() });
        }
        let (names, script, ask) = if let Some(version) = runtime.strip_prefix("python3.") {
            number(version, runtime)?;
            (vec![runtime.to_owned(), "python3".to_owned()], "python.py", WHERE_PYTHON)
        } else if let Some(version) =
            runtime.strip_prefix("nodejs").and_then(|rest| rest.strip_suffix(".x"))
        {
            number(version, runtime)?;
            (vec![format!("node{version}"), "node".to_owned()], "node.mjs", WHERE_NODE)
        } else {
            return Err(unknown(runtime));
        };
        let found = names.iter().find_map(|name| self.find(name, ask)).ok_or_else(|| {
            RequestError::invalid(format!(
                "The runtime {runtime} cannot be run on this machine: it has no {}",
                names.join(" and no ")
            ))
        })?;
        let script = self.folder.join(script).display().to_string();
        Ok(Program { program: found, args: vec![script] })
    }

    /// The interpreter of this name: the first one that runs.
    fn find(&self, name: &str, ask: &[&str]) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .map(|folder| folder.join(name))
            .filter(|path| path.is_absolute() && is_program(path))
            .find_map(|path| {
                let known = lock(&self.known).get(&path).cloned();
                known.unwrap_or_else(|| {
                    let found = self.itself(&path, ask);
                    lock(&self.known).insert(path.clone(), found.clone());
                    found
                })
            })
    }

    /// A launcher may be there for a version that is not.
    fn itself(&self, path: &Path, ask: &[&str]) -> Option<PathBuf> {
        let asked =
            Command::new(path).args(ask).env_clear().env("PATH", &self.path).output().ok()?;
        let itself = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
        (asked.status.success() && itself.is_absolute() && is_program(&itself)).then_some(itself)
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn number(text: &str, runtime: &str) -> Result<(), RequestError> {
    match text.parse::<u8>() {
        Ok(_) => Ok(()),
        Err(_) => Err(unknown(runtime)),
    }
}

fn unknown(runtime: &str) -> RequestError {
    RequestError::Validation {
        value: runtime.chars().filter(|c| !c.is_control()).take(100).collect(),
        parameter: "runtime",
        constraint: "Member must be one that this host runs: [provided.al2023, provided.al2, \
                     python3.N, nodejsN.x]",
    }
}
