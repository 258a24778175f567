//! Findings: what a check saw, where, and what would make it go away.

use serde::{Deserialize, Serialize};

use crate::{codes::FindingCode, waiver::Grant};

/// How much a finding matters, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Should be mended some day.
    Low,
    /// Should be mended soon.
    Medium,
    /// Should stop a release.
    High,
    /// Must stop a release.
    Critical,
}

impl Severity {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Lines of a source, as they are shown. Boxed where a finding has them, as few do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceLines(pub String);

/// That a finding was waived: it is listed, and counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    /// How much it would matter.
    pub severity: Severity,
    /// By whom.
    #[serde(flatten)]
    pub grant: Grant,
}

/// One observation with its evidence. Never contains a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable kebab-case code, for example `syntax-error`.
    pub code: FindingCode,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence that says what is wrong.
    pub message: String,
    /// Path in the repository, with `/` as separator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What would make the finding go away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What was measured or seen, redacted and short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The lines of the source around its place, without secrets: `>` is its line, `+` what the change
    /// added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<SourceLines>>,
    /// Set when somebody answers for it; its severity is then information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
}

impl Finding {
    /// A finding without a place.
    #[must_use]
    pub fn new(code: FindingCode, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            path: None,
            line: None,
            column: None,
            remedy: None,
            evidence: None,
            source: None,
            waived: None,
        }
    }

    /// Sets the path and, where known, line and column (both from 1).
    #[must_use]
    pub fn at(mut self, path: impl Into<String>, line: Option<u32>, column: Option<u32>) -> Self {
        self.path = Some(path.into());
        self.line = line;
        self.column = column;
        self
    }

    /// Sets what would make the finding go away.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Sets what was seen; the caller has redacted it.
    #[must_use]
    pub fn evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = Some(evidence.into());
        self
    }

    /// `path:line:column`, as far as it is known.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let path = self.path.as_deref()?;
        Some(match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{path}:{line}:{column}"),
            (Some(line), None) => format!("{path}:{line}"),
            _ => path.to_owned(),
        })
    }
}
