//! Where an engine keeps its data, what its ARNs say, and what time it has.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::evaluator::EvaluatorProgram;

/// After how many bytes a journal file is sealed, unless the options say otherwise.
const JOURNAL_FILE_BYTES: u32 = 64 * 1024 * 1024;

/// Where an engine keeps its data, and what its ARNs say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The data folder; made if need be. One engine at a time may have it open.
    pub data_dir: PathBuf,
    /// The region in ARNs and events.
    pub region: String,
    /// The account id in ARNs.
    pub account: String,
    /// What the engine takes for now.
    pub clock: Clock,
    /// After about how many bytes a journal file is sealed and the next one begun.
    pub journal_file_bytes: u32,
    /// Whose processes evaluate the expressions that are not known to cost little. With none, the
    /// engine's own process does, which such an expression can end: for definitions that are
    /// trusted.
    pub evaluator: Option<EvaluatorProgram>,
}

impl EngineOptions {
    /// Options with the clock of the machine, journal files of 64 MiB, and no evaluator.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        region: impl Into<String>,
        account: impl Into<String>,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            region: region.into(),
            account: account.into(),
            clock: Clock::default(),
            journal_file_bytes: JOURNAL_FILE_BYTES,
            evaluator: None,
        }
    }
}

/// Tells the time. Clones tell the same.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that shows what `now` answers.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.0)().as_millisecond()
    }
}

impl Default for Clock {
    /// The clock of the machine.
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Clock({})", (self.0)())
    }
}
