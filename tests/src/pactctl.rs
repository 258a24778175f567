//! The command line tool as a process.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use pact_contract::testing::vocabulary;
use serde_json::Value;
use tempfile::TempDir;

/// A sibling of this test's binary.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().expect("this test has a path");
    while folder.pop() {
        let path = folder.join(name);
        if path.is_file() {
            return path;
        }
        if folder.file_name() == Some(OsStr::new("target")) {
            break;
        }
    }
    panic!("{name} is not built: run `cargo build --workspace` first");
}

/// The command line tool: what `PACT_PROGRAM` names, or the sibling of this test's binary.
fn program() -> PathBuf {
    let given = std::env::var_os("PACT_PROGRAM").filter(|path| !path.is_empty());
    given.map_or_else(|| binary("pactctl"), PathBuf::from)
}

/// A data folder with the command line tool on it. Services that it deployed are stopped when it
/// is dropped.
pub struct Stack {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {self:#?}"))
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl Stack {
    /// An empty data folder.
    ///
    /// # Panics
    /// When there is no temporary folder.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pact-").tempdir().expect("a folder");
        Self { dir, variables: Vec::new() }
    }

    /// The same with a variable in the environment of every command.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The data folder; it does not exist before the first command.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PACT_DATA", self.data())
            .env("NO_COLOR", "1")
            // Nothing of the outside: an address that refuses at once.
            .env("PACT_OSV_URL", "http://127.0.0.1:9")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A relative folder is meant from the repository, where the tests are started.
        if let Some(packages) = std::env::var_os("PACT_PACKAGES").filter(|p| !p.is_empty()) {
            let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            command.env("PACT_PACKAGES", repository.join(packages));
        }
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn pactctl(&self, args: &[&str]) -> Finished {
        self.pactctl_with(&[], args)
    }

    /// Runs a command to its end, with these variables besides.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn pactctl_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Finished {
        let variables = variables.iter().copied();
        let output = self.command(args).envs(variables).output().expect("pactctl starts");
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command to its end whose standard output takes nothing, as on a disk that is full: what it did
    /// was done, and what it prints is lost.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn pactctl_unheard(&self, args: &[&str]) -> Option<i32> {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("is there");
        let status = self.command(args).stdout(full).stderr(Stdio::null()).status();
        status.expect("pactctl starts").code()
    }

    /// Runs a command to its end that reads this from standard input.
    ///
    /// # Panics
    /// When it cannot be started, or does not read.
    #[must_use]
    pub fn pactctl_reads(&self, args: &[&str], input: &str) -> Finished {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("pactctl starts");
        let mut stdin = child.stdin.take().expect("standard input is piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `pactctl run PATH --json …`: exit code and document.
    #[must_use]
    pub fn run(&self, path: &Path, args: &[&str]) -> (Option<i32>, Value) {
        let path = path.to_string_lossy();
        let all: Vec<&str> =
            ["run", &path, "--json"].iter().copied().chain(args.iter().copied()).collect();
        let finished = self.pactctl(&all);
        let document = finished.json();
        assert_worded(&document);
        (finished.code, document)
    }

    /// Starts a command in the background.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).spawn().expect("pactctl starts");
        let stderr = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let errors = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&errors);
        let hearing = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let out = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Running { child, out, errors, hearing: Some(hearing) }
    }

    /// `pactctl up` on free ports: the process, and how it is reached once it answers.
    #[must_use]
    pub fn up(&self) -> (Running, Value) {
        let running = self.start(&["up", "--port", "0", "--aws-port", "0"]);
        let path = self.data().join("stack.json");
        let pid = u64::from(running.pid());
        let endpoints = crate::wait_for("the stack", 30, || {
            let value: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            (value.get("pid")?.as_u64()? == pid).then_some(value)
        });
        (running, endpoints)
    }

    /// How an AWS client reaches the stack that is up.
    #[must_use]
    pub fn aws(&self) -> Aws {
        let env = self.pactctl(&["env", "--json"]).json();
        let text =
            |name: &str| env.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Aws {
            endpoint: text("AWS_ENDPOINT_URL"),
            id: text("AWS_ACCESS_KEY_ID"),
            secret: text("AWS_SECRET_ACCESS_KEY"),
        }
    }

    /// The stack's secrets.
    ///
    /// # Panics
    /// When there are none yet.
    #[must_use]
    pub fn secrets(&self) -> Value {
        let text = std::fs::read(self.data().join("secrets.json")).expect("the stack has secrets");
        serde_json::from_slice(&text).expect("secrets are JSON")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.data().exists() {
            let stopped = self.pactctl(&["down"]);
            if stopped.code != Some(0) && !std::thread::panicking() {
                eprintln!("services may still run: {stopped:?}");
            }
        }
    }
}

/// What an AWS client needs.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Address of all services.
    pub endpoint: String,
    /// Id of the access key.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// A command in the background; killed when it is dropped.
pub struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    errors: Arc<Mutex<String>>,
    hearing: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, for example `INT` or `KILL`.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub fn signal(&self, name: &str) {
        send_signal(self.pid(), name);
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads one line of standard output.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.out.read_line(&mut line).ok()?;
        Some(line)
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it cannot be waited for.
    #[must_use]
    pub fn wait(mut self) -> Finished {
        let mut stdout = String::new();
        self.out.read_to_string(&mut stdout).unwrap_or_default();
        let status = self.child.wait().expect("the process ends");
        self.hearing.take().map(std::thread::JoinHandle::join).transpose().ok();
        let stderr = self.errors();
        Finished { code: status.code(), stdout, stderr }
    }

    /// Child processes of this one that serve `function`.
    #[must_use]
    pub fn functions(&self, function: &str) -> Vec<u32> {
        children(self.pid()).into_iter().filter(|pid| serves(*pid, function)).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

/// Every summary of a run keeps to the vocabulary.
fn assert_worded(run: &Value) {
    let stages = run["stages"].as_array().into_iter().flatten();
    for stage in stages {
        let Ok(status) = serde_json::from_value(stage["status"].clone()) else { continue };
        let text = |name: &str| stage[name].as_str().unwrap_or_default();
        let misworded = vocabulary::misworded(text("action"), status, text("summary"));
        assert!(misworded.is_empty(), "{}: {:?}: {misworded:?}", text("state"), text("summary"));
    }
    if let Ok(decision) = serde_json::from_value(run["decision"].clone()) {
        let misworded = vocabulary::misworded_decision(&decision);
        assert!(misworded.is_empty(), "{misworded:?}");
    }
}

/// Sends a signal to a process.
///
/// # Panics
/// When `kill` cannot be run.
pub fn send_signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.expect("kill runs").success(), "no process {pid}");
}

/// Whether a process serves `function`: its program may be pactctl or one from a package, but both
/// are told its name.
#[must_use]
pub fn serves(pid: u32, function: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| {
        let name = variable.strip_prefix(b"AWS_LAMBDA_FUNCTION_NAME=");
        name.is_some_and(|name| String::from_utf8_lossy(name).contains(function))
    })
}

/// Child processes, by the parent that `/proc` names.
fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name in parentheses may hold spaces: fields are counted behind it.
            let after = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
            after.split_whitespace().nth(1).and_then(|p| p.parse().ok()) == Some(parent)
        })
        .collect()
}
