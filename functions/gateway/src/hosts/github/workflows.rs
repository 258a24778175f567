//! The event `workflow_run` of GitHub: a workflow that was begun for a state of a run has changed.

use pact_contract::{RepositoryName, correlation::Correlation};
use serde_json::Value;

use super::super::host::Event;
use crate::{
    error::Answer,
    fields::{Fields, parse},
};

/// Reads a delivery. Only who is to be told is taken from it.
pub(super) fn read(body: &[u8]) -> Answer<Event> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    let name = fields.object("repository")?.identifier::<RepositoryName>("full_name")?;
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let begun_here = text("/workflow_run/event") == Some("workflow_dispatch");
    // What the workflow's `run-name` made of its inputs.
    let title = text("/workflow_run/display_title").filter(|_| begun_here);
    Ok(match title.and_then(Correlation::find) {
        Some(correlation) => Event::Work { repository: name, correlation },
        None => Event::Ignored("the workflow was not begun for a run".to_owned()),
    })
}
