//! What suites bring back besides their verdicts: their log, their coverage, and what people should
//! know.

use pact_agent::{AgentError, Call, logs, ports::Artifacts, tested};

use crate::cases::Listed;

/// Most reports of tests that are read, and most bytes of one.
pub(crate) const REPORT_FILES: usize = 2_000;
pub(crate) const REPORT_BYTES: u64 = 48 * 1024 * 1024;
/// Most LCOV reports that are kept, and most bytes of one.
const LCOV_FILES: usize = 16;
pub(crate) const LCOV_BYTES: u64 = 32 * 1024 * 1024;
/// Most notes.
pub(crate) const NOTES: usize = 20;

/// Takes in what a suite brings back.
pub(crate) struct Collector<'a> {
    artifacts: &'a dyn Artifacts,
    call: &'a Call,
    /// What is wrong with reports, for people.
    pub(crate) notes: Vec<String>,
    /// Keys of the coverage reports.
    pub(crate) coverage_keys: Vec<String>,
    /// Key of the log.
    pub(crate) log_key: Option<String>,
    log: String,
    /// Protections that the environment of the tests lacked.
    pub(crate) without: Option<String>,
    /// The image that they ran in.
    pub(crate) image: Option<String>,
}

impl<'a> Collector<'a> {
    /// A collector for one call.
    pub(crate) fn new(artifacts: &'a dyn Artifacts, call: &'a Call) -> Self {
        Self {
            artifacts,
            call,
            notes: Vec::new(),
            coverage_keys: Vec::new(),
            log_key: None,
            log: String::new(),
            without: None,
            image: None,
        }
    }

    /// Takes in a log, after those before it.
    pub(crate) fn log(&mut self, log: &str) {
        self.log.push_str(log);
    }

    /// Keeps the log, where there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn keep(&mut self) -> Result<(), AgentError> {
        if self.log.is_empty() {
            return Ok(());
        }
        let key = logs::kept_key(self.call.scope().as_str(), &self.call.state);
        self.artifacts.put(&key, std::mem::take(&mut self.log).into()).await?;
        self.log_key = Some(key);
        Ok(())
    }

    /// Keeps the list of single tests, and gives its key; none where none was named.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn tests(
        &self,
        listed: Listed,
        total: Option<u64>,
    ) -> Result<Option<String>, AgentError> {
        if listed.tests.is_empty() {
            return Ok(None);
        }
        let Listed { tests, left_out } = listed;
        let packed = tokio::task::spawn_blocking(move || tested::write(tests, total, left_out));
        let packed = packed
            .await
            .map_err(|error| AgentError::internal("writing the list stopped").caused_by(error))?
            .map_err(|error| AgentError::internal("the list was not written").caused_by(error))?;
        let key = tested::kept_key(self.call.scope().as_str(), &self.call.state);
        self.artifacts.put(&key, packed).await?;
        Ok(Some(key))
    }

    /// Notes what a person should know about the reports.
    pub(crate) fn note(&mut self, note: String) {
        if self.notes.len() < NOTES {
            self.notes.push(note);
        }
    }

    /// Notes which protections the environment of the tests lacked.
    pub(crate) fn unprotected(&mut self, without: &str) {
        self.without = Some(pact_agent::text::truncated(without, 500));
    }

    /// Notes the image that the tests ran in.
    pub(crate) fn ran_in(&mut self, image: &str) {
        self.image = Some(pact_agent::text::truncated(image, 200));
    }

    /// Whether further coverage reports are kept.
    pub(crate) fn wants_coverage(&self) -> bool {
        self.coverage_keys.len() < LCOV_FILES
    }

    /// Keeps a coverage report.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn coverage(&mut self, content: Vec<u8>) -> Result<(), AgentError> {
        if content.is_empty() {
            return Ok(());
        }
        let number = self.coverage_keys.len() + 1;
        let (run, state) = (self.call.scope(), logs::safe(self.call.state.as_str()));
        let key = format!("runs/{run}/coverage/{state}-{number}.info");
        self.artifacts.put(&key, content.into()).await?;
        self.coverage_keys.push(key);
        Ok(())
    }
}
