//! What goes differently in one exploration.

use std::fmt::Display;

use pact_contract::StageStatus;

/// How a run is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent circumstance")]
pub(crate) struct Variant {
    /// The environments of the plan: see [`crate::answers::environment`].
    pub(crate) environments: &'static [&'static str],
    /// Whether a person is asked, and what they say.
    pub(crate) approval: Option<Answer>,
    /// Whether another release was there before.
    pub(crate) before: bool,
    /// Whether the run was ended from outside while its release was watched in the last environment:
    /// this is the way back.
    pub(crate) ended: bool,
    /// Whether the environments have probes.
    pub(crate) probes: bool,
    /// Whether the environments with users take no release now.
    pub(crate) frozen: bool,
    /// Whether requests come to a release step by step, where it is watched.
    pub(crate) steps: bool,
    /// Whether the gate needs the end-to-end tests.
    pub needs_e2e: bool,
}

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    /// Yes, with a reason.
    Because,
    No,
    Nothing,
    /// The task token is failed without an error's name.
    Nameless,
}

/// The state's own name: `Deploy` of `Deploy.staging`.
pub(crate) fn base(state: &str) -> &str {
    state.split('.').next().unwrap_or(state)
}

impl Variant {
    pub(crate) const PROMOTE: Self = Self {
        environments: &["staging", "production"],
        approval: None,
        before: true,
        ended: false,
        probes: true,
        steps: false,
        frozen: false,
        needs_e2e: false,
    };
}

/// What becomes of a state's task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It fails with this error and cause.
    Error { error: String, cause: Option<String>, when: When },
    /// It ends with this verdict.
    Verdict(StageStatus),
    /// A deployment that is on its way still.
    Pending,
    /// Somebody ends the run just before.
    Overtaken,
    /// A deployment that the ledger refuses, with this code.
    Refused(&'static str),
    /// A rollback that finds nothing it could name.
    Nothing,
    /// An answer that is no response envelope.
    Malformed,
}

/// How far a task came that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing was done.
    Before,
    /// It was begun.
    Half,
    /// All was done; only the answer was lost.
    After,
}

/// One deviation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) state: String,
    pub(crate) turn: Turn,
    /// How often; none: always.
    pub(crate) times: Option<u64>,
    /// How often the state goes well before.
    pub(crate) after: u64,
}

impl Fault {
    pub(crate) fn new(state: impl Display, turn: Turn) -> Self {
        Self { state: state.to_string(), turn, times: None, after: 0 }
    }

    pub(crate) fn once(mut self) -> Self {
        self.times = Some(1);
        self
    }

    pub(crate) fn after(mut self, well: u64) -> Self {
        self.after = well;
        self
    }

    pub(crate) fn error(state: impl Display, error: &str, when: When) -> Self {
        let cause = format!(r#"{{"errorMessage":"boom in {state}","errorType":"{error}"}}"#);
        Self::new(state, Turn::Error { error: error.to_owned(), cause: Some(cause), when })
    }

    pub(crate) fn verdict(state: impl Display, status: StageStatus) -> Self {
        Self::new(state, Turn::Verdict(status))
    }

    pub(crate) fn is_error(&self) -> bool {
        matches!(self.turn, Turn::Error { .. } | Turn::Malformed)
    }
}

/// One exploration.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) variant: Variant,
    pub(crate) faults: Vec<Fault>,
}

impl Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}", self.variant)?;
        for fault in &self.faults {
            let often = match fault.times {
                None => "always".to_owned(),
                Some(n) => format!("{n} times"),
            };
            writeln!(f, "  {} {often}: {:?}", fault.state, fault.turn)?;
        }
        Ok(())
    }
}
