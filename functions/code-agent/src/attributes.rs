//! What `.gitattributes` of the pushed commit says about a file.

use gix::{
    AttributeStack, ObjectId, Repository,
    attrs::{StateRef, search::Outcome},
    bstr::BStr,
    worktree::stack::state::attributes::Source,
};

/// The attributes of one tree.
pub(crate) struct Attributes<'repo> {
    stack: Option<(AttributeStack<'repo>, Outcome)>,
}

impl<'repo> Attributes<'repo> {
    /// Attributes as the tree's own files set them; none when they cannot be read.
    pub(crate) fn new(repository: &'repo Repository, tree: ObjectId) -> Self {
        let stack = repository
            .index_from_tree(&tree)
            .and_then(|index| repository.attributes_only(&index, Source::IdMapping));
        let stack = match stack {
            Ok(stack) => {
                let outcome = stack.selected_attribute_matches(["diff", "filter"]);
                Some((stack, outcome))
            }
            Err(error) => {
                tracing::warn!(error = crate::fault::text(&error), "no attributes");
                None
            }
        };
        Self { stack }
    }

    /// Whether the file is declared to be binary (true) or text (false).
    pub(crate) fn is_binary(&mut self, path: &BStr) -> Option<bool> {
        self.look_up(path, "diff", |state| match state {
            StateRef::Unset => Some(true),
            StateRef::Set => Some(false),
            StateRef::Value(_) | StateRef::Unspecified => None,
        })
    }

    /// Whether the file's content is kept by Git LFS.
    pub(crate) fn is_lfs(&mut self, path: &BStr) -> bool {
        self.look_up(path, "filter", |state| match state {
            StateRef::Value(value) => Some(value.as_bstr() == "lfs"),
            _ => None,
        })
        .unwrap_or(false)
    }

    fn look_up<T>(
        &mut self,
        path: &BStr,
        name: &str,
        read: impl Fn(StateRef<'_>) -> Option<T>,
    ) -> Option<T> {
        let (stack, outcome) = self.stack.as_mut()?;
        outcome.reset();
        let found = stack.at_entry(path, None).ok()?.matching_attributes(outcome);
        if !found {
            return None;
        }
        outcome
            .iter_selected()
            .find(|found| found.assignment.name.as_str() == name)
            .and_then(|found| read(found.assignment.state))
    }
}
