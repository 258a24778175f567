//! Which commit a push is compared with: so that only what it brings itself is judged, neither
//! what was there before nor what others did meanwhile.
//!
//! The base is a merge base. With the commit before the push where it is an ancestor (an ordinary
//! push), where the two parted otherwise (a force push, a pull request whose target moved on). On
//! every branch but the default one it is never behind the point where that left the default
//! branch: what came from there, by a rebase or a merge, was judged there.

use gix::{ObjectId, Repository};
use pact_agent::AgentError;
use pact_contract::run::PullRequest;

use crate::fault::{text, unavailable};

/// What there is to choose from.
#[derive(Clone, Debug)]
pub(crate) struct Push<'a> {
    /// Commit that was pushed.
    pub(crate) head: ObjectId,
    /// Commit before the push, or the target of a pull request; none for a new branch.
    pub(crate) before: Option<ObjectId>,
    /// Full name of the ref.
    pub(crate) reference: &'a str,
    /// Name of the default branch.
    pub(crate) default_branch: &'a str,
    /// The pull request whose head it is.
    pub(crate) pull: Option<&'a PullRequest>,
}

/// What of a pull request is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The commit that merges it.
    pub(crate) commit: ObjectId,
    /// The commit of the target that it merges it into.
    pub(crate) target: ObjectId,
}

/// The merge of a pull request's head, if `commit` is that: a host makes it anew a moment after each
/// push, and until then it has another one.
pub(crate) fn merge_of(
    repository: &Repository,
    commit: ObjectId,
    head: ObjectId,
) -> Option<Merged> {
    let found = repository.find_commit(commit).ok()?;
    let parents: Vec<_> = found.parent_ids().map(gix::Id::detach).collect();
    match parents[..] {
        [target, merged] if merged == head => Some(Merged { commit, target }),
        _ => None,
    }
}

/// The base that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The commit; none: everything is new.
    pub(crate) commit: Option<ObjectId>,
    /// What it is, to follow its name.
    pub(crate) reason: String,
    /// Whether it stands in for one that cannot be had.
    pub(crate) is_fallback: bool,
}

impl Base {
    fn new(commit: impl Into<Option<ObjectId>>, reason: impl Into<String>) -> Self {
        Self { commit: commit.into(), reason: reason.into(), is_fallback: false }
    }

    fn fallback(commit: impl Into<Option<ObjectId>>, reason: String) -> Self {
        Self { commit: commit.into(), reason, is_fallback: true }
    }
}

impl Push<'_> {
    /// Whether the push is to the default branch.
    pub(crate) fn is_default_branch(&self) -> bool {
        self.reference.strip_prefix("refs/heads/") == Some(self.default_branch)
    }

    fn is_tag(&self) -> bool {
        self.reference.starts_with("refs/tags/")
    }
}

/// Chooses the base. `tip` is the tip of the default branch, where it is known.
pub(crate) fn choose(
    repository: &Repository,
    push: &Push<'_>,
    tip: Option<ObjectId>,
) -> Result<Base, AgentError> {
    let tip = tip.filter(|_| !push.is_default_branch());
    let left = tip.map(|tip| meet(repository, tip, push.head)).transpose()?.flatten();
    let main = push.default_branch;
    let before = match push.before {
        None => None,
        Some(before) if repository.find_commit(before).is_err() => {
            return lost(repository, push, before, left);
        }
        Some(before) => Some((before, meet(repository, before, push.head)?)),
    };
    let from_main = |commit| Base::new(commit, format!("where it left {main}"));
    let base = match (before, left) {
        (None, None) => Base::new(None, "everything is new"),
        (None, Some(left)) => from_main(left),
        (Some((before, Some(met))), left) => {
            let known = if let Some(pull) = push.pull {
                let what = if met == before { "the tip of" } else { "where it left" };
                Base::new(met, format!("{what} its target {}", pull.target))
            } else if met == before {
                Base::new(met, "the commit before the push")
            } else {
                Base::new(met, "where it parted from the commit before the push")
            };
            match left {
                // The nearer of the two; what was merged from the default branch is not the push's.
                Some(left)
                    if push.pull.is_none()
                        && left != met
                        && !is_ancestor(repository, left, met)? =>
                {
                    from_main(left)
                }
                _ => known,
            }
        }
        (Some((before, None)), left) => {
            if let Some(left) = left {
                from_main(left)
            } else if is_shallow(repository) {
                let reason = format!(
                    "the repository is shallow: it cannot be told where the push parted from \
                     {before}; compared with that commit itself"
                );
                Base::fallback(before, reason)
            } else {
                Base::new(None, "it has no history in common with the commit before the push")
            }
        }
    };
    Ok(after_tag(repository, push, base))
}

/// The commit whose settings judge the push; none where there is none before it. Of a pull request
/// that is the tip of its target, as far as it can be had. On the default branch that is what the
/// branch pointed to, elsewhere where the default branch was left: what was pushed to a branch
/// before is nobody's rule.
pub(crate) fn judge(
    repository: &Repository,
    push: &Push<'_>,
    tip: Option<ObjectId>,
    base: &Base,
) -> Result<Option<ObjectId>, AgentError> {
    let parent = || first_parent(repository, push.head);
    if push.pull.is_some() {
        // Its author chooses where it left its target, but not what the target has now. Where the host
        // tells of no target, and has no merge, what the default branch has now stands in for it.
        let target = push.before.filter(|id| repository.find_commit(*id).is_ok());
        return Ok(target.or(tip).or(base.commit));
    }
    if push.is_default_branch() {
        let before = push.before.filter(|id| *id != push.head);
        return Ok(before.filter(|id| repository.find_commit(*id).is_ok()).or_else(parent));
    }
    let left = tip.map(|tip| meet(repository, tip, push.head)).transpose()?.flatten();
    Ok(left.or(base.commit).or_else(parent))
}

/// A tag on a commit of the default branch brings what that commit brought.
fn after_tag(repository: &Repository, push: &Push<'_>, base: Base) -> Base {
    if !push.is_tag() || base.commit != Some(push.head) {
        return base;
    }
    match first_parent(repository, push.head) {
        Some(parent) => Base::new(parent, "the first parent of the commit that is tagged"),
        None => Base::new(None, "everything is new"),
    }
}

/// The commit before the push is gone: a force push whose past was swept away, or a repository
/// that lacks its past.
fn lost(
    repository: &Repository,
    push: &Push<'_>,
    before: ObjectId,
    left: Option<ObjectId>,
) -> Result<Base, AgentError> {
    let head = repository.find_commit(push.head).map_err(|e| unavailable(text(&e)))?;
    let has_parent = head.parent_ids().next().is_some();
    let reason = format!("the base {before} cannot be had (a force push, or a shallow repository)");
    let main = push.default_branch;
    Ok(match (left, first_parent(repository, push.head)) {
        (Some(left), _) if left != push.head => Base::fallback(
            left,
            format!("{reason}; compared with {left}, where it left {main}, instead"),
        ),
        (_, Some(parent)) => Base::fallback(
            parent,
            format!("{reason}; compared with the first parent {parent} instead"),
        ),
        (_, None) if has_parent => Base::fallback(
            None,
            format!("{reason}, nor can the first parent; everything counts as new"),
        ),
        _ => Base::fallback(
            None,
            format!("{reason} and the commit has no parent; everything counts as new"),
        ),
    })
}

fn first_parent(repository: &Repository, commit: ObjectId) -> Option<ObjectId> {
    let parent = repository.find_commit(commit).ok()?.parent_ids().next()?.detach();
    repository.find_commit(parent).is_ok().then_some(parent)
}

/// The best commit that both come from; none when there is none, or none that can be seen.
fn meet(
    repository: &Repository,
    one: ObjectId,
    other: ObjectId,
) -> Result<Option<ObjectId>, AgentError> {
    let met = repository.merge_base(one, other);
    met.map(|met| met.map(gix::Id::detach)).map_err(|e| {
        unavailable(format!("the histories of {one} and {other} cannot be compared: {}", text(&e)))
    })
}

fn is_ancestor(
    repository: &Repository,
    older: ObjectId,
    newer: ObjectId,
) -> Result<bool, AgentError> {
    Ok(meet(repository, older, newer)? == Some(older))
}

/// Whether commits were left out when the repository was cloned. What cannot be told counts as
/// left out.
pub(crate) fn is_shallow(repository: &Repository) -> bool {
    repository.is_shallow().unwrap_or(true)
}

/// Whether the history that is here says what the base is: more of it would not change it.
pub(crate) fn is_settled(repository: &Repository, push: &Push<'_>, tip: Option<ObjectId>) -> bool {
    let met = |one: ObjectId| matches!(meet(repository, one, push.head), Ok(Some(_)));
    let before = push.before.is_none_or(met);
    let main = push.is_default_branch() || tip.is_none_or(met);
    before && main
}

/// The tip of the default branch of a repository on this machine.
pub(crate) fn local_tip(repository: &Repository, default_branch: &str) -> Option<ObjectId> {
    ["refs/heads", "refs/remotes/origin"].iter().find_map(|folder| {
        let name = format!("{folder}/{default_branch}");
        let mut reference = repository.find_reference(name.as_str()).ok()?;
        reference.peel_to_commit().ok().map(|commit| commit.id)
    })
}
