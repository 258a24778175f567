//! The functions of a file and what they measure.
//!
//! Cyclomatic complexity (McCabe 1976) and cognitive complexity (Campbell 2018, SonarSource) are
//! those of `big-code-analysis`: each function for itself, what is nested in it apart. Length is in
//! lines that hold code. Nesting is the most control statements around a line. Parameters are those
//! of the declaration, a receiver that is one included.

use std::collections::BTreeMap;

use big_code_analysis::{Ast, FuncSpace, LANG, Metric, MetricsOptions, Source, SpaceKind};
use pact_contract::{LineRange, actions::FunctionMetrics};

use super::{
    function::Function,
    tree::{self, Reading},
};
use crate::languages;

/// Whether functions are measured in the language of this file.
pub(crate) fn is_measured(path: &str) -> bool {
    language(path).is_some()
}

fn language(path: &str) -> Option<LANG> {
    match languages::of(path)? {
        "Go" => Some(LANG::Go),
        "Java" => Some(LANG::Java),
        "JavaScript" => Some(LANG::Javascript),
        "Python" => Some(LANG::Python),
        "Rust" => Some(LANG::Rust),
        "TypeScript" if path.to_ascii_lowercase().ends_with(".tsx") => Some(LANG::Tsx),
        "TypeScript" => Some(LANG::Typescript),
        _ => None,
    }
}

/// Every function of a file, in the order of its lines.
///
/// # Errors
/// Why the file cannot be measured.
pub(crate) fn functions(path: &str, content: &[u8]) -> Result<Vec<Function>, String> {
    let Some(language) = language(path) else { return Ok(Vec::new()) };
    let options = MetricsOptions::default()
        .with_only(&[Metric::Cyclomatic, Metric::Cognitive, Metric::Loc, Metric::Nargs])
        // `?` hands an error on; it is no branch that a reader has to follow.
        .with_count_cyclomatic_try(false);
    let ast = Ast::parse(Source::new(language, content)).map_err(|e| e.to_string())?;
    let root = ast.metrics(options).map_err(|e| e.to_string())?;
    let reading = tree::read(ast.as_tree_sitter(), ast.source());
    let mut found = Vec::new();
    let mut open: Vec<(&FuncSpace, String)> = vec![(&root, String::new())];
    while let Some((space, around)) = open.pop() {
        let own = space.name.as_deref().unwrap_or("<anonymous>");
        let name = match space.kind {
            SpaceKind::Unit => String::new(),
            _ if around.is_empty() => own.to_owned(),
            _ => format!("{around}.{own}"),
        };
        if space.kind == SpaceKind::Function {
            found.push(function(space, name.clone(), &reading));
        }
        open.extend(space.spaces.iter().map(|inner| (inner, name.clone())));
    }
    found.sort_by_key(|function| function.lines);
    Ok(found)
}

fn function(space: &FuncSpace, name: String, reading: &Reading) -> Function {
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let line = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let lines = LineRange { start: line(space.start_line), end: line(space.end_line) };
    let begin = reading.tokens.partition_point(|token| token.line < lines.start);
    let end = reading.tokens.partition_point(|token| token.line <= lines.end);
    let tokens = reading.tokens.get(begin..end).unwrap_or_default();
    Function {
        name,
        lines,
        metrics: FunctionMetrics {
            cyclomatic: narrow(space.metrics.cyclomatic.cyclomatic()),
            cognitive: narrow(space.metrics.cognitive.cognitive()),
            lines: narrow(space.metrics.loc.ploc()),
            nesting: nesting(&reading.nesting, lines),
            parameters: narrow(space.metrics.nargs.own_args()),
        },
        tokens: tokens.iter().map(|token| token.hash).collect(),
        in_tests: reading.tests.iter().any(|tests| tests.overlaps(lines)),
    }
}

/// The nesting of the function at these lines. What is written before a function (decorators,
/// attributes) may belong to the one and not to the other.
fn nesting(all: &BTreeMap<LineRange, u32>, lines: LineRange) -> u32 {
    all.get(&lines).copied().unwrap_or_else(|| {
        let inside = all.range(LineRange { start: lines.start, end: 0 }..);
        inside
            .take_while(|(range, _)| range.start <= lines.end)
            .find(|(range, _)| range.end == lines.end)
            .map_or(0, |(_, nesting)| *nesting)
    })
}
