//! Walking an expression.

use jsonata_core::ast::{AstNode, Stage};

/// Calls `seen` with every node, children first.
pub(super) fn visit<'a>(node: &'a AstNode, seen: &mut dyn FnMut(&'a AstNode)) {
    for child in children(node) {
        visit(child, seen);
    }
    seen(node);
}

fn children(node: &AstNode) -> Vec<&AstNode> {
    match node {
        AstNode::Path { steps } => steps
            .iter()
            .flat_map(|step| {
                let filters = step.stages.iter().filter_map(|stage| match stage {
                    Stage::Filter(filter) => Some(&**filter),
                    _ => None,
                });
                std::iter::once(&step.node).chain(filters)
            })
            .collect(),
        AstNode::Binary { lhs, rhs, .. } => vec![lhs, rhs],
        AstNode::Unary { operand: inner, .. }
        | AstNode::Lambda { body: inner, .. }
        | AstNode::FunctionApplication(inner) => vec![inner],
        AstNode::Function { args: items, .. }
        | AstNode::Array(items)
        | AstNode::ArrayGroup(items)
        | AstNode::Block(items) => items.iter().collect(),
        AstNode::Call { procedure, args } => {
            args.iter().chain(std::iter::once(&**procedure)).collect()
        }
        AstNode::Object(members) => members.iter().flat_map(|(key, value)| [key, value]).collect(),
        AstNode::ObjectTransform { input, pattern } => {
            let pattern = pattern.iter().flat_map(|(key, value)| [key, value]);
            std::iter::once(&**input).chain(pattern).collect()
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            let mut all = vec![&**condition, then_branch];
            all.extend(else_branch.as_deref());
            all
        }
        AstNode::Sort { input, terms } => {
            std::iter::once(&**input).chain(terms.iter().map(|(term, _)| term)).collect()
        }
        AstNode::Transform { location, update, delete } => {
            let mut all = vec![&**location, update];
            all.extend(delete.as_deref());
            all
        }
        _ => Vec::new(),
    }
}
