//! What is there of every function, what runs, and what is pending.

use super::{
    alias,
    code::Codes,
    record::{Code, Record, State as VersionState, Update, Version, revision},
    runtime::Runtimes,
};
use crate::{
    error::RequestError,
    function::Function,
    name::{LATEST, qualified},
    spec::{FunctionSpec, FunctionStore, Policy},
    sync::lock,
};
use pact_processes::apart::Shown;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Every function that was made by the API.
pub(crate) struct Managed {
    pub(super) store: FunctionStore,
    region: String,
    account: String,
    policy: Policy,
    pub(super) codes: Codes,
    pub(super) runtimes: Runtimes,
    pub(super) state: Mutex<State>,
    pub(super) opened: mpsc::UnboundedSender<UrlServer>,
    /// Addresses that are to be served, until somebody serves them.
    pub(super) to_serve: Mutex<Option<mpsc::UnboundedReceiver<UrlServer>>>,
}

/// An address that is to be served.
pub(crate) struct UrlServer {
    pub(crate) listener: TcpListener,
    pub(crate) function: String,
    /// The alias; empty: the function itself.
    pub(crate) qualifier: String,
    /// Ends with the address.
    pub(crate) closed: oneshot::Receiver<()>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) functions: BTreeMap<String, Entry>,
    /// Names whose record cannot be read: they are not given to another function.
    pub(super) unreadable: BTreeSet<String>,
    /// What was replaced, and may still serve an invocation.
    pub(super) retired: Vec<Weak<Function>>,
}

pub(super) struct Entry {
    pub(super) record: Record,
    /// What runs, by version.
    pub(super) running: HashMap<String, Arc<Function>>,
    /// Ends the server of an address when it is dropped.
    pub(super) urls: HashMap<String, oneshot::Sender<()>>,
}

impl Entry {
    pub(super) fn new(record: Record) -> Entry {
        Entry { record, running: HashMap::new(), urls: HashMap::new() }
    }
}

impl Managed {
    /// Opens the folder, and completes what a host before this one had begun.
    pub(crate) fn open(
        store: FunctionStore,
        (region, account): (String, String),
        policy: Policy,
    ) -> io::Result<Managed> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&store.folder)?;
        fs::set_permissions(&store.folder, fs::Permissions::from_mode(0o700))?;
        let records = store.folder.join("functions");
        fs::create_dir_all(&records)?;
        let mut state = State::default();
        for entry in fs::read_dir(&records)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            let (Some(name), Some("json")) = (name, path.extension().and_then(|e| e.to_str()))
            else {
                continue;
            };
            match Record::read(&path) {
                Ok(record) => drop(state.functions.insert(name, Entry::new(record))),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a function cannot be read");
                    state.unreadable.insert(name);
                }
            }
        }
        let (opened, to_serve) = mpsc::unbounded_channel();
        let managed = Managed {
            codes: Codes::open(store.folder.join("code"))?,
            runtimes: Runtimes::open(store.folder.join("runtimes"), store.path.clone())?,
            store,
            region,
            account,
            policy,
            state: Mutex::new(state),
            opened,
            to_serve: Mutex::new(Some(to_serve)),
        };
        for name in managed.names() {
            managed.settle(&name);
        }
        managed.open_urls();
        Ok(managed)
    }

    /// Whether there is a function of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        lock(&self.state).functions.contains_key(name)
    }

    /// The names of all.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.state).functions.keys().cloned().collect()
    }

    /// Everything that may have instances.
    pub(crate) fn running(&self) -> Vec<Arc<Function>> {
        let mut state = lock(&self.state);
        state.retired.retain(|function| function.strong_count() > 0);
        let retired: Vec<_> = state.retired.iter().filter_map(Weak::upgrade).collect();
        let current = state.functions.values().flat_map(|entry| entry.running.values().cloned());
        current.chain(retired).collect()
    }

    /// What runs an invocation.
    pub(crate) fn invoked(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<Arc<Function>, RequestError> {
        let mut state = lock(&self.state);
        let entry = state.functions.get_mut(name).ok_or_else(|| self.not_found(name, qualifier))?;
        let version = match qualifier {
            None => LATEST,
            Some(version) if alias::is_version(version) => version,
            Some(name_of_alias) => {
                let alias = entry.record.aliases.get(name_of_alias);
                let alias = alias.ok_or_else(|| self.not_found(name, qualifier))?;
                alias::choose(&alias.version, &alias.weights, alias::draw())
            }
        };
        let found = entry.record.version(version);
        let found = found.ok_or_else(|| self.not_found(name, qualifier))?;
        if found.state != VersionState::Active {
            return Err(RequestError::conflict(format!(
                "The operation cannot be performed at this time. The function is currently in the \
                 following state: {:?}",
                found.state
            )));
        }
        if let Some(running) = entry.running.get(version) {
            return Ok(Arc::clone(running));
        }
        let spec = self.spec(name, found)?;
        let function = Function::new(spec, &self.policy);
        let function = function.map_err(|e| RequestError::Service(e.to_string()))?;
        let function = Arc::new(function);
        entry.running.insert(version.to_owned(), Arc::clone(&function));
        Ok(function)
    }

    pub(super) fn spec(&self, name: &str, version: &Version) -> Result<FunctionSpec, RequestError> {
        let root = self.codes.root(version.serving.as_ref().unwrap_or(&version.code));
        let program = self.runtimes.program(&version.config, &root)?;
        let log = match version.version.as_str() {
            LATEST => format!("{name}.log"),
            number => format!("{name}.{number}.log"),
        };
        let own = [("PATH", self.runtimes.path()), ("LANG", "en_US.UTF-8")];
        let shown = [root.as_path(), self.runtimes.folder()];
        let shown = shown.map(|path| Shown { path: path.to_owned(), writable: false }).to_vec();
        Ok(FunctionSpec {
            version: version.version.clone(),
            runtime: version.config.runtime.clone(),
            folder: Some(root),
            args: program.args,
            handler: version.config.handler.clone(),
            role: Some(version.config.role.clone()),
            env: version.config.env.clone(),
            // No credentials: nobody here knows a role that would have any.
            service_env: own.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            inherits: false,
            apart: self.store.apart.clone().map(|apart| (apart, shown)),
            timeout: Duration::from_secs(version.config.timeout.into()),
            memory_mb: version.config.memory,
            ephemeral_mb: version.config.ephemeral,
            log: Some(self.store.folder.join("logs").join(log)),
            ..FunctionSpec::new(name, self.arn(name), program.program)
        })
    }

    /// Does what is pending on a function: unpacks its code, and lets it serve. What serves until
    /// then goes on when the code is at fault.
    pub(super) fn settle(&self, name: &str) {
        let pending = {
            let state = lock(&self.state);
            let record = state.functions.get(name).map(|entry| &entry.record);
            let latest = record.map(|record| &record.latest);
            latest.filter(|l| l.update == Update::InProgress).map(|l| l.code.clone())
        };
        let Some(code) = pending else { return };
        let unpacked = self.codes.unpack(&code);
        let done = self.change_replacing(name, LATEST, |record| {
            let latest = &mut record.latest;
            match &unpacked {
                Ok(()) => {
                    latest.state = VersionState::Active;
                    latest.update = Update::Successful;
                    latest.reason = None;
                }
                Err(error) => {
                    latest.update = Update::Failed;
                    latest.reason = Some(error.to_string());
                    match latest.serving.take() {
                        Some(before) => latest.code = before,
                        None if latest.state == VersionState::Pending => {
                            latest.state = VersionState::Failed;
                        }
                        None => {}
                    }
                }
            }
            latest.serving = None;
            latest.revision = revision();
            let state = latest.state;
            for version in &mut record.versions {
                if version.state == VersionState::Pending && version.code == code {
                    version.state = if unpacked.is_ok() { state } else { VersionState::Failed };
                    version.update = record.latest.update;
                    version.reason.clone_from(&record.latest.reason);
                }
            }
            Ok(())
        });
        if let Err(error) = done {
            tracing::error!(%name, %error, "a function cannot be completed");
        }
    }

    /// Changes the record of a function, and lets the next invocation of a version start anew: nobody
    /// who sees the change is answered by what served before it.
    pub(super) fn change_replacing<T>(
        &self,
        name: &str,
        version: &str,
        change: impl FnOnce(&mut Record) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut state = lock(&self.state);
        let entry = state.functions.get_mut(name).ok_or_else(|| self.not_found(name, None))?;
        let answer = self.write(name, entry, change)?;
        if let Some(old) = entry.running.remove(version) {
            state.retired.push(Arc::downgrade(&old));
            drop(state);
            old.retire();
        }
        Ok(answer)
    }

    /// Lets go of what runs of a version that is no more.
    pub(super) fn let_go(&self, name: &str, version: &str) {
        let mut state = lock(&self.state);
        let entry = state.functions.get_mut(name);
        if let Some(old) = entry.and_then(|entry| entry.running.remove(version)) {
            state.retired.push(Arc::downgrade(&old));
            drop(state);
            old.retire();
        }
    }

    /// Changes the record of a function: on disk first.
    pub(super) fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Record) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut state = lock(&self.state);
        let entry = state.functions.get_mut(name).ok_or_else(|| self.not_found(name, None))?;
        self.write(name, entry, change)
    }

    fn write<T>(
        &self,
        name: &str,
        entry: &mut Entry,
        change: impl FnOnce(&mut Record) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let mut record = entry.record.clone();
        let answer = change(&mut record)?;
        record.write(&self.path(name)).map_err(not_written)?;
        entry.record = record;
        Ok(answer)
    }

    /// Reads the record of a function.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Record) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let state = lock(&self.state);
        let entry = state.functions.get(name).ok_or_else(|| self.not_found(name, None))?;
        read(&entry.record)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.store.folder.join("functions").join(format!("{name}.json"))
    }

    pub(super) fn arn(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{name}", self.region, self.account)
    }

    pub(super) fn not_found(&self, name: &str, qualifier: Option<&str>) -> RequestError {
        RequestError::NotFound(qualified(self.arn(name), qualifier))
    }
}

pub(super) fn not_written(error: io::Error) -> RequestError {
    RequestError::Service(format!("the function cannot be written down: {error}"))
}

/// Whoever has read another revision changes nothing.
pub(super) fn check_revision(
    wanted: Option<&str>,
    current: &str,
    read: &str,
) -> Result<(), RequestError> {
    match wanted {
        Some(wanted) if wanted != current => Err(RequestError::precondition(format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {read} API to \
             retrieve the latest Revision Id"
        ))),
        _ => Ok(()),
    }
}

/// While an update is going on there is no other.
pub(super) fn check_settled(version: &Version, arn: &str) -> Result<(), RequestError> {
    if version.state == VersionState::Pending {
        return Err(RequestError::conflict(
            "The operation cannot be performed at this time. The function is currently in the \
             following state: Pending",
        ));
    }
    if version.update == Update::InProgress {
        return Err(RequestError::conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: \
             {arn}"
        )));
    }
    Ok(())
}

/// Codes that one of the records has.
pub(super) fn needed<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeSet<String> {
    records.flat_map(Record::codes).map(|code: &Code| code.folder.clone()).collect()
}
