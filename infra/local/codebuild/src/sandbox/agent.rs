//! The second stage: runs the commands and watches over them.

use std::{
    ffi::OsStr,
    fs, io,
    io::{PipeReader, PipeWriter, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{prctl, signal::Signal},
    unistd::sethostname,
};

use super::{
    Event, INSIDE, Outcome, SOURCE, Spec,
    exec::How,
    frame, network, outer,
    processes::{Exit, Processes, is_stopped, reap},
    view,
    watch::Watch,
};
use crate::{
    buildspec::{Phase, PhaseName},
    shell,
};

/// How often the agent looks around while nothing happens.
const TICK: u16 = 50;
/// How often it looks whether the shell was stopped.
const STOPPED: Duration = Duration::from_millis(500);
/// Bytes that may stand in the pipe when a shell has ended: no more are read for it, since what it
/// left running may go on writing.
const PIPE: usize = 1024 * 1024;

/// Longest word of why a shell did not begin, in bytes.
const MOST_OF_WHY: u64 = 1_000;

pub(super) fn main(spec: &Spec) -> io::Result<ExitCode> {
    // Should the outer stage be killed: the host's end is noticed by itself.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let missing = std::env::var(outer::MISSING).unwrap_or_default();
    let mut missing: Vec<String> = missing.lines().map(str::to_owned).collect();
    let isolated = nix::unistd::getpid().as_raw() == 1;
    let mut root = PathBuf::new();
    let mut proxy = Vec::new();
    if isolated {
        sethostname("build")?;
        let own = std::env::var_os(outer::NETWORK).is_some_and(|own| own == "own");
        if own && let Err(error) = network::loopback_up() {
            missing.push(format!("loopback of the network ({error})"));
        }
        match view::enter(spec) {
            Ok(mut more) => {
                missing.append(&mut more);
                if own {
                    proxy = network::proxy()?;
                    for port in &spec.ports {
                        network::forward(*port)?;
                    }
                }
            }
            // The processes are apart all the same, and the build knows nothing of the host's.
            Err(error) => missing.push(format!("file system ({error})")),
        }
    } else {
        prctl::set_child_subreaper(true)?;
    }
    if !Path::new(SOURCE).is_dir() {
        root = spec.work.clone();
    }
    let agent = Agent::new(spec, isolated, root, proxy)?;
    frame::say(&Event::Ready { missing });
    let outcome = agent.run()?;
    frame::say(&Event::Done { outcome });
    Ok(ExitCode::SUCCESS)
}

struct Agent<'a> {
    spec: &'a Spec,
    isolated: bool,
    processes: Processes,
    watch: Watch,
    source: PathBuf,
    state: PathBuf,
    /// Variables that lead through the host's proxy.
    proxy: Vec<(&'static str, String)>,
    output: PipeReader,
    /// Given to every shell; kept, so that the pipe stays open between two of them.
    writer: PipeWriter,
}

/// How a script ended.
enum End {
    Succeeded,
    Failed(String),
    Exceeded(String),
    /// It did not begin.
    Not(String),
    Stopped,
}

impl<'a> Agent<'a> {
    /// `root` is empty where the build has a file system of its own.
    fn new(
        spec: &'a Spec,
        isolated: bool,
        root: PathBuf,
        proxy: Vec<(&'static str, String)>,
    ) -> io::Result<Self> {
        let own = root.as_os_str().is_empty();
        let (source, state) = if own {
            (PathBuf::from(SOURCE), Path::new(INSIDE).join("state"))
        } else {
            (root.join("src"), root.join("state"))
        };
        let folders = spec
            .writable()
            .into_iter()
            .map(|(outside, inside)| if own { inside } else { outside })
            .collect();
        let processes = if isolated { Processes::Namespace } else { Processes::Descendants };
        let (output, writer) = io::pipe()?;
        let flags = OFlag::from_bits_truncate(fcntl(&output, FcntlArg::F_GETFL)?);
        fcntl(&output, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let watch = Watch::new(spec.limits, processes, folders);
        Ok(Self { spec, isolated, processes, watch, source, state, proxy, output, writer })
    }

    /// # Errors
    /// The shell of a phase does not begin: nothing is known of its commands.
    fn run(mut self) -> io::Result<Outcome> {
        let mut failed = false;
        for phase in &self.spec.phases {
            frame::say(&Event::Phase { name: phase.name });
            let end = match self.phase(phase, !failed) {
                Ok(end) => end,
                Err(error) => End::Failed(format!("the shell cannot be started: {error}")),
            };
            let failure = match end {
                End::Succeeded => None,
                End::Failed(reason) => Some(reason),
                End::Exceeded(reason) => {
                    let failure = Some(reason.clone());
                    frame::say(&Event::PhaseEnded { name: phase.name, failure });
                    return Ok(Outcome::Exceeded { reason });
                }
                End::Not(reason) => {
                    self.end_all();
                    return Err(io::Error::other(reason));
                }
                End::Stopped => return Ok(Outcome::Stopped),
            };
            failed |= failure.is_some();
            let ends = failure.is_some() && !phase.goes_on;
            frame::say(&Event::PhaseEnded { name: phase.name, failure });
            // After a failed build comes what follows a build, and nothing else.
            if ends {
                break;
            }
        }
        self.end_all();
        Ok(if failed { Outcome::Failed } else { Outcome::Succeeded })
    }

    fn phase(&mut self, phase: &Phase, succeeding: bool) -> io::Result<End> {
        let end = self.script(phase.name, "commands", &phase.commands, succeeding)?;
        let over = |end: &End| matches!(end, End::Exceeded(_) | End::Not(_) | End::Stopped);
        if over(&end) || phase.finally.is_empty() {
            return Ok(end);
        }
        let succeeding = succeeding && matches!(end, End::Succeeded);
        match (end, self.script(phase.name, "finally", &phase.finally, succeeding)?) {
            (End::Succeeded, then) => Ok(then),
            (_, stop) if over(&stop) => Ok(stop),
            (end, _) => Ok(end),
        }
    }

    /// Runs commands in one shell.
    fn script(
        &mut self,
        phase: PhaseName,
        part: &str,
        commands: &[String],
        succeeding: bool,
    ) -> io::Result<End> {
        let file = self.state.join(format!("{}-{part}.sh", phase.as_str().to_lowercase()));
        fs::write(&file, shell::script(commands, &self.state, &self.source))?;
        let how = How {
            isolated: self.isolated,
            processes: self.spec.limits.processes,
            file_bytes: self.spec.limits.disk,
        };
        let (program, prefix) = self
            .spec
            .program
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
        // The program may be hidden by now; what runs is always to be had.
        let program = if self.isolated { OsStr::new("/proc/self/exe") } else { program };
        let (why, word) = io::pipe()?;
        let child = Command::new(program)
            .args(prefix)
            .arg("exec")
            .arg(serde_json::to_string(&how).map_err(io::Error::other)?)
            .arg(&self.spec.shell)
            .arg(&file)
            .current_dir(&self.source)
            .env_clear()
            .envs(&self.spec.environment)
            // Last: the machine's own proxy cannot be reached from here.
            .envs(self.proxy.iter().map(|(name, value)| (name, self.led(name, value))))
            .env("CODEBUILD_BUILD_SUCCEEDING", if succeeding { "1" } else { "0" })
            .stdin(word)
            .stdout(self.writer.try_clone()?)
            .stderr(self.writer.try_clone()?)
            .spawn()?;
        let mut not = String::new();
        why.take(MOST_OF_WHY).read_to_string(&mut not)?;
        if !not.is_empty() {
            let shell = &self.spec.shell;
            return Ok(End::Not(format!("the shell `{shell}` cannot be started: {not}")));
        }
        let id = i32::try_from(child.id()).unwrap_or(i32::MAX);
        Ok(self.follow(id, &file))
    }

    /// A variable of the proxy, with what the environment has under the same name for another end.
    fn led(&self, name: &str, value: &str) -> String {
        match self.spec.environment.get(name) {
            Some(own) if name.ends_with("_OPTS") => format!("{own} {value}"),
            _ => value.to_owned(),
        }
    }

    /// Passes output on until the shell has ended, or has to.
    fn follow(&mut self, shell: i32, file: &Path) -> End {
        let mut looked = Instant::now();
        let exit = loop {
            if self.stop_wanted(TICK) {
                self.end_all();
                return End::Stopped;
            }
            self.pass_on();
            if let Some(exit) = reap(Some(shell)) {
                break exit;
            }
            if let Some(reason) = self.watch.exceeded() {
                self.end_all();
                return End::Exceeded(reason);
            }
            if looked.elapsed() >= STOPPED {
                looked = Instant::now();
                // Whoever stops it stops what keeps the time of its commands as well, and nobody else
                // here could continue them.
                if is_stopped(shell) {
                    self.processes.signal(Signal::SIGCONT);
                }
            }
        };
        let mut drained = 0;
        while drained < PIPE {
            match self.pass_on() {
                0 => break,
                read => drained += read,
            }
        }
        match exit {
            Exit::Code(0) => End::Succeeded,
            Exit::Code(code) => {
                let command = shell::failed(&self.state, file);
                End::Failed(format!(
                    "Error while executing command: {command}. Reason: exit status {code}"
                ))
            }
            Exit::Signal(signal) => {
                let command = shell::failed(&self.state, file);
                End::Failed(format!(
                    "Error while executing command: {command}. Reason: ended by {signal}"
                ))
            }
        }
    }

    /// Waits a moment for output or a word of the host. True when the build has to end.
    fn stop_wanted(&self, wait: u16) -> bool {
        let stdin = io::stdin();
        let mut both = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.output.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not: what is to be read is seen now or at the next look.
        poll(&mut both, PollTimeout::from(wait)).ok();
        let [control, _] = both;
        let seen = control.revents().unwrap_or(PollFlags::empty());
        if seen.is_empty() {
            return false;
        }
        let mut word = [0_u8; 64];
        match stdin.lock().read(&mut word) {
            Ok(0) | Err(_) => {
                // The host is gone: nobody needs a word of how it ended.
                self.processes.signal(Signal::SIGKILL);
                std::process::exit(1);
            }
            Ok(_) => true,
        }
    }

    /// Passes on what has been written, and says how many bytes that was.
    fn pass_on(&mut self) -> usize {
        let mut buffer = [0_u8; 64 * 1024];
        let mut passed = 0;
        // Not for ever: a flood must not keep the agent from looking around.
        for _ in 0..16 {
            match self.output.read(&mut buffer) {
                Ok(read) if read > 0 => {
                    passed += read;
                    frame::output(buffer.get(..read).unwrap_or_default());
                }
                _ => break,
            }
        }
        passed
    }

    /// Asks all processes to end, then makes them.
    fn end_all(&mut self) {
        self.processes.signal(Signal::SIGTERM);
        let until = Instant::now() + Duration::from_millis(self.spec.grace_ms);
        while Instant::now() < until {
            reap(None);
            self.pass_on();
            if self.processes.list().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.processes.signal(Signal::SIGKILL);
        reap(None);
        self.pass_on();
    }
}
