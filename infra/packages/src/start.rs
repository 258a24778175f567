//! How long a program takes from its start until it asks the Lambda Runtime API for work, and how
//! much memory it has needed until then.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, ErrorKind},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{PackageError, Workspace, workspace::cargo};

/// Longest wait for the request; Lambda's own is as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks for it.
const LOOK: Duration = Duration::from_micros(100);
/// What a program asks for first.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next ";

/// A program to be started.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The function.
    pub name: String,
    /// Its program.
    pub program: PathBuf,
    /// Its own environment, beside what Lambda gives to every function.
    pub environment: BTreeMap<String, String>,
}

/// One start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Until the request for work had arrived.
    pub took: Duration,
    /// Most bytes of memory that were resident at once, until then.
    pub memory: u64,
}

/// Builds the function that does nothing, like the others are built.
///
/// # Errors
/// When it cannot be built.
pub fn hello(workspace: &Workspace, profile: &str) -> Result<Subject, PackageError> {
    let status = cargo()
        .args(["build", "--profile", profile, "--locked", "--quiet"])
        .args(["--package", env!("CARGO_PKG_NAME"), "--example", "hello"])
        .current_dir(workspace.root())
        .status()
        .map_err(PackageError::io("run cargo"))?;
    if !status.success() {
        return Err(PackageError::Tool("the function to compare with cannot be built".to_owned()));
    }
    let program = workspace.target().join(profile).join("examples/hello");
    Ok(Subject { name: "hello".to_owned(), program, environment: BTreeMap::new() })
}

/// Starts a program, waits until it asks for work, and ends it.
///
/// # Errors
/// When it does not ask.
pub fn start(subject: &Subject) -> Result<Start, PackageError> {
    let failed = |reason: String| PackageError::Start { name: subject.name.clone(), reason };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(PackageError::io("listen for the Runtime API"))?;
    let api = listener.local_addr().map_err(PackageError::io("listen for the Runtime API"))?;
    let mut command = Command::new(&subject.program);
    command.env_clear().envs(&subject.environment).envs(environment(&subject.name));
    command.env("AWS_LAMBDA_RUNTIME_API", api.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    let mut child = command
        .spawn()
        .map_err(PackageError::io(format!("start {}", subject.program.display())))?;
    let first = request(&listener, &mut child, begin);
    let took = begin.elapsed();
    let start = match &first {
        Ok((line, _)) if line.starts_with(NEXT) => {
            peak(child.id()).map(|memory| Start { took, memory })
        }
        Ok((line, _)) => Err(format!("begins with something else: {}", line.trim_end())),
        Err(reason) => Err(reason.clone()),
    };
    // It may have ended by itself. Its connection is kept until it has: it would complain.
    drop(child.kill());
    child.wait().map_err(PackageError::io(format!("end {}", subject.name)))?;
    drop(first);
    start.map_err(failed)
}

/// The first line of the first request, and its connection.
fn request(
    listener: &TcpListener,
    child: &mut Child,
    begin: Instant,
) -> Result<(String, TcpStream), String> {
    let connection = loop {
        match listener.accept() {
            Ok((connection, _)) => break connection,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(format!("cannot be listened to: {error}")),
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Err(format!("ended without asking for work: {status}")),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("has not asked for work in {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(LOOK);
    };
    match line(&connection) {
        Ok(line) => Ok((line, connection)),
        Err(error) => Err(format!("does not say what it asks for: {error}")),
    }
}

fn line(connection: &TcpStream) -> std::io::Result<String> {
    connection.set_nonblocking(false)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line)?;
    Ok(line)
}

/// The most memory that a process has had resident, as Linux keeps it.
fn peak(pid: u32) -> Result<u64, String> {
    let path = Path::new("/proc").join(pid.to_string()).join("status");
    let status = std::fs::read_to_string(&path)
        .map_err(|error| format!("has no memory to be read: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(1024 * kilobytes.ok_or("has no memory to be read")?)
}

/// What Lambda gives to every function. The keys open nothing: nothing is asked before work is.
fn environment(name: &str) -> impl Iterator<Item = (&'static str, String)> {
    [
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/start"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "start"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "none"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
        ("AWS_SESSION_TOKEN", "none"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_instead_of_asking_is_named() {
        let program = PathBuf::from("/bin/true");
        let subject = Subject { name: "gateway".to_owned(), program, environment: BTreeMap::new() };
        let error = start(&subject).unwrap_err().to_string();
        assert!(error.starts_with("gateway ended without asking for work"), "{error}");
    }
}
