//! Places at which a test stops the agent, as a kill would.

use pact_agent::AgentError;

/// Told whenever a step is done. Outside tests it does nothing.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    #[cfg(test)]
    left: Option<std::sync::Arc<std::sync::atomic::AtomicUsize>>,
}

impl Steps {
    /// Goes on, or ends the action at once, without any tidying up, where a test asks for it.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests have something to do"))]
    #[cfg_attr(not(test), expect(clippy::unnecessary_wraps, reason = "only tests stop it"))]
    pub(crate) fn reached(&self, step: &str) -> Result<(), AgentError> {
        tracing::debug!(step, "reached");
        #[cfg(test)]
        if let Some(left) = &self.left {
            use std::sync::atomic::Ordering;
            if left.fetch_sub(1, Ordering::SeqCst) == 0 {
                return Err(AgentError::internal(format!("{INTERRUPTED} after {step}")));
            }
        }
        Ok(())
    }

    /// Stops after `steps` steps.
    #[cfg(test)]
    pub(crate) fn interrupted_after(steps: usize) -> Self {
        Self { left: Some(std::sync::Arc::new(steps.into())) }
    }
}

/// How a fault begins that a test asked for.
#[cfg(test)]
pub(crate) const INTERRUPTED: &str = "interrupted";
