//! One process that evaluates, as seen from the engine.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::child::OVERDUE;
use super::wire::{self, BEGUN, Response};
use crate::jsonata::{CancelToken, Fault, TIME_LIMIT_MS};

/// How often it is looked whether anybody still waits.
const GLANCE: Duration = Duration::from_millis(20);
/// How long the process may take to start and to read a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an evaluation may take: the evaluator ends itself before, where it can.
const OVERRUN: Duration = Duration::from_millis(TIME_LIMIT_MS + 1_000);

/// A program whose `main` calls [`evaluator_main`]: the engine runs a few of its processes.
///
/// [`evaluator_main`]: crate::evaluator_main
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatorProgram {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What became of a request.
pub(super) enum Outcome {
    /// It was answered; the process is ready for another one.
    Answered(Response),
    /// The expression ended the process, or the process had to be ended because of it.
    Ended(Fault),
    /// The process was gone before it had read the request.
    Gone(io::Error),
}

pub(super) struct Worker {
    process: Child,
    stream: UnixStream,
}

impl Worker {
    pub(super) fn start(program: &EvaluatorProgram) -> io::Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        let input = OwnedFd::from(theirs.try_clone()?);
        stream.set_read_timeout(Some(GLANCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let process = Command::new(&program.program)
            .args(&program.args)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, stream })
    }

    /// Has an expression evaluated. Unless it is answered the process has ended.
    pub(super) fn ask(&mut self, request: &[u8], cancel: &CancelToken) -> Outcome {
        match self.begin(request, cancel) {
            Ok(()) => {}
            Err(Halt::Interrupted) => return self.end(Fault::Interrupted),
            Err(Halt::Late) => return self.gone(ErrorKind::TimedOut.into()),
            Err(Halt::Io(error)) => return self.gone(error),
        }
        match self.response(cancel) {
            Ok(response) => Outcome::Answered(response),
            Err(Halt::Interrupted) => self.end(Fault::Interrupted),
            Err(Halt::Late) => self.end(Fault::TIME),
            Err(Halt::Io(error)) => self.died(&error),
        }
    }

    fn begin(&mut self, request: &[u8], cancel: &CancelToken) -> Result<(), Halt> {
        wire::write(&mut self.stream, request).map_err(Halt::Io)?;
        let mut begun = [0];
        self.fill(&mut begun, Instant::now() + PATIENCE, cancel)?;
        match begun {
            [BEGUN] => Ok(()),
            _ => Err(Halt::Io(io::Error::other("the evaluator speaks otherwise"))),
        }
    }

    fn response(&mut self, cancel: &CancelToken) -> Result<Response, Halt> {
        let due = Instant::now() + OVERRUN;
        let mut head = [0; 4];
        self.fill(&mut head, due, cancel)?;
        let mut bytes = vec![0; wire::length(head).map_err(Halt::Io)?];
        self.fill(&mut bytes, due, cancel)?;
        serde_json::from_slice(&bytes).map_err(|error| Halt::Io(error.into()))
    }

    /// Reads as many bytes as there is room for.
    fn fill(
        &mut self,
        mut room: &mut [u8],
        due: Instant,
        cancel: &CancelToken,
    ) -> Result<(), Halt> {
        while !room.is_empty() {
            match self.stream.read(room) {
                Ok(0) => return Err(Halt::Io(ErrorKind::UnexpectedEof.into())),
                Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(Halt::Io(error)),
                },
            }
            if cancel.is_cancelled() {
                return Err(Halt::Interrupted);
            }
            if !room.is_empty() && Instant::now() > due {
                return Err(Halt::Late);
            }
        }
        Ok(())
    }

    /// Ends the process.
    fn end(&mut self, fault: Fault) -> Outcome {
        self.kill();
        Outcome::Ended(fault)
    }

    fn gone(&mut self, error: io::Error) -> Outcome {
        self.kill();
        Outcome::Gone(error)
    }

    /// Tells why the process ended while it evaluated.
    fn died(&mut self, error: &io::Error) -> Outcome {
        use std::os::unix::process::ExitStatusExt;
        if error.kind() != ErrorKind::UnexpectedEof && error.kind() != ErrorKind::ConnectionReset {
            return self.end(Fault::Broken(format!("the evaluator's answer: {error}")));
        }
        Outcome::Ended(match self.process.wait() {
            Ok(status) if status.code() == Some(i32::from(OVERDUE)) => Fault::TIME,
            // It is aborted when there is no memory left, by itself or by the system.
            Ok(status) if status.signal().is_some() => Fault::MEMORY,
            Ok(status) => Fault::Broken(format!("the evaluator ended: {status}")),
            Err(error) => Fault::Broken(format!("the evaluator ended: {error}")),
        })
    }

    fn kill(&mut self) {
        if let Err(error) = self.process.kill() {
            tracing::debug!(%error, "an evaluator had ended");
        }
        if let Err(error) = self.process.wait() {
            tracing::warn!(%error, "an evaluator cannot be waited for");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

enum Halt {
    Interrupted,
    Late,
    Io(io::Error),
}
