//! What a target has to be able to do.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_agent::{AgentError, ports::Artifacts};
use pact_config::form::Form;
use pact_contract::{
    EnvironmentKey, Finding, ReleaseId, RunId, Severity,
    actions::{BuiltRelease, ReleaseRecord, SourceRef},
    codes,
    run::Apart,
    settings::Instance,
};
use serde::{Deserialize, Serialize};

use super::{access::Aws, builder::Builder};
use crate::steps::Steps;

/// A kind of target: its settings, and how one is reached.
pub(crate) struct Kind {
    /// The word that chooses it.
    pub(crate) name: &'static str,
    /// Its settings in `pact.toml`.
    pub(crate) form: fn() -> Form,
    /// Reads and checks the settings. Changes nothing in the world.
    ///
    /// # Errors
    /// Why the settings are refused.
    pub(crate) open: fn(&Instance, &Surroundings) -> Opened,
}

/// A target, or why its settings are refused.
pub(crate) type Opened = Result<Box<dyn Target>, String>;

/// What a target may use of this installation.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The environment that it is to be.
    pub(crate) key: EnvironmentKey,
    /// The environment of which it is a wave: what that deployed to the same place is its own.
    pub(crate) whole: Option<EnvironmentKey>,
    /// Folder below which an environment may have its own.
    pub(crate) root: Option<PathBuf>,
    /// File that says how the reverse proxy of this machine is reached, where it has one.
    pub(crate) proxy: Option<PathBuf>,
    pub(crate) artifacts: Arc<dyn Artifacts>,
    /// The account's services, where this installation deploys to them.
    pub(crate) aws: Option<Aws>,
    /// Where commands run, where this installation has that.
    pub(crate) builds: Option<Builder>,
    /// Told whenever a step is done.
    pub(crate) steps: Steps,
}

/// Where the releases of one environment are put into effect.
///
/// Every method can be repeated: an action that was killed is called again, and finds whatever the
/// one before left. None relies on the record of what is deployed; what it says, it sees.
#[async_trait]
pub(crate) trait Target: Send + Sync {
    /// Whether it is the same piece of the world for every target with this name.
    fn location(&self) -> String;

    /// What it remembers of its releases.
    fn history(&self) -> &dyn History;

    /// Takes the target for one action, and makes it this environment's for good.
    ///
    /// # Errors
    /// `ERR_ENVIRONMENT_BUSY` when another action is at work there for longer than `patience`.
    async fn claim(&self, patience: Duration) -> Result<Claimed, AgentError>;

    /// Where a release stands that is to have this part of the requests, in percent; all of them
    /// where it is in effect. Changes nothing.
    async fn status(&self, release: &ReleaseId, percent: u32) -> Result<Status, AgentError>;

    /// Brings a release to where it can be activated, beside the one in effect, which is not
    /// touched.
    async fn prepare(&self, release: &NewRelease<'_>) -> Result<Prepared, AgentError>;

    /// Puts a prepared release into effect instead of whatever is, here or `elsewhere`, where the
    /// settings were others before.
    async fn activate(
        &self,
        release: &ReleaseRecord,
        mode: Activation,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError>;

    /// Why a release could not be returned to, as far as that can be seen: it is asked before
    /// anything is done that may need it. Changes nothing.
    async fn way_back(&self, _release: &ReleaseRecord) -> Result<Option<Finding>, AgentError> {
        Ok(None)
    }

    /// Whether it can put a release into effect that was so before; one that cannot leads one way.
    fn returns(&self) -> bool {
        true
    }

    /// Whether what is in effect there was put there by waves that the environment had: what its own record
    /// says is older, and no place to return to.
    async fn is_led_by_waves(&self) -> Result<bool, AgentError> {
        Ok(false)
    }

    /// Whether requests can be shared between releases: [`Self::shift`] is for those that say so.
    fn weights(&self) -> bool {
        false
    }

    /// Gives a prepared release this part of the requests, in percent, in one step, beside the one in
    /// effect, which stays so; the rest stays with those that had them, in their proportions.
    async fn shift(&self, release: &ReleaseRecord, percent: u32) -> Result<Shifted, AgentError> {
        Ok(Shifted::Refused(
            Finding::new(
                codes::TARGET_REFUSED,
                Severity::High,
                format!("this target cannot give {} {percent} % of the requests", release.release),
            )
            .remedy("use the strategy all-at-once"),
        ))
    }

    /// Where both releases can be asked now, each for itself, so that they are compared at the same time:
    /// none where one of them takes no requests, or has no address of its own. Changes nothing.
    async fn apart(&self, _new: &ReleaseId, _old: &ReleaseId) -> Result<Option<Apart>, AgentError> {
        Ok(None)
    }

    /// Ends what serves requests, so that what it holds is free. Which release is in effect stays
    /// as it is.
    async fn stop(&self) -> Result<(), AgentError>;

    /// Puts no release into effect.
    async fn vacate(&self) -> Result<(), AgentError>;

    /// Removes what is no longer needed, never a `protected` release. What cannot be removed is
    /// removed another time.
    async fn tidy(&self, protected: &[&ReleaseId]);
}

/// What a target remembers of its releases.
#[async_trait]
pub(crate) trait History: Send + Sync {
    /// The release to return to after `release`: the one that it replaced, or one before that,
    /// which is still there and was not taken back itself.
    async fn before(&self, release: &ReleaseId) -> Result<Option<ReleaseRecord>, AgentError>;

    /// How the release was taken back, if it was and has not been deployed again.
    async fn taken_back(&self, release: &ReleaseId) -> Result<Option<TakenBack>, AgentError>;

    /// Remembers that the release was taken back.
    async fn mark_taken_back(&self, release: &ReleaseId, how: TakenBack) -> Result<(), AgentError>;

    /// Forgets that the release was ever prepared: it is made anew next time.
    async fn discard(&self, release: &ReleaseId) -> Result<(), AgentError>;
}

/// How a release was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TakenBack {
    /// The release that came into effect again, where there was one.
    pub(crate) restored: Option<ReleaseId>,
    /// The run that took it back.
    pub(crate) run_id: RunId,
}

/// A release that is not there yet.
pub(crate) struct NewRelease<'a> {
    pub(crate) record: &'a ReleaseRecord,
    /// Its source bundle.
    pub(crate) source: &'a SourceRef,
    /// What was built of its commit.
    pub(crate) built: &'a [BuiltRelease],
    /// The release that it is to replace.
    pub(crate) replaces: Option<&'a ReleaseId>,
}

/// Whether the target can be used.
pub(crate) enum Claimed {
    /// It is this action's until the claim is dropped, which also a kill does.
    Ours(Claim),
    /// It is another environment's; the sentence says whose.
    Foreign(String),
}

/// Ends the claim when it is dropped.
pub(crate) type Claim = Box<dyn Send + Sync>;

/// Where a release stands.
pub(crate) struct Status {
    /// Why the release is not in effect; none: it is.
    pub(crate) problems: Vec<Finding>,
    /// Whether it also takes requests now, where it is to.
    pub(crate) ready: bool,
}

/// How a release is put into effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// It is new: nothing that runs is it.
    New,
    /// It was in effect before: what still serves it is not touched.
    Return,
}

/// How the preparation of a release ended.
pub(crate) enum Prepared {
    Ready,
    /// The release is at fault.
    Refused(Box<Finding>),
}

/// How a change of the shares ended.
pub(crate) enum Shifted {
    /// They are as was asked, at this address where there is one.
    Done { url: Option<String> },
    /// They are as they were.
    Refused(Finding),
}

/// How the activation of a release ended.
pub(crate) enum Activated {
    /// It is in effect, at this address where it has one.
    InEffect { url: Option<String> },
    /// It cannot be; nothing was changed.
    Refused(Finding),
    /// It could not be, and the one before has been touched for it.
    Failed(Finding),
}

/// The target asks for a build, and the run has none.
pub(super) fn not_built() -> Finding {
    Finding::new(
        codes::BUILD_FAILED,
        Severity::High,
        "what the target builds was not built in this run: its commands ran neither beside the unit \
         tests nor in their place",
    )
    .remedy("run the commit again: the release is built in the build of its unit tests")
}
