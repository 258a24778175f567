//! What the agent tells the host: frames on its standard output, each a tag, a length and a body.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::buildspec::PhaseName;

/// The longest body that is taken.
const MAX_BODY: usize = 1024 * 1024;
const OUTPUT: u8 = b'o';
const EVENT: u8 = b'e';

/// One message of the agent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// What the build wrote.
    Output(Vec<u8>),
    /// What happened.
    Event(Event),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The environment is there, without these protections.
    Ready { missing: Vec<String> },
    /// A phase begins.
    Phase { name: PhaseName },
    /// It has ended; none: every command succeeded.
    PhaseEnded { name: PhaseName, failure: Option<String> },
    /// All has ended.
    Done { outcome: Outcome },
    /// The environment cannot be made, or does not work.
    Fault { reason: String },
}

/// How the commands ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// All succeeded.
    Succeeded,
    /// One did not.
    Failed,
    /// They were ended because the build took too much.
    Exceeded { reason: String },
    /// They were ended because the host said so.
    Stopped,
}

/// Writes a frame to standard output. When nobody listens any more, the host is gone, and what
/// is left to do is to end.
pub(super) fn say(event: &Event) {
    match serde_json::to_vec(event) {
        Ok(body) => write(EVENT, &body),
        Err(_) => std::process::exit(1),
    }
}

/// Passes output on.
pub(super) fn output(bytes: &[u8]) {
    write(OUTPUT, bytes);
}

fn write(tag: u8, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(0).to_le_bytes();
    let mut out = io::stdout().lock();
    let written = out
        .write_all(&[tag])
        .and_then(|()| out.write_all(&length))
        .and_then(|()| out.write_all(body))
        .and_then(|()| out.flush());
    if written.is_err() {
        std::process::exit(1);
    }
}

/// Reads frames, from a thread that may wait.
pub(crate) struct FrameReader<R> {
    from: R,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from }
    }

    /// The next frame; none when the agent has ended.
    ///
    /// # Errors
    /// When it says something that is no frame.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0_u8; 5];
        match self.from.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let [tag, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        let odd = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        if length > MAX_BODY {
            return Err(odd(format!("a frame of {length} bytes")));
        }
        let mut body = vec![0; length];
        self.from.read_exact(&mut body)?;
        match tag {
            OUTPUT => Ok(Some(Frame::Output(body))),
            EVENT => serde_json::from_slice(&body)
                .map(|event| Some(Frame::Event(event)))
                .map_err(|error| odd(error.to_string())),
            other => Err(odd(format!("a frame of kind {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_frame_is_refused() {
        let read = |bytes: &[u8]| FrameReader::new(bytes).next();
        assert_eq!(read(b"").unwrap(), None);
        assert_eq!(read(b"o\x02\0\0\0hi").unwrap(), Some(Frame::Output(b"hi".to_vec())));
        assert!(read(b"o\xff\xff\xff\xff").is_err());
        assert!(read(b"x\0\0\0\0").is_err());
        assert!(read(b"e\x01\0\0\0{").is_err());
    }
}
