//! What an expression may cost.

use cel::{
    Program,
    common::ast::{EntryExpr, Expr, IdedExpr},
};

use crate::MAX_EXPRESSION;

/// Deepest brackets.
const MAX_BRACKETS: usize = 20;
/// Most signs that the grammar takes one within the other.
const MAX_SIGNS: usize = 40;
/// Most loops, none of which may be within another.
const MAX_LOOPS: usize = 8;

/// The text, before anything reads it.
pub(crate) fn text(expression: &str) -> Result<(), String> {
    if expression.len() > MAX_EXPRESSION {
        return Err(format!("is longer than {MAX_EXPRESSION} bytes"));
    }
    if expression.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    let (mut depth, mut signs) = (0usize, 0usize);
    for byte in expression.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' => signs += 1,
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return Err(format!("has more than {MAX_BRACKETS} brackets within each other"));
        }
    }
    match signs > MAX_SIGNS {
        true => Err(format!("has more than {MAX_SIGNS} of the signs ! - ?")),
        false => Ok(()),
    }
}

/// Loops, which `all`, `exists`, `filter` and `map` are.
pub(crate) fn loops(expression: &IdedExpr) -> Result<(), String> {
    let mut count = 0;
    walk(expression, false, &mut |inside, _| {
        count += 1;
        match inside {
            true => Err("has a loop within a loop".to_owned()),
            false if count > MAX_LOOPS => Err(format!("has more than {MAX_LOOPS} loops")),
            false => Ok(()),
        }
    })
}

/// Whether a name is that of a loop's own variable.
pub(crate) fn is_bound(program: &Program, name: &str) -> bool {
    let mut bound = false;
    let walked = walk(program.expression(), false, &mut |_, names| {
        bound |= names.contains(&name);
        Ok(())
    });
    bound && walked.is_ok()
}

/// What is done with a loop: whether it is within another, and the names that it binds.
type Visit<'v> = dyn FnMut(bool, &[&str]) -> Result<(), String> + 'v;

/// Visits each loop with the names that it binds. The depth is that of the text, which is bounded.
fn walk(node: &IdedExpr, inside: bool, visit: &mut Visit<'_>) -> Result<(), String> {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Ok(()),
        Expr::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.args);
            parts.into_iter().try_for_each(|part| walk(part, inside, visit))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|part| walk(part, inside, visit)),
        Expr::Select(select) => walk(&select.operand, inside, visit),
        Expr::Map(map) => entries(map.entries.iter().map(|entry| &entry.expr), inside, visit),
        Expr::Struct(made) => entries(made.entries.iter().map(|entry| &entry.expr), inside, visit),
        Expr::Comprehension(one) => {
            let second = one.iter_var2.as_deref().unwrap_or_default();
            visit(inside, &[one.iter_var.as_str(), second, one.accu_var.as_str()])?;
            walk(&one.iter_range, inside, visit)?;
            let parts = [&one.accu_init, &one.loop_cond, &one.loop_step, &one.result];
            parts.into_iter().try_for_each(|part| walk(part, true, visit))
        }
    }
}

fn entries<'e>(
    entries: impl Iterator<Item = &'e EntryExpr>,
    inside: bool,
    visit: &mut Visit<'_>,
) -> Result<(), String> {
    for entry in entries {
        match entry {
            EntryExpr::StructField(field) => walk(&field.value, inside, visit)?,
            EntryExpr::MapEntry(entry) => {
                walk(&entry.key, inside, visit)?;
                walk(&entry.value, inside, visit)?;
            }
        }
    }
    Ok(())
}
