//! Python by the parser of Ruff, which also knows what CPython's compiler refuses behind its
//! parser, and the indentation by CPython's rule for tabs.

use std::cell::RefCell;

use ruff_python_ast::{
    Expr, PySourceType, PythonVersion, Stmt,
    token::{TokenKind, Tokens},
    visitor::{self, Visitor},
};
use ruff_python_parser::{
    ParseOptions,
    semantic_errors::{
        LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
    },
};
use ruff_text_size::{Ranged, TextRange};

use super::verdict::{Fault, MAX_FAULTS, Opinion};

/// Deepest tree that is walked.
const MAX_DEPTH: usize = 3_000;

/// Parses a module, or a stub.
pub(super) fn parse(path: &str, text: &str) -> Opinion {
    let kind = if path.ends_with(".pyi") { PySourceType::Stub } else { PySourceType::Python };
    let version = PythonVersion::latest_preview();
    let options = ParseOptions::from(kind).with_target_version(version);
    let parsed = ruff_python_parser::parse_unchecked(text, options);
    let mut faults: Vec<Fault> = parsed
        .errors()
        .iter()
        .take(MAX_FAULTS)
        .map(|e| Fault::at(text, e.location.start().to_usize(), e.error.to_string()))
        .collect();
    faults.extend(mixed_indentation(text, parsed.tokens()));
    if faults.is_empty()
        && let Some(module) = parsed.try_into_module()
    {
        let mut walk = Walk::new(text, version, kind == PySourceType::Stub);
        walk.visit_body(&module.syntax().body);
        faults.extend(
            walk.errors
                .into_inner()
                .iter()
                .take(MAX_FAULTS)
                .map(|e| Fault::at(text, e.range.start().to_usize(), e.to_string())),
        );
    }
    Opinion::from_faults(faults)
}

/// Where the meaning of an indentation depends on the width of a tab: CPython compares each with
/// tabs of eight columns and of one, and refuses a line on which the two differ in direction.
fn mixed_indentation(text: &str, tokens: &Tokens) -> Option<Fault> {
    let mut levels = vec![(0usize, 0usize)];
    let mut begins = true;
    for token in tokens.iter() {
        match token.kind() {
            TokenKind::Newline => begins = true,
            TokenKind::NonLogicalNewline
            | TokenKind::Comment
            | TokenKind::Indent
            | TokenKind::Dedent
            | TokenKind::EndOfFile => {}
            _ if begins => {
                begins = false;
                let start = token.start().to_usize();
                let before = text.get(..start).unwrap_or_default();
                let line = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
                let (wide, narrow) = columns(before.get(line..).unwrap_or_default());
                while levels.last().is_some_and(|(level, _)| *level > wide) {
                    levels.pop();
                }
                let (level, other) = levels.last().copied().unwrap_or_default();
                let consistent = if wide > level { narrow > other } else { narrow == other };
                if !consistent {
                    let message = "tabs and spaces are mixed: the indentation depends on the \
                                   width of a tab";
                    return Some(Fault::at(text, line, message));
                }
                if wide > level {
                    levels.push((wide, narrow));
                }
            }
            _ => {}
        }
    }
    None
}

/// Width of an indentation with tabs of eight columns and of one.
fn columns(indentation: &str) -> (usize, usize) {
    let (mut wide, mut narrow) = (0, 0);
    for c in indentation.chars() {
        match c {
            ' ' => (wide, narrow) = (wide + 1, narrow + 1),
            '\t' => (wide, narrow) = ((wide / 8 + 1) * 8, narrow + 1),
            '\u{c}' => (wide, narrow) = (0, 0),
            _ => break,
        }
    }
    (wide, narrow)
}

/// What encloses a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Module,
    Class,
    Function { is_async: bool },
    Comprehension { is_async: bool, is_generator: bool },
}

/// Walks a module and asks the checker at every statement and expression.
struct Walk<'a> {
    text: &'a str,
    version: PythonVersion,
    is_stub: bool,
    checker: SemanticSyntaxChecker,
    scopes: Vec<Scope>,
    loops: usize,
    depth: usize,
    errors: RefCell<Vec<SemanticSyntaxError>>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, version: PythonVersion, is_stub: bool) -> Self {
        Self {
            text,
            version,
            is_stub,
            checker: SemanticSyntaxChecker::new(),
            scopes: vec![Scope::Module],
            loops: 0,
            depth: 0,
            errors: RefCell::default(),
        }
    }

    fn asked(&mut self, ask: impl FnOnce(&mut SemanticSyntaxChecker, &Self)) {
        let mut checker = std::mem::take(&mut self.checker);
        ask(&mut checker, self);
        self.checker = checker;
    }

    fn within(&mut self, scope: Scope, visit: impl FnOnce(&mut Self)) {
        let loops = std::mem::take(&mut self.loops);
        self.scopes.push(scope);
        visit(self);
        self.scopes.pop();
        self.loops = loops;
    }

    fn in_loop(&mut self, body: &'a [Stmt]) {
        self.loops += 1;
        self.visit_body(body);
        self.loops -= 1;
    }

    /// The first iterable belongs to the scope outside, the rest to the comprehension.
    fn comprehension(
        &mut self,
        generators: &'a [ruff_python_ast::Comprehension],
        is_generator: bool,
        elements: &[&'a Expr],
    ) {
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        let is_async = generators.iter().any(|generator| generator.is_async);
        let loops = self.loops;
        self.within(Scope::Comprehension { is_async, is_generator }, |walk| {
            walk.loops = loops;
            for (index, generator) in generators.iter().enumerate() {
                if index > 0 {
                    walk.visit_expr(&generator.iter);
                }
                walk.visit_expr(&generator.target);
                for condition in &generator.ifs {
                    walk.visit_expr(condition);
                }
            }
            for element in elements {
                walk.visit_expr(element);
            }
        });
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.asked(|checker, context| checker.visit_stmt(stmt, context));
        match stmt {
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|d| self.visit_decorator(d));
                if let Some(parameters) = &class.type_params {
                    self.visit_type_params(parameters);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.within(Scope::Class, |walk| walk.visit_body(&class.body));
            }
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|d| self.visit_decorator(d));
                if let Some(parameters) = &function.type_params {
                    self.visit_type_params(parameters);
                }
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                let is_async = function.is_async;
                self.within(Scope::Function { is_async }, |walk| walk.visit_body(&function.body));
            }
            Stmt::For(each) => {
                self.visit_expr(&each.iter);
                self.visit_expr(&each.target);
                self.in_loop(&each.body);
                self.visit_body(&each.orelse);
            }
            Stmt::While(each) => {
                self.visit_expr(&each.test);
                self.in_loop(&each.body);
                self.visit_body(&each.orelse);
            }
            _ => visitor::walk_stmt(self, stmt),
        }
        self.depth -= 1;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth += 1;
        self.asked(|checker, context| checker.visit_expr(expr, context));
        match expr {
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                }
                self.within(Scope::Function { is_async: false }, |w| w.visit_expr(&lambda.body));
            }
            Expr::ListComp(c) => self.comprehension(&c.generators, false, &[&c.elt]),
            Expr::SetComp(c) => self.comprehension(&c.generators, false, &[&c.elt]),
            Expr::Generator(c) => self.comprehension(&c.generators, true, &[&c.elt]),
            _ => visitor::walk_expr(self, expr),
        }
        self.depth -= 1;
    }
}

impl SemanticSyntaxContext for Walk<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.is_stub
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        self.version
    }

    fn source(&self) -> &str {
        self.text
    }

    fn global(&self, _name: &str) -> Option<TextRange> {
        None
    }

    fn has_nonlocal_binding(&self, _name: &str) -> bool {
        true
    }

    fn in_async_context(&self) -> bool {
        let nearest = self.scopes.iter().rev().find(|s| !matches!(s, Scope::Comprehension { .. }));
        matches!(nearest, Some(Scope::Function { is_async: true }))
    }

    fn in_await_allowed_context(&self) -> bool {
        let nearest = self.scopes.iter().rev().find(|s| !matches!(s, Scope::Comprehension { .. }));
        matches!(nearest, Some(Scope::Function { .. }))
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Function { .. }))
    }

    fn in_sync_comprehension(&self) -> bool {
        self.scopes.iter().any(|s| matches!(s, Scope::Comprehension { is_async: false, .. }))
    }

    fn in_class_body_comprehension(&self) -> bool {
        let outer = self.scopes.iter().rev().find(|s| !matches!(s, Scope::Comprehension { .. }));
        matches!(self.scopes.last(), Some(Scope::Comprehension { .. }))
            && matches!(outer, Some(Scope::Class))
    }

    fn in_module_scope(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Module))
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Function { .. }))
    }

    fn in_generator_context(&self) -> bool {
        matches!(self.scopes.last(), Some(Scope::Comprehension { is_generator: true, .. }))
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.errors.borrow_mut().push(error);
    }

    fn in_loop_context(&self) -> bool {
        self.loops > 0
    }

    fn is_bound_parameter(&self, _name: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<u32> {
        match parse("a.py", text) {
            Opinion::Broken(faults) => faults.first().map(|fault| fault.line),
            _ => None,
        }
    }

    #[test]
    fn tabs_are_compared_as_cpython_does() {
        for (text, expected) in [
            ("if a:\n\tb\n\tc\n", None),
            ("if a:\n        b\n\tc\n", Some(3)),
            ("if a:\n\tb\n        c\n", Some(3)),
            ("if a:\n\tif b:\n\t    c\n\td\n", None),
            ("if a:\n    if b:\n\tc\n", Some(3)),
            ("if a:\n    b = (1,\n\t2)\n    c\n", None),
            ("if a:\n    b\n\t# a comment\n    c\n", None),
            ("class A:\n    b = 1\n\n\tdef c(self):\n\t\tpass\n", Some(4)),
        ] {
            assert_eq!(line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_the_compiler_refuses_behind_the_parser_is_refused() {
        for text in [
            "return 1\n",
            "class A:\n    return 1\n",
            "break\n",
            "def f():\n    continue\n",
            "for x in y:\n    def f():\n        break\n",
            "def f(a, a): pass\n",
            "yield 1\n",
            "async def f(): pass\nawait f()\n",
            "f(**a, *b)\n",
            "x = *a\n",
            "from __future__ import braces\n",
        ] {
            assert!(line(text).is_some(), "{text:?}");
        }
        for text in [
            "def f():\n    return 1\n",
            "for x in y:\n    if x:\n        break\nelse:\n    pass\n",
            "while 1:\n    try:\n        pass\n    finally:\n        break\n",
            "def f(a=lambda: (yield)): pass\n",
            "async def f():\n    return [await x for x in y]\n",
            "async def f():\n    return [x async for x in y]\n",
            "class A:\n    b = [c for c in d]\n",
            "def f():\n    x = yield\n    return (lambda: (yield x))\n",
            "def f():\n    global a\n    a = 1\n",
            "match a:\n    case [b, *_]:\n        pass\n",
            "type A[T = int] = list[T]\n",
            "x: int\nprint(f'{x!r:>{10}}')\n",
            "try:\n    a\nexcept* B:\n    c\n",
        ] {
            assert_eq!(line(text), None, "{text:?}");
        }
    }
}
