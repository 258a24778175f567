//! Reads an AWS SAM template and resolves it for a stack on one machine: functions, tables, routes,
//! schedules, rules and state machines, with names and ARNs as AWS would make them.
//!
//! Every fault of a template is reported at once, with its line. A reference to what the template
//! does not define is a fault wherever it stands, also in resources that are otherwise ignored. What
//! is valid but has no meaning here is named in [`Stack::ignored`].

mod error;
mod events;
mod extract;
mod pattern;
mod project;
mod resolve;
mod resources;
mod schedule;
mod stack;
mod template;
#[cfg(test)]
mod tests;
mod yaml;

pub use error::TemplateError;
pub use pattern::{check as check_pattern, matches};
pub use schedule::{Cron, Expression, ExpressionError};
pub use stack::{
    BuildProject, Context, EventRule, Function, Role, Route, Schedule, Stack, StateMachine, Table,
    Target, Watching,
};

use std::path::Path;

/// Reads and resolves a template. Nothing is returned unless all of it is right.
pub fn load(
    text: &str,
    path_for_messages: &Path,
    context: &Context,
) -> Result<Stack, Vec<TemplateError>> {
    let error = |line, place: &str, message| TemplateError {
        path: path_for_messages.to_owned(),
        line,
        logical_id: Some(place.to_owned()).filter(|p| !p.is_empty()),
        message,
    };
    let root = yaml::parse(text).map_err(|faults| {
        faults.into_iter().map(|f| error(f.line, "", f.message)).collect::<Vec<_>>()
    })?;
    let mut errors = Vec::new();
    let template = template::Template::read(&root, &mut |line, place, message| {
        errors.push(error(Some(line), place, message));
    });
    let mut resolver = resolve::Resolver::new(&template, context, path_for_messages);
    let stack = extract::stack(&mut resolver);
    errors.extend(resolver.errors);
    errors.sort_by(|a, b| {
        (a.line, &a.logical_id, &a.message).cmp(&(b.line, &b.logical_id, &b.message))
    });
    // A fault may be met on several ways; it is one fault.
    errors.dedup_by(|a, b| a.line == b.line && a.message == b.message);
    if errors.is_empty() { Ok(stack) } else { Err(errors) }
}
