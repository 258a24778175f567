//! What is read off the syntax tree of a file: its tokens, how deep its functions nest, and where
//! its tests are.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use big_code_analysis::tree_sitter::{Node, Tree};
use pact_contract::LineRange;

/// Statements that a reader has to keep in mind while reading what is inside of them.
const CONTROL: &[&str] = &[
    "do_statement",
    "enhanced_for_statement",
    "expression_switch_statement",
    "for_expression",
    "for_in_statement",
    "for_statement",
    "if_expression",
    "if_statement",
    "loop_expression",
    "match_expression",
    "match_statement",
    "select_statement",
    "switch_expression",
    "switch_statement",
    "try_statement",
    "try_with_resources_statement",
    "type_switch_statement",
    "while_expression",
    "while_statement",
    "with_statement",
];

/// Where a function begins, and the nesting anew.
const FUNCTIONS: &[&str] = &[
    "arrow_function",
    "closure_expression",
    "compact_constructor_declaration",
    "constructor_declaration",
    "func_literal",
    "function_declaration",
    "function_definition",
    "function_expression",
    "function_item",
    "generator_function",
    "generator_function_declaration",
    "lambda",
    "lambda_expression",
    "method_declaration",
    "method_definition",
];

/// A token: the line where it begins, and a hash of its text.
pub(super) struct Token {
    pub(super) line: u32,
    pub(super) hash: u64,
}

/// What was read.
#[derive(Default)]
pub(super) struct Reading {
    /// In the order of the file, without comments.
    pub(super) tokens: Vec<Token>,
    /// Deepest nesting by the lines of the function.
    pub(super) nesting: BTreeMap<LineRange, u32>,
    /// Modules of tests within the file.
    pub(super) tests: Vec<LineRange>,
}

/// What a node is to the measures.
enum Entered {
    Plain,
    Control,
    Function(LineRange),
}

/// The nesting of a function that is being read.
#[derive(Default)]
struct Depth {
    now: u32,
    most: u32,
}

/// Reads a tree.
pub(super) fn read(tree: &Tree, text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut cursor = tree.walk();
    let mut way: Vec<Entered> = Vec::new();
    // What is outside of every function has a depth that nobody asks for.
    let mut depths = vec![Depth::default()];
    loop {
        let node = cursor.node();
        let entered = enter(&node, text, &mut reading);
        match &entered {
            Entered::Plain => {}
            Entered::Control => {
                if let Some(depth) = depths.last_mut() {
                    depth.now += 1;
                    depth.most = depth.most.max(depth.now);
                }
            }
            Entered::Function(_) => depths.push(Depth::default()),
        }
        way.push(entered);
        if !is_comment(&node) && cursor.goto_first_child() {
            continue;
        }
        loop {
            leave(way.pop(), &mut depths, &mut reading);
            if cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                return reading;
            }
        }
    }
}

fn enter(node: &Node<'_>, text: &[u8], reading: &mut Reading) -> Entered {
    let kind = node.kind();
    if is_comment(node) {
        return Entered::Plain;
    }
    if node.child_count() == 0 {
        let token = text.get(node.byte_range()).unwrap_or_default();
        if !token.is_empty() {
            let mut hasher = DefaultHasher::new();
            token.hash(&mut hasher);
            let line = line(node.start_position().row);
            reading.tokens.push(Token { line, hash: hasher.finish() });
        }
    } else if FUNCTIONS.contains(&kind) {
        return Entered::Function(lines(node));
    } else if CONTROL.contains(&kind) && !is_else_if(node) {
        return Entered::Control;
    } else if kind == "mod_item"
        && let Some(name) = node.child_by_field_name("name")
        && matches!(text.get(name.byte_range()), Some(b"tests" | b"test"))
    {
        reading.tests.push(lines(node));
    }
    Entered::Plain
}

fn leave(entered: Option<Entered>, depths: &mut Vec<Depth>, reading: &mut Reading) {
    match entered {
        Some(Entered::Control) => {
            if let Some(depth) = depths.last_mut() {
                depth.now = depth.now.saturating_sub(1);
            }
        }
        Some(Entered::Function(lines)) => {
            let most = depths.pop().map_or(0, |depth| depth.most);
            let known = reading.nesting.entry(lines).or_default();
            *known = most.max(*known);
        }
        Some(Entered::Plain) | None => {}
    }
}

fn is_comment(node: &Node<'_>) -> bool {
    node.is_extra() && node.kind().contains("comment")
}

/// `else if` goes on with a row of conditions; it nests nothing.
fn is_else_if(node: &Node<'_>) -> bool {
    if !matches!(node.kind(), "if_statement" | "if_expression") {
        return false;
    }
    node.parent().is_some_and(|parent| {
        parent.kind() == "else_clause"
            || parent.child_by_field_name("alternative").is_some_and(|other| other == *node)
    })
}

fn lines(node: &Node<'_>) -> LineRange {
    LineRange { start: line(node.start_position().row), end: line(node.end_position().row) }
}

fn line(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX).saturating_add(1)
}
