//! Conditions of the plan and the gate, in the Common Expression Language (<https://cel.dev>), and
//! the risk of a change that they may speak of.
//!
//! An expression comes from a repository that is not trusted: its length, its depth and its loops are
//! bounded before it is evaluated, it has a stack of its own and [`TIME`], and a fault of the
//! interpreter is a fault of the expression. There are no regular expressions in it.

mod bounds;
mod risk;

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::Duration,
};

use cel::{Context, ExecutionError, Program, Value};
use globset::GlobBuilder;

pub use risk::risk;

/// Longest expression, in bytes.
pub const MAX_EXPRESSION: usize = 500;
/// Most changed paths that an expression goes through by itself; `changes("…")` knows them all.
pub const MAX_PATHS: usize = 2_000;
/// Time for one expression.
pub const TIME: Duration = Duration::from_secs(2);
/// Stack for one expression, in bytes.
const STACK: usize = 32 * 1024 * 1024;

/// What an expression may speak of.
const VARIABLES: &[&str] =
    &["author", "branch", "files", "labels", "lines", "message", "paths", "risk", "tag", "trigger"];

/// What an expression speaks of.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The branch; empty for a tag.
    pub branch: String,
    /// The tag; empty for a branch.
    pub tag: String,
    /// What began the run: `push`, `pull_request`, `api` and the like.
    pub trigger: String,
    /// Who wrote the commit.
    pub author: String,
    /// What its message says.
    pub message: String,
    /// The labels of the pull request; none of a push.
    pub labels: Vec<String>,
    /// The paths that changed, those of before a move included.
    pub paths: Vec<String>,
    /// How many files changed.
    pub files: u64,
    /// How many lines were added and deleted.
    pub lines: u64,
    /// The risk, from 0 to 100.
    pub risk: u32,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Checks that an expression can be read, and speaks of nothing that there is not.
///
/// # Errors
/// What is wrong with it: a fragment that follows the name of its key.
pub fn check(expression: &str) -> Result<(), Unusable> {
    bounds::text(expression).map_err(Unusable)?;
    let expression = expression.to_owned();
    apart(move || compile(&expression).map(|_| ()))
}

/// Whether an expression holds.
///
/// # Errors
/// It cannot be read, does not end in time, or is no yes or no.
pub fn holds(expression: &str, facts: &Arc<Facts>) -> Result<bool, Unusable> {
    bounds::text(expression).map_err(Unusable)?;
    let (expression, facts) = (expression.to_owned(), Arc::clone(facts));
    apart(move || evaluate(&expression, &facts))
}

/// Does `work` on a stack of its own and not for longer than [`TIME`].
fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Unusable> {
    let (send, receive) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("condition".to_owned()).stack_size(STACK);
    thread
        .spawn(move || {
            // Nobody waits any more when it took too long.
            drop(send.send(work()));
        })
        .map_err(|e| Unusable(format!("cannot be looked at: {e}")))?;
    match receive.recv_timeout(TIME) {
        Ok(result) => result.map_err(Unusable),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(Unusable(format!("takes longer than {} seconds", TIME.as_secs())))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(Unusable("makes the interpreter fail".to_owned()))
        }
    }
}

fn compile(expression: &str) -> Result<Program, String> {
    let program = Program::compile(expression).map_err(|errors| {
        let first = errors.errors.first();
        let said = first.map_or("it cannot be read", |error| error.msg.as_str());
        let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match first.map(|error| error.pos.1) {
            Some(column) if column > 0 => format!("is no CEL: {said} (at character {column})"),
            _ => format!("is no CEL: {said}"),
        }
    })?;
    bounds::loops(program.expression())?;
    let references = program.references();
    for name in references.variables() {
        // What a macro calls its own accumulator.
        if !VARIABLES.contains(&name) && !name.starts_with('@') && !bounds::is_bound(&program, name)
        {
            return Err(format!(
                "speaks of {name:?}, which there is not; there are {}",
                VARIABLES.join(", ")
            ));
        }
    }
    Ok(program)
}

fn evaluate(expression: &str, facts: &Arc<Facts>) -> Result<bool, String> {
    let program = compile(expression)?;
    if facts.paths.len() > MAX_PATHS && program.references().has_variable("paths") {
        return Err(format!(
            "goes through {} paths; at most {MAX_PATHS}; changes(\"…\") knows them all",
            facts.paths.len()
        ));
    }
    let mut context = Context::default();
    let texts = BTreeMap::from([
        ("branch", &facts.branch),
        ("tag", &facts.tag),
        ("trigger", &facts.trigger),
        ("author", &facts.author),
        ("message", &facts.message),
    ]);
    for (name, text) in texts {
        context.add_variable_from_value(name, text.clone());
    }
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    context.add_variable_from_value("files", number(facts.files));
    context.add_variable_from_value("lines", number(facts.lines));
    context.add_variable_from_value("risk", number(u64::from(facts.risk)));
    let paths = facts.paths.iter().take(MAX_PATHS).cloned().collect::<Vec<String>>();
    context.add_variable_from_value("paths", paths);
    context.add_variable_from_value("labels", facts.labels.clone());
    let known = Arc::clone(facts);
    let changes = move |glob: Arc<String>| changes(&known.paths, &glob);
    context.add_function("changes", changes).map_err(|e| e.to_string())?;
    match program.execute(&context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(other) => Err(format!("is no yes or no, but {:?}", other.type_of())),
        Err(error) => {
            let said = error.to_string().replace(char::is_control, " ");
            Err(format!("cannot be evaluated: {}", said.chars().take(200).collect::<String>()))
        }
    }
}

/// Whether one of the paths is of the glob: `*` stops at a `/`, `**` does not.
fn changes(paths: &[String], glob: &str) -> Result<bool, ExecutionError> {
    let glob = GlobBuilder::new(glob).literal_separator(true).build();
    let glob = glob.map_err(|e| ExecutionError::function_error("changes", e.kind()))?;
    let matcher = glob.compile_matcher();
    Ok(paths.iter().any(|path| matcher.is_match(path)))
}

#[cfg(test)]
mod tests;
