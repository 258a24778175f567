//! What two processes tell each other: frames of JSON, each after its length in four bytes.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jsonata::{Bindings, Fault, OwnedBindings};

/// What the process that evaluates says when it has read a request: from then on it is the
/// expression that takes time and memory.
pub(super) const BEGUN: u8 = b'!';
/// The longest frame: the variables of an execution, escaped.
const LONGEST: u32 = 64 * 1024 * 1024;

/// An expression to evaluate, as it is sent.
#[derive(Serialize)]
struct Outgoing<'a> {
    source: &'a str,
    variables: Pairs<'a, &'a Value>,
    states: Option<Pairs<'a, std::borrow::Cow<'a, Value>>>,
}

/// Names and values, written as an object.
struct Pairs<'a, V>(&'a [(&'a str, V)]);

impl<V: std::borrow::Borrow<Value>> Serialize for Pairs<'_, V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.borrow())))
    }
}

/// An expression to evaluate, as it arrives.
#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) source: String,
    variables: Map<String, Value>,
    states: Option<Map<String, Value>>,
}

impl Request {
    pub(super) fn bindings(self) -> OwnedBindings {
        OwnedBindings { variables: self.variables, states: self.states }
    }
}

/// What an expression evaluates to.
pub(super) type Response = Result<Value, Fault>;

/// The frame of a request.
pub(super) fn request(source: &str, bindings: &Bindings<'_>) -> io::Result<Vec<u8>> {
    let states = bindings.states.as_deref().map(Pairs);
    frame(&Outgoing { source, variables: Pairs(&bindings.variables), states })
}

/// The frame of anything.
pub(super) fn frame(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, value)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
    if let Some(head) = bytes.first_chunk_mut::<4>() {
        *head = length.to_le_bytes();
    }
    Ok(bytes)
}

/// The length that the head of a frame gives.
pub(super) fn length(head: [u8; 4]) -> io::Result<usize> {
    match u32::from_le_bytes(head) {
        length if length <= LONGEST => Ok(length as usize),
        _ => Err(io::Error::other("a frame is too long")),
    }
}

/// Reads a frame; none at the end of the stream.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = vec![0; length(head)?];
    stream.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes what `read` or a byte is read from.
pub(super) fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}
