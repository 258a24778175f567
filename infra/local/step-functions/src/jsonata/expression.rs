//! Expressions as they are written.

use jsonata_core::ast::AstNode;

/// A parsed expression: what stands between `{%` and `%}`.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    /// The text, trimmed, as causes quote it.
    pub(crate) source: String,
    pub(super) ast: AstNode,
    /// The variables that the text mentions, so that only those are bound.
    pub(super) variables: Vec<String>,
    /// The members of `$states` that the text mentions; none when it uses `$states` as a whole.
    pub(super) members: Option<Vec<String>>,
}

impl Expression {
    /// Parses `source`; the error is the parser's message with its code.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let source = source.trim();
        let ast = jsonata_core::parser::parse(source).map_err(|error| error.to_string())?;
        let (variables, members) = mentions(source);
        Ok(Self { source: source.to_owned(), ast, variables, members })
    }

    /// The syntax tree.
    pub(crate) fn ast(&self) -> &AstNode {
        &self.ast
    }
}

/// The variables in `source`, and which members of `$states` it reads. Text in strings counts
/// too: binding too much is harmless.
fn mentions(source: &str) -> (Vec<String>, Option<Vec<String>>) {
    let mut variables = Vec::new();
    let mut members = Some(Vec::new());
    for piece in source.split('$').skip(1) {
        let end = piece.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        if name == "states" {
            let member = rest.strip_prefix('.').map(|rest| {
                let end =
                    rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                rest.split_at(end).0.to_owned()
            });
            match (member, &mut members) {
                (Some(member), Some(members)) if !member.is_empty() => members.push(member),
                _ => members = None,
            }
        }
        if !name.is_empty() && !variables.iter().any(|known| known == name) {
            variables.push(name.to_owned());
        }
    }
    (variables, members)
}
