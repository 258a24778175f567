//! Projects and builds, and what is done with them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::{
    Limits, Project, StateChange, View,
    build::{Build, SCHEMA, Status},
    error::{ApiError, OpenError},
    store::Store,
    sync::lock,
};

/// Builds that may wait for their turn.
const MAX_QUEUED: usize = 1_000;

/// How a host works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the builds; nobody else uses it.
    pub data_dir: PathBuf,
    /// Region of the ARNs.
    pub region: String,
    /// Account of the ARNs.
    pub account: String,
    /// The program that calls [`sandbox::main`](crate::sandbox::main), with its arguments.
    pub sandbox: Vec<OsString>,
    /// What builds see of the machine.
    pub view: View,
    /// What a build may use.
    pub limits: Limits,
    /// Environment of every build, beside what CodeBuild and the project set.
    pub environment: BTreeMap<String, String>,
    /// The machine's own HTTP proxy, for what builds fetch.
    pub upstream_proxy: Option<axum::http::Uri>,
    /// Builds at once.
    pub concurrency: usize,
    /// How long the processes of a build have to end by themselves when it is stopped.
    pub grace: Duration,
}

/// AWS CodeBuild on one machine. Clones share everything.
///
/// Nothing that listens on the machine can be reached from a build, except for ports of the
/// loopback that one of the variables of its `StartBuild` names, as in `http://127.0.0.1:8080/x`.
#[derive(Clone, Debug)]
pub struct CodeBuild {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) room: Semaphore,
    events: broadcast::Sender<StateChange>,
    state: Mutex<State>,
    /// Builds that ended with the last host, until it is told.
    interrupted: Mutex<Vec<String>>,
    /// Changes with every end of a build; true once the host shuts down.
    closing: watch::Sender<bool>,
    /// Caches that a build works with.
    busy_caches: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug, Default)]
struct State {
    projects: BTreeMap<String, Project>,
    /// By uuid.
    builds: HashMap<String, Entry>,
    numbers: BTreeMap<String, u64>,
    /// Uuids, the oldest first.
    order: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    build: Build,
    stop: watch::Sender<bool>,
}

/// What a caller asks for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) buildspec: Option<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) image: Option<String>,
    pub(crate) compute_type: Option<String>,
    pub(crate) timeout_minutes: Option<u64>,
    pub(crate) queued_timeout_minutes: Option<u64>,
    pub(crate) cache: Option<String>,
    pub(crate) token: Option<String>,
}

impl CodeBuild {
    /// Opens a data folder. Builds that went on when the last host ended are faults now, and
    /// [`events`](Self::events) will say so to whoever subscribes before [`resume`](Self::resume).
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let found = Store::open(&options.data_dir, Timestamp::now())?;
        let (events, _) = broadcast::channel(1_024);
        let numbers = Store::numbers(&found.builds);
        let order = found.builds.iter().map(|build| build.uuid.clone()).collect();
        let builds = found
            .builds
            .into_iter()
            .map(|build| {
                let (stop, _) = watch::channel(false);
                (build.uuid.clone(), Entry { build, stop })
            })
            .collect();
        let room = Semaphore::new(options.concurrency.max(1));
        let state = State { projects: BTreeMap::new(), builds, numbers, order };
        let inner = Inner {
            options,
            store: found.store,
            room,
            events,
            state: Mutex::new(state),
            interrupted: Mutex::new(found.interrupted),
            closing: watch::channel(false).0,
            busy_caches: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Tells of the builds that ended with the last host.
    pub fn resume(&self) {
        for uuid in std::mem::take(&mut *lock(&self.inner.interrupted)) {
            tracing::warn!(%uuid, "a build ended with the last host");
            if let Some(build) = self.inner.build(&uuid) {
                self.inner.announce(&build);
            }
        }
    }

    /// Adds a project, or replaces the one with its name.
    pub fn put_project(&self, project: Project) {
        lock(&self.inner.state).projects.insert(project.name.clone(), project);
    }

    /// Changes of builds and ends of their phases from now on. Whoever is too slow loses the oldest, as EventBridge delivers
    /// at its best effort: builds can be asked for at any time.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<StateChange> {
        self.inner.events.subscribe()
    }

    /// Ends every build, which becomes a fault, and waits for it.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        loop {
            let running = {
                let state = lock(&self.inner.state);
                state.builds.values().find(|e| e.build.ended.is_none()).map(|e| e.stop.subscribe())
            };
            let Some(mut changes) = running else { return };
            // The sender goes with the entry's end; the time-out guards a change that was missed.
            drop(tokio::time::timeout(Duration::from_millis(200), changes.changed()).await);
        }
    }
}

impl Inner {
    pub(crate) fn project(&self, name: &str) -> Result<Project, ApiError> {
        // An ARN will do, too.
        let name = name.rsplit_once(":project/").map_or(name, |(_, name)| name);
        let state = lock(&self.state);
        state
            .projects
            .get(name)
            .cloned()
            .ok_or_else(|| ApiError::not_found(format!("Project cannot be found: {name}")))
    }

    pub(crate) fn projects(&self) -> Vec<Project> {
        lock(&self.state).projects.values().cloned().collect()
    }

    /// Makes a build. The same token again is the same build, and then there is nothing to run.
    pub(crate) fn make(
        &self,
        project: &Project,
        wanted: &Wanted,
    ) -> Result<(Build, Option<watch::Receiver<bool>>), ApiError> {
        if *self.closing.borrow() {
            return Err(ApiError::internal("the host shuts down"));
        }
        let now = Timestamp::now();
        let (build, stop) = {
            let mut state = lock(&self.state);
            let same = |build: &Build| {
                build.project == project.name
                    && wanted.token.is_some()
                    && build.token == wanted.token
            };
            if let Some(entry) = state.builds.values().find(|entry| same(&entry.build)) {
                return Ok((entry.build.clone(), None));
            }
            let waiting = state.builds.values().filter(|e| e.build.ended.is_none()).count();
            if waiting >= MAX_QUEUED {
                return Err(ApiError::new(
                    "AccountLimitExceededException",
                    format!("Cannot have more than {MAX_QUEUED} builds in queue for the account"),
                ));
            }
            let number = state.numbers.entry(project.name.clone()).or_insert(0);
            *number += 1;
            let number = *number;
            let build = self.new_build(project, wanted, number, now);
            self.store
                .write(&build)
                .map_err(|error| ApiError::internal(format!("cannot keep the build: {error}")))?;
            let (stop, receiver) = watch::channel(false);
            state.order.push(build.uuid.clone());
            state.builds.insert(build.uuid.clone(), Entry { build: build.clone(), stop });
            (build, receiver)
        };
        self.announce(&build);
        Ok((build, Some(stop)))
    }

    fn new_build(&self, project: &Project, wanted: &Wanted, number: u64, now: Timestamp) -> Build {
        let uuid = uuid::Uuid::new_v4().to_string();
        let Options { region, account, .. } = &self.options;
        let mut environment = project.environment.clone();
        environment.extend(wanted.environment.clone());
        let minutes = |duration: Duration| duration.as_secs().div_ceil(60);
        let mut build = Build {
            schema: SCHEMA,
            arn: format!("arn:aws:codebuild:{region}:{account}:build/{}:{uuid}", project.name),
            uuid,
            number,
            project: project.name.clone(),
            initiator: "local".to_owned(),
            status: Status::InProgress,
            started: now,
            ended: None,
            phases: Vec::new(),
            buildspec: wanted
                .buildspec
                .clone()
                .or_else(|| project.buildspec.clone())
                .unwrap_or_default(),
            environment,
            image: wanted.image.clone().unwrap_or_else(|| project.image.clone()),
            compute_type: wanted
                .compute_type
                .clone()
                .unwrap_or_else(|| project.compute_type.clone()),
            timeout_minutes: wanted.timeout_minutes.unwrap_or_else(|| minutes(project.timeout)),
            queued_timeout_minutes: wanted
                .queued_timeout_minutes
                .unwrap_or_else(|| minutes(project.queued_timeout)),
            log_group: project.log_group.clone(),
            token: wanted.token.clone(),
        };
        build.begin("SUBMITTED", now);
        build.begin("QUEUED", now);
        build
    }

    /// The build with this id or ARN.
    pub(crate) fn build(&self, id: &str) -> Option<Build> {
        lock(&self.state).builds.get(uuid_of(id)).map(|entry| entry.build.clone())
    }

    /// The build that writes this log stream.
    pub(crate) fn build_of_stream(&self, group: &str, stream: &str) -> Option<Build> {
        self.build(stream).filter(|build| build.log_group == group)
    }

    /// Builds of a project, or of all, the newest first.
    pub(crate) fn builds(&self, project: Option<&str>) -> Vec<Build> {
        let state = lock(&self.state);
        let ids = state.order.iter().rev();
        let builds = ids.filter_map(|uuid| state.builds.get(uuid)).map(|entry| &entry.build);
        builds.filter(|build| project.is_none_or(|name| build.project == name)).cloned().collect()
    }

    /// Asks a build to end. One that has ended stays as it is.
    pub(crate) fn stop(&self, id: &str) -> Option<Build> {
        let state = lock(&self.state);
        let entry = state.builds.get(uuid_of(id))?;
        entry.stop.send_replace(true);
        Some(entry.build.clone())
    }

    /// Builds of a project that run now.
    pub(crate) fn running(&self, project: &str) -> usize {
        let state = lock(&self.state);
        let running = |build: &Build| {
            build.project == project && build.ended.is_none() && build.current_phase() != "QUEUED"
        };
        state.builds.values().filter(|entry| running(&entry.build)).count()
    }

    /// Whether the host shuts down, and when it begins to.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Keeps how a build stands now.
    pub(crate) fn update(&self, build: &Build) {
        if let Err(error) = self.store.write(build) {
            tracing::error!(%error, build = %build.id(), "cannot keep how a build stands");
        }
        self.remember(build);
    }

    /// Knows how a build stands now, for as long as this host lives.
    pub(crate) fn remember(&self, build: &Build) {
        let mut state = lock(&self.state);
        let Some(entry) = state.builds.get_mut(&build.uuid) else { return };
        entry.build = build.clone();
        if build.ended.is_some() {
            // Whoever waits for the end looks again.
            entry.stop.send_modify(|_| ());
        }
    }

    /// Tells how a build stands.
    pub(crate) fn announce(&self, build: &Build) {
        let Options { region, account, .. } = &self.options;
        // Nobody may be listening.
        drop(self.events.send(StateChange::of(build, region, account, Timestamp::now())));
    }

    /// Tells that the last phase but `after` has ended.
    pub(crate) fn announce_phase(&self, build: &Build, after: usize) {
        let Options { region, account, .. } = &self.options;
        let phase = build.phases.iter().rev().nth(after);
        let change = phase.and_then(|p| StateChange::of_phase(build, p, region, account));
        drop(change.map(|change| self.events.send(change)));
    }

    /// Takes a cache for one build. None: another build has it, and this one does without.
    pub(crate) fn take_cache(self: &Arc<Self>, key: &str) -> Option<CacheLease> {
        let folder = self.store.caches().join(folder_name(key));
        let taken = lock(&self.busy_caches).insert(folder.clone());
        taken.then(|| CacheLease { folder, inner: Arc::clone(self) })
    }
}

/// A cache that nobody else works with.
#[derive(Debug)]
pub(crate) struct CacheLease {
    pub(crate) folder: PathBuf,
    inner: Arc<Inner>,
}

impl Drop for CacheLease {
    fn drop(&mut self) {
        lock(&self.inner.busy_caches).remove(&self.folder);
    }
}

/// The uuid in an id or an ARN.
fn uuid_of(id: &str) -> &str {
    id.rsplit(':').next().unwrap_or(id)
}

/// A name that is one level, and another for every key.
fn folder_name(key: &str) -> String {
    let mut name = String::new();
    for byte in key.bytes().take(80) {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            other => name.push_str(&format!("_{other:02x}")),
        }
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_folder_of_its_own() {
        assert_eq!(folder_name("acme/shop"), "acme_2fshop");
        assert_ne!(folder_name("a_2f"), folder_name("a/"));
        assert_eq!(folder_name(".."), "_2e_2e");
        assert_eq!(folder_name(""), "_");
    }

    #[test]
    fn a_build_is_found_by_id_and_by_arn() {
        assert_eq!(uuid_of("shop:1-2"), "1-2");
        assert_eq!(uuid_of("arn:aws:codebuild:us-east-1:0:build/shop:1-2"), "1-2");
    }
}
