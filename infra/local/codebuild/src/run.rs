//! One build, from its turn in the queue to its end.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    Project,
    build::{Build, Status},
    buildspec::Buildspec,
    error::ApiError,
    host::{CacheLease, Inner, Wanted},
    log::LogWriter,
    proxy::Proxy,
    sandbox::{Event, Frame, FrameReader, Outcome, SOURCE, Spec},
};

/// How long an environment has to end after it was asked to, beyond its processes' grace.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a build looks whether it is its turn.
const TURN: Duration = Duration::from_millis(50);

/// How a build ended, and why.
struct End {
    status: Status,
    reason: Option<String>,
}

impl End {
    fn new(status: Status, reason: impl Into<String>) -> Self {
        Self { status, reason: Some(reason.into()) }
    }
}

/// Starts a build, unless the same caller has started it before.
pub(crate) fn start(
    inner: &Arc<Inner>,
    project: &Project,
    wanted: Wanted,
) -> Result<Build, ApiError> {
    let (build, stop) = inner.make(project, &wanted)?;
    if let Some(stop) = stop {
        let limit = project.concurrent_builds;
        tokio::spawn(run(Arc::clone(inner), build.clone(), wanted.cache, limit, stop));
    }
    Ok(build)
}

async fn run(
    inner: Arc<Inner>,
    mut build: Build,
    cache: Option<String>,
    limit: Option<usize>,
    stop: watch::Receiver<bool>,
) {
    let end = Running { inner: &inner, build: &mut build, stop }.run(cache, limit).await;
    build.end(end.status, end.reason, Timestamp::now());
    let (store, uuid) = (inner.store.clone(), build.uuid.clone());
    if build.status == Status::Fault && *inner.closing().borrow() {
        // On disk it goes on: the next host finds that it ended with this one, and tells.
        inner.remember(&build);
    } else {
        inner.update(&build);
        inner.announce(&build);
    }
    // Its files are in nobody's way.
    drop(tokio::task::spawn_blocking(move || store.clean(&uuid)).await);
}

struct Running<'a> {
    inner: &'a Arc<Inner>,
    build: &'a mut Build,
    stop: watch::Receiver<bool>,
}

impl Running<'_> {
    fn begin(&mut self, phase: &str) {
        let goes_on = self.build.phases.last().is_some_and(|phase| phase.ended.is_none());
        self.build.begin(phase, Timestamp::now());
        self.inner.update(self.build);
        if goes_on {
            self.inner.announce_phase(self.build, 1);
        }
    }

    async fn run(&mut self, cache: Option<String>, limit: Option<usize>) -> End {
        let inner = Arc::clone(self.inner);
        let room = tokio::select! {
            room = self.turn(&inner, limit) => match room {
                Ok(room) => room,
                Err(end) => return end,
            },
            end = stopped(self.stop.clone(), inner.closing()) => return end,
        };
        self.begin("PROVISIONING");
        let buildspec = Buildspec::parse(&self.build.buildspec);
        let mut log = match LogWriter::create(&inner.store.log(&self.build.uuid)) {
            Ok(log) => log,
            Err(error) => return End::new(Status::Fault, format!("cannot write a log: {error}")),
        };
        let buildspec = match buildspec {
            Ok(buildspec) => buildspec,
            Err(error) => {
                self.begin("DOWNLOAD_SOURCE");
                drop(log.note(&error.to_string(), Timestamp::now()));
                drop(log.finish(Timestamp::now()));
                return End::new(Status::Failed, error.to_string());
            }
        };
        let lease = cache.and_then(|key| inner.take_cache(&key));
        let ports = named_ports(self.build.environment.values());
        let proxy = Proxy::start(inner.options.upstream_proxy.clone(), ports.clone());
        let environment = proxy.and_then(|proxy| {
            Ok((self.environment(buildspec, lease.as_ref(), &proxy, ports)?, proxy))
        });
        let end = match environment {
            Ok((environment, _proxy)) => self.follow(environment, &mut log).await,
            Err(error) => End::new(Status::Fault, format!("cannot make the environment: {error}")),
        };
        drop(room);
        if let Some(reason) = &end.reason {
            drop(log.note(reason, Timestamp::now()));
        }
        if let Err(error) = log.finish(Timestamp::now()) {
            tracing::error!(%error, build = %self.build.id(), "the log of a build is not whole");
        }
        end
    }

    /// Waits until there is room.
    async fn turn<'i>(
        &self,
        inner: &'i Inner,
        limit: Option<usize>,
    ) -> Result<tokio::sync::SemaphorePermit<'i>, End> {
        let patience = Duration::from_secs(60 * self.build.queued_timeout_minutes);
        let wait = async {
            while limit.is_some_and(|limit| inner.running(&self.build.project) >= limit) {
                tokio::time::sleep(TURN).await;
            }
            inner.room.acquire().await
        };
        match tokio::time::timeout(patience, wait).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err(End::new(Status::Fault, "the host shuts down")),
            Err(_) => Err(End::new(Status::TimedOut, "the build waited too long for its turn")),
        }
    }

    /// Starts the environment.
    fn environment(
        &self,
        buildspec: Buildspec,
        lease: Option<&CacheLease>,
        proxy: &Proxy,
        ports: Vec<u16>,
    ) -> io::Result<Environment> {
        let options = &self.inner.options;
        let work = self.inner.store.work(&self.build.uuid);
        std::fs::create_dir_all(&work)?;
        let work = work.canonicalize()?;
        let cache = match lease {
            Some(lease) => {
                std::fs::create_dir_all(&lease.folder)?;
                lease.folder.canonicalize()?
            }
            None => work.join("cache"),
        };
        let mut variables = options.environment.clone();
        let home = options.view.home.display().to_string();
        variables.insert("HOME".to_owned(), home);
        variables.extend(self.standard());
        variables.extend(buildspec.variables);
        variables.extend(self.build.environment.clone());
        let spec = Spec {
            program: options.sandbox.clone(),
            work: work.clone(),
            cache,
            network: proxy.folder().to_owned(),
            ports,
            view: options.view.clone(),
            limits: options.limits,
            environment: variables,
            shell: buildspec.shell,
            phases: buildspec.phases,
            grace_ms: u64::try_from(options.grace.as_millis()).unwrap_or(u64::MAX),
        };
        Environment::start(&spec, &work)
    }

    /// What CodeBuild tells every build.
    fn standard(&self) -> impl Iterator<Item = (String, String)> {
        let build = &*self.build;
        let region = self.inner.options.region.clone();
        [
            ("AWS_DEFAULT_REGION", region.clone()),
            ("AWS_REGION", region),
            ("CODEBUILD_BUILD_ARN", build.arn.clone()),
            ("CODEBUILD_BUILD_ID", build.id()),
            ("CODEBUILD_BUILD_IMAGE", build.image.clone()),
            ("CODEBUILD_BUILD_NUMBER", build.number.to_string()),
            ("CODEBUILD_INITIATOR", build.initiator.clone()),
            ("CODEBUILD_LOG_PATH", build.uuid.clone()),
            ("CODEBUILD_SRC_DIR", SOURCE.to_owned()),
            ("CODEBUILD_START_TIME", build.started.as_millisecond().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Takes note of what happens until the environment has ended.
    async fn follow(&mut self, mut environment: Environment, log: &mut LogWriter) -> End {
        let limit = Instant::now() + Duration::from_secs(60 * self.build.timeout_minutes);
        let mut asked: Option<(End, Instant)> = None;
        let mut flush = tokio::time::interval(Duration::from_millis(250));
        let mut stopping = std::pin::pin!(stopped(self.stop.clone(), self.inner.closing()));
        loop {
            let until = asked.as_ref().map_or(limit, |(_, patience)| *patience);
            tokio::select! {
                frame = environment.frames.recv() => {
                    let now = Timestamp::now();
                    match frame {
                        Some(Ok(Frame::Output(bytes))) => {
                            if let Err(error) = log.push(&bytes, now) {
                                let reason = format!("cannot write the log: {error}");
                                return asked.map_or_else(|| End::new(Status::Fault, reason), |(end, _)| end);
                            }
                        }
                        Some(Ok(Frame::Event(event))) => {
                            if let Some(end) = self.event(event, log, now) {
                                return asked.map_or(end, |(end, _)| end);
                            }
                        }
                        Some(Err(error)) => {
                            let reason = format!("the environment is not understood: {error}");
                            return asked.map_or_else(|| End::new(Status::Fault, reason), |(end, _)| end);
                        }
                        None => {
                            let reason = "the environment ended by itself";
                            return asked.map_or_else(|| End::new(Status::Fault, reason), |(end, _)| end);
                        }
                    }
                }
                end = &mut stopping, if asked.is_none() => {
                    environment.ask_to_end();
                    asked = Some((end, Instant::now() + self.inner.options.grace + PATIENCE));
                }
                () = tokio::time::sleep_until(until) => match asked {
                    Some((end, _)) => return end,
                    None => {
                        let minutes = self.build.timeout_minutes;
                        let reason = format!("Build timed out after {minutes} minutes");
                        environment.ask_to_end();
                        let patience = Instant::now() + self.inner.options.grace + PATIENCE;
                        asked = Some((End::new(Status::TimedOut, reason), patience));
                    }
                },
                _ = flush.tick() => drop(log.flush()),
            }
        }
    }

    /// Takes note of an event; says how the build ended, when it has.
    fn event(&mut self, event: Event, log: &mut LogWriter, now: Timestamp) -> Option<End> {
        match event {
            Event::Ready { missing } => {
                if !missing.is_empty() {
                    let without = format!("without: {}", missing.join(", "));
                    drop(log.note(&without, now));
                    self.build.end_phase(Status::Succeeded, Some(without), now);
                }
                self.begin("DOWNLOAD_SOURCE");
                None
            }
            Event::Phase { name } => {
                drop(log.note(&format!("Entering phase {}", name.as_str()), now));
                self.begin(name.as_str());
                None
            }
            Event::PhaseEnded { name, failure } => {
                let state = if failure.is_none() { "SUCCEEDED" } else { "FAILED" };
                let name = name.as_str();
                drop(log.note(&format!("Phase complete: {name} State: {state}"), now));
                let status = if failure.is_none() { Status::Succeeded } else { Status::Failed };
                if let Some(reason) = &failure {
                    drop(log.note(reason, now));
                }
                self.build.end_phase(status, failure, now);
                self.inner.update(self.build);
                self.inner.announce_phase(self.build, 0);
                None
            }
            Event::Done { outcome } => Some(match outcome {
                Outcome::Succeeded => {
                    self.begin("FINALIZING");
                    End { status: Status::Succeeded, reason: None }
                }
                Outcome::Failed => {
                    self.begin("FINALIZING");
                    self.build.end_phase(Status::Succeeded, None, now);
                    End { status: Status::Failed, reason: None }
                }
                Outcome::Exceeded { reason } => End::new(Status::Failed, reason),
                Outcome::Stopped => End { status: Status::Stopped, reason: None },
            }),
            Event::Fault { reason } => Some(End::new(Status::Fault, reason)),
        }
    }
}

/// Ports of this machine that a build's variables name by an address. Whoever starts a build wants
/// it to reach them: what is deployed on one machine has no other address.
fn named_ports<'v>(values: impl Iterator<Item = &'v String>) -> Vec<u16> {
    let port = |value: &String| {
        let uri: axum::http::Uri = value.parse().ok()?;
        let own = matches!(uri.host(), Some("127.0.0.1" | "localhost"));
        uri.port_u16().filter(|_| own && uri.scheme_str() == Some("http"))
    };
    let mut ports: Vec<u16> = values.filter_map(port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Waits until somebody stops the build, or the host shuts down.
async fn stopped(mut stop: watch::Receiver<bool>, mut closing: watch::Receiver<bool>) -> End {
    let stop = async {
        // A build whose entry is gone cannot be stopped any more.
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let closing = async { drop(closing.wait_for(|closing| *closing).await.map(|_| ())) };
    tokio::select! {
        () = stop => End { status: Status::Stopped, reason: None },
        () = closing => End::new(Status::Fault, "the build environment ended with its host"),
    }
}

/// The environment of a build. Ends with it.
struct Environment {
    child: Child,
    control: Option<ChildStdin>,
    frames: mpsc::Receiver<io::Result<Frame>>,
}

impl Environment {
    fn start(spec: &Spec, work: &Path) -> io::Result<Self> {
        let file: PathBuf = work.join("spec.json");
        std::fs::write(&file, serde_json::to_vec(spec).map_err(io::Error::other)?)?;
        let (program, arguments) = spec
            .program
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&file)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let control = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        // Few frames wait here, so that a flood is held up at its source.
        let (sender, frames) = mpsc::channel(8);
        std::thread::Builder::new().name("build".to_owned()).spawn(move || {
            let mut reader = FrameReader::new(io::BufReader::with_capacity(256 * 1024, output));
            loop {
                let frame = match reader.next() {
                    Ok(Some(frame)) => Ok(frame),
                    Ok(None) => return,
                    Err(error) => Err(error),
                };
                let last = frame.is_err();
                if sender.blocking_send(frame).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(Self { child, control, frames })
    }

    /// Asks it to end. One that is gone has ended already.
    fn ask_to_end(&mut self) {
        if let Some(control) = &mut self.control {
            drop(control.write_all(b"stop\n").and_then(|()| control.flush()));
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // Its first process ends with the pipe, and the kernel ends the others with that.
        self.control = None;
        self.frames.close();
        let deadline = std::time::Instant::now() + Duration::from_millis(300);
        loop {
            match self.child.try_wait() {
                Ok(None) if std::time::Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(None) => {
                    drop(self.child.kill());
                    drop(self.child.wait());
                    return;
                }
                _ => return,
            }
        }
    }
}
