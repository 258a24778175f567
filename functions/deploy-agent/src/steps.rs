//! Places at which a test stops the agent, as a kill would.

use pact_agent::AgentError;

/// Told whenever a step is done. Outside tests it does nothing.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    #[cfg(test)]
    left: Option<std::sync::Arc<std::sync::atomic::AtomicUsize>>,
    /// What happens in the world after so many steps, while the agent goes on.
    #[cfg(test)]
    meanwhile: Option<std::sync::Arc<Meanwhile>>,
}

/// What a test does after so many steps.
#[cfg(test)]
struct Meanwhile {
    left: std::sync::atomic::AtomicUsize,
    act: Box<dyn Fn() + Send + Sync>,
}

impl Steps {
    /// Goes on, or ends the action at once, without any tidying up, where a test asks for it.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests have something to do"))]
    #[cfg_attr(not(test), expect(clippy::unnecessary_wraps, reason = "only tests stop it"))]
    pub(crate) fn reached(&self, step: &str) -> Result<(), AgentError> {
        tracing::debug!(step, "reached");
        #[cfg(test)]
        if let Some(meanwhile) = &self.meanwhile
            && meanwhile.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 0
        {
            (meanwhile.act)();
        }
        #[cfg(test)]
        if let Some(left) = &self.left {
            use std::sync::atomic::Ordering;
            if left.fetch_sub(1, Ordering::SeqCst) == 0 {
                return Err(AgentError::internal(format!("{INTERRUPTED} after {step}")));
            }
        }
        Ok(())
    }

    /// Does something after `steps` steps, and goes on.
    #[cfg(test)]
    pub(crate) fn meanwhile_after(steps: usize, act: impl Fn() + Send + Sync + 'static) -> Self {
        let meanwhile = Meanwhile { left: steps.into(), act: Box::new(act) };
        Self { meanwhile: Some(std::sync::Arc::new(meanwhile)), ..Self::default() }
    }

    /// Stops after `steps` steps.
    #[cfg(test)]
    pub(crate) fn interrupted_after(steps: usize) -> Self {
        Self { left: Some(std::sync::Arc::new(steps.into())), ..Self::default() }
    }
}

/// How a fault begins that a test asked for.
#[cfg(test)]
pub(crate) const INTERRUPTED: &str = "interrupted";
