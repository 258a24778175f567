//! What AWS refuses in an expression before it runs.

use jsonata_core::ast::{AstNode, BinaryOp};

use super::tree::visit;

/// The names that `ast` reads from a context item, which Step Functions does not offer: `phone`
/// in `phone.number`, `$$` anywhere.
pub(crate) fn top_level_references(ast: &AstNode) -> Vec<String> {
    let mut found = Vec::new();
    walk(ast, false, &mut found);
    found
}

/// What the version of JSONata that AWS has says of operators that came later, and of an
/// assignment to something else than a variable.
pub(crate) fn refused_operator(ast: &AstNode) -> Option<&'static str> {
    let mut found = None;
    visit(ast, &mut |node| {
        if let AstNode::Binary { op, lhs, .. } = node {
            found = found.or(match op {
                BinaryOp::Coalesce => Some("The symbol \"?\" cannot be used as a unary operator"),
                BinaryOp::Default => Some("The symbol \":\" cannot be used as a unary operator"),
                BinaryOp::ColonEqual if !matches!(**lhs, AstNode::Variable(_)) => {
                    Some("The left side of := must be a variable name (start with $)")
                }
                _ => None,
            });
        }
    });
    found
}

/// Whether `ast` reads `$states.errorOutput`, which only catchers have.
pub(crate) fn reads_error_output(ast: &AstNode) -> bool {
    let mut found = false;
    visit(ast, &mut |node| {
        if let AstNode::Path { steps } = node {
            let mut steps = steps.iter().map(|step| &step.node);
            found |= matches!(steps.next(), Some(AstNode::Variable(name)) if name == "states")
                && matches!(steps.next(), Some(AstNode::Name(name)) if name == "errorOutput");
        }
    });
    found
}

fn report(name: &str, found: &mut Vec<String>) {
    if !found.iter().any(|known| known == name) {
        found.push(name.to_owned());
    }
}

/// `inside` says whether a context item exists where `node` stands.
fn walk(node: &AstNode, inside: bool, found: &mut Vec<String>) {
    let mut all = |nodes: &[AstNode], inside: bool| {
        for node in nodes {
            walk(node, inside, found);
        }
    };
    match node {
        AstNode::Name(name) if !inside => report(name, found),
        AstNode::ParentVariable(_) => report("$$", found),
        AstNode::Variable(name) if name.is_empty() && !inside => report("$", found),
        AstNode::Path { steps } => {
            for (index, step) in steps.iter().enumerate() {
                walk(&step.node, inside || index > 0, found);
                for stage in &step.stages {
                    if let jsonata_core::ast::Stage::Filter(filter) = stage {
                        walk(filter, true, found);
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            walk(lhs, inside, found);
            walk(rhs, inside, found);
        }
        AstNode::Unary { operand, .. } => walk(operand, inside, found),
        AstNode::Function { args, .. } => all(args, inside),
        AstNode::Call { procedure, args } => {
            all(args, inside);
            walk(procedure, inside, found);
        }
        AstNode::Lambda { body, .. } => {
            // Only outside of functions is it certain that `$` is nothing.
            let known = found.iter().any(|name| name == "$");
            walk(body, inside, found);
            found.retain(|name| known || name != "$");
        }
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
            all(items, inside);
        }
        AstNode::Object(pairs) => {
            for (key, value) in pairs {
                walk(key, inside, found);
                walk(value, inside, found);
            }
        }
        AstNode::ObjectTransform { input, pattern } => {
            walk(input, inside, found);
            for (key, value) in pattern {
                walk(key, true, found);
                walk(value, true, found);
            }
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            walk(condition, inside, found);
            walk(then_branch, inside, found);
            if let Some(branch) = else_branch {
                walk(branch, inside, found);
            }
        }
        AstNode::FunctionApplication(inner) => walk(inner, true, found),
        AstNode::Sort { input, terms } => {
            walk(input, inside, found);
            for (term, _) in terms {
                walk(term, true, found);
            }
        }
        AstNode::Transform { location, update, delete } => {
            walk(location, true, found);
            walk(update, true, found);
            if let Some(delete) = delete {
                walk(delete, true, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> AstNode {
        jsonata_core::parser::parse(source).unwrap()
    }

    fn names(source: &str) -> Vec<String> {
        top_level_references(&parse(source))
    }

    #[test]
    fn later_operators_and_errors_out_of_place() {
        assert!(refused_operator(&parse("1 + ($x ?? 2)")).is_some());
        assert!(refused_operator(&parse("$x ?: 2")).is_some());
        assert!(refused_operator(&parse("1 := 2")).is_some());
        assert!(refused_operator(&parse("($x := 2; $x ? 1 : 3)")).is_none());
        assert!(reads_error_output(&parse("[$states.errorOutput.Cause]")));
        assert!(!reads_error_output(&parse("$states.input.errorOutput")));
    }

    #[test]
    fn names_need_a_context() {
        assert_eq!(names("phone.number"), ["phone"]);
        assert_eq!(names("$states.input.a[b = 1].{'x': c}"), Vec::<String>::new());
        assert_eq!(names("$map($x, function($v){ $v.a })"), Vec::<String>::new());
        assert_eq!(names("$x ~> |a|{'b': c}|"), Vec::<String>::new());
        assert_eq!(names("$sum(price) + 1"), ["price"]);
        assert_eq!(names("$x^(>a)"), Vec::<String>::new());
        assert_eq!(names("$.a & $map($x, function() { $ })"), ["$"]);
    }
}
