//! Which runs a reader wants to see.

use pact_agent::ports::RunQuery;
use pact_contract::{RepositoryName, RunStatus, ids::IdError};
use serde::Deserialize;

/// Most characters of a filter.
const MAX_FILTER: usize = 300;
/// Most characters of a cursor.
const MAX_CURSOR: usize = 4_000;
/// Runs on one page.
const PAGE: usize = 20;
/// Most runs in one answer of the API.
const MAX_LIMIT: usize = 100;

/// The filters as they stand in an address. Empty ones count as absent: a form sends them all.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Filters {
    #[serde(default)]
    pub(crate) repository: String,
    #[serde(default)]
    pub(crate) branch: String,
    #[serde(default)]
    pub(crate) author: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) environment: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) cursor: String,
    #[serde(default)]
    limit: Option<usize>,
}

impl Filters {
    /// Every run of a repository.
    pub(crate) fn of_repository(name: &RepositoryName) -> Self {
        Self { repository: name.as_str().to_owned(), ..Self::default() }
    }

    /// Each by its name in an address, without the cursor.
    pub(crate) fn all(&self) -> [(&'static str, &str); 6] {
        [
            ("text", &self.text),
            ("repository", &self.repository),
            ("branch", &self.branch),
            ("author", &self.author),
            ("environment", &self.environment),
            ("status", &self.status),
        ]
    }

    /// The question that they ask.
    ///
    /// # Errors
    /// Why one of them is none.
    pub(crate) fn query(&self) -> Result<RunQuery, String> {
        let given = |name: &str, value: &str, limit: usize| {
            let value = value.trim();
            if value.chars().count() > limit {
                return Err(format!("{name} has more than {limit} characters"));
            }
            Ok((!value.is_empty()).then(|| value.to_owned()))
        };
        let status = match given("status", &self.status, MAX_FILTER)? {
            None => None,
            Some(text) => Some(RunStatus::parse(&text).ok_or_else(|| {
                let known: Vec<_> = RunStatus::ALL.iter().map(|s| s.as_str()).collect();
                format!("status must be one of {}", known.join(", "))
            })?),
        };
        Ok(RunQuery {
            repository: given("repository", &self.repository, MAX_FILTER)?
                .map(|text| text.parse())
                .transpose()
                .map_err(|error: IdError| error.to_string())?,
            branch: given("branch", &self.branch, MAX_FILTER)?,
            author: given("author", &self.author, MAX_FILTER)?,
            environment: given("environment", &self.environment, MAX_FILTER)?
                .map(|text| text.parse())
                .transpose()
                .map_err(|error: IdError| error.to_string())?,
            text: given("text", &self.text, MAX_FILTER)?,
            status,
            limit: self.limit.unwrap_or(PAGE).clamp(1, MAX_LIMIT),
            cursor: given("cursor", &self.cursor, MAX_CURSOR)?,
        })
    }
}
