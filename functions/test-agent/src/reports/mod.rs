//! Reports of test tools: JUnit in its dialects, NUnit, xUnit.net and Visual Studio's TRX. They are
//! hostile input: read as a stream, bounded, without any entity.

mod counts;
mod decode;
mod elements;
mod parser;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

pub(crate) use counts::{Counts, Unread};

/// Counts the tests of one report of at most `limit` bytes.
///
/// # Errors
/// Says why the report cannot be read.
pub(crate) fn read(report: impl Read, limit: u64) -> Result<Counts, Unread> {
    let mut bounded = Bounded { inner: report, left: limit, over: false };
    let text = decode::decoded(&mut bounded).map_err(|e| Unread::Broken(e.to_string()));
    let counts = text.and_then(parser::parse);
    if bounded.over {
        return Err(Unread::Broken(format!("larger than {} KiB", limit / 1024)));
    }
    counts
}

/// Reads no more than it may, and knows whether there was more.
struct Bounded<R> {
    inner: R,
    left: u64,
    over: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut more = [0];
            self.over |= self.inner.read(&mut more)? > 0;
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}
