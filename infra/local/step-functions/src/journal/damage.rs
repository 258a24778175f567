//! What can no longer be read.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The longest ARN of an execution.
const LONGEST_ARN: usize = 512;

/// A stretch of a journal file that was written once and cannot be read now.
///
/// Persisted in summaries: fields may be added, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Damage {
    /// The file, which is kept as it is.
    pub file: PathBuf,
    /// Where the stretch begins, in bytes from the file's beginning.
    pub from: u64,
    /// Where it ends: the first byte that can be read again, or where the file had ended.
    pub to: u64,
    /// What is wrong with it.
    pub reason: String,
    /// When it was found, in milliseconds since 1970. The file is kept for 90 days from then on.
    pub found: i64,
    /// The ARNs of the executions that what is left of the lost records names.
    pub executions: Vec<String>,
}

impl Damage {
    pub(super) fn new(file: PathBuf, from: u64, to: u64, reason: &str) -> Self {
        Self { file, from, to, reason: reason.to_owned(), found: 0, executions: Vec::new() }
    }

    /// The number of the file.
    pub(crate) fn segment(&self) -> Option<u32> {
        let name = self.file.file_stem()?.to_str()?;
        name.strip_prefix("journal-")?.parse().ok()
    }

    /// Notes the executions that the lost bytes name.
    pub(super) fn name(&mut self, bytes: &[u8]) {
        for member in [&b"\"execution\":\""[..], b"\"Execution\":{\"arn\":\""] {
            for (at, _) in bytes.windows(member.len()).enumerate().filter(|(_, w)| *w == member) {
                let rest = bytes.get(at + member.len()..).unwrap_or_default();
                let end = rest.iter().take(LONGEST_ARN).position(|byte| *byte == b'"');
                let arn = end.and_then(|end| std::str::from_utf8(rest.get(..end)?).ok());
                if let Some(arn) = arn.filter(|arn| arn.starts_with("arn:"))
                    && !self.executions.iter().any(|known| known == arn)
                {
                    self.executions.push(arn.to_owned());
                }
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, from, to, reason, .. } = self;
        let lost = to.saturating_sub(*from);
        write!(
            formatter,
            "{} is damaged from byte {from} to byte {to}: {reason}; {lost} bytes of records are lost",
            file.display()
        )
    }
}
