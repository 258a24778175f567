//! JavaScript and TypeScript by the parser of oxc, and what its analysis refuses behind it.

use oxc_allocator::Allocator;
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

use super::verdict::{Cause, Doubt, Fault, MAX_FAULTS, Opinion};

/// Parses a file; how a module is told from a script is not in the file's name alone.
pub(super) fn parse(path: &str, language: &str, text: &str) -> Opinion {
    if language == "TypeScript" { typescript(path, text) } else { javascript(path, text) }
}

fn typescript(path: &str, text: &str) -> Opinion {
    let path = path.to_ascii_lowercase();
    let source = if path.ends_with(".tsx") {
        SourceType::tsx()
    } else if [".d.ts", ".d.mts", ".d.cts"].iter().any(|end| path.ends_with(end)) {
        SourceType::d_ts()
    } else {
        SourceType::ts()
    };
    Opinion::from_faults(faults(text, source, false))
}

fn javascript(path: &str, text: &str) -> Opinion {
    let path = path.to_ascii_lowercase();
    let kinds: &[SourceType] = if path.ends_with(".mjs") {
        &[SourceType::mjs()]
    } else if path.ends_with(".cjs") {
        &[SourceType::cjs()]
    } else {
        &[SourceType::unambiguous(), SourceType::script(), SourceType::mjs()]
    };
    let mut first = Vec::new();
    for kind in kinds {
        let found = faults(text, kind.with_jsx(true), false);
        if found.is_empty() {
            return Opinion::Parsed;
        }
        if first.is_empty() {
            first = found;
        }
    }
    if kinds.iter().any(|kind| faults(text, kind.with_jsx(true), true).is_empty()) {
        let reason = "it is valid as a CommonJS module, whose code is a function's";
        return Opinion::Unsure(Doubt::new(Cause::Dialect, reason), first);
    }
    // An engine refuses to assign to a call only once it gets there.
    if !path.ends_with(".mjs") && first.iter().all(|fault| assigns_to_call(text, fault)) {
        let doubt =
            Doubt::new(Cause::Dialect, "what it assigns to is a call, which old scripts do");
        return Opinion::Unsure(doubt, first);
    }
    let head = || text.lines().take(30);
    if head().any(|line| line.contains("@flow")) {
        let doubt = Doubt::new(Cause::Dialect, "it is written in Flow, which is not parsed");
        return Opinion::Unsure(doubt, first);
    }
    // Types in a file of JavaScript: Flow without its mark, or TypeScript by another name.
    if [SourceType::tsx(), SourceType::ts()]
        .iter()
        .any(|kind| faults(text, *kind, false).is_empty())
    {
        let doubt = Doubt::new(Cause::Dialect, "it parses as TypeScript, not as JavaScript");
        return Opinion::Unsure(doubt, first);
    }
    Opinion::from_faults(first)
}

/// Whether the fault is an assignment to `f(…)`.
fn assigns_to_call(text: &str, fault: &Fault) -> bool {
    let line = usize::try_from(fault.line).ok().and_then(|n| text.lines().nth(n.checked_sub(1)?));
    fault.message.starts_with("Cannot assign to this expression")
        && line.is_some_and(|line| {
            line.match_indices('=').any(|(at, _)| {
                line.get(..at).is_some_and(|before| before.trim_end().ends_with(')'))
            })
        })
}

fn faults(text: &str, source: SourceType, return_outside: bool) -> Vec<Fault> {
    let allocator = Allocator::default();
    let options =
        ParseOptions { allow_return_outside_function: return_outside, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, text, source).with_options(options).parse();
    // What only declares may say a thing twice: to the checker that may be wrong, to nobody else.
    let twice = |e: &OxcDiagnostic| {
        source.is_typescript_definition() && e.message.contains("already been declared")
    };
    let counts = |e: &&OxcDiagnostic| !(source.is_typescript() && (is_checkers(e) || twice(e)));
    let errors = parsed.diagnostics.errors().filter(counts);
    let found: Vec<Fault> = errors.take(MAX_FAULTS).map(|e| place(text, e)).collect();
    if !found.is_empty() || parsed.panicked {
        return if found.is_empty() { vec![Fault::at(text, 0, "cannot be parsed")] } else { found };
    }
    let analysis = SemanticBuilder::new().with_check_syntax_error(true).build(&parsed.program);
    let refused = analysis.diagnostics;
    let kept = refused.errors().filter(counts).filter(|e| !(return_outside && is_return(e)));
    kept.take(MAX_FAULTS).map(|e| place(text, e)).collect()
}

fn is_return(error: &OxcDiagnostic) -> bool {
    error.message.contains("return")
}

/// What the compiler of TypeScript leaves to its checker: the text is well-formed, and other tools
/// run it.
fn is_checkers(error: &OxcDiagnostic) -> bool {
    let of_checker = ["Missing initializer in const declaration", "modifier can only appear on"];
    of_checker.iter().any(|text| error.message.contains(text))
        || error.code.scope.as_deref().is_some_and(|scope| scope == "TS")
            && !error.message.to_ascii_lowercase().contains("expected")
}

fn place(text: &str, error: &OxcDiagnostic) -> Fault {
    // Of two places, a redeclaration's for example, the later one is at fault.
    let offset = error.labels.iter().map(|label| label.offset()).max().unwrap_or(0);
    Fault::at(text, usize::try_from(offset).unwrap_or(usize::MAX), named(&error.message))
}

/// The message without the names that it quotes from the file.
fn named(message: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    for part in message.split('`') {
        if quoted {
            // Keywords and punctuation are the language's, a name may be anything.
            let shown = part.chars().count() <= 12;
            out.push_str(if shown { part } else { "…" });
        } else {
            out.push_str(part);
        }
        quoted = !quoted;
    }
    out
}
