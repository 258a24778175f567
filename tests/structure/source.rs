//! What a source file says of others: the modules that it declares, the names that it imports, the
//! paths that it goes. Read from its tokens; what is compiled for tests only is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's name from the root of its crate, part by part.
pub(crate) type Module = Vec<String>;

/// What the tokens of one module say.
#[derive(Default)]
pub(crate) struct Said {
    /// Modules that are declared here and are files of their own.
    pub(crate) files: Vec<String>,
    /// Modules that are written out here, by the module that they are.
    pub(crate) inline: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
    /// Names that imports bring here, with the path that each stands for.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// Every path that is gone, with the module in which it is.
    pub(crate) paths: BTreeSet<(Module, Vec<String>)>,
    /// Whether a `Result` holds nothing but a `Result`.
    pub(crate) nested_result: bool,
}

/// Reads a file that is the module `module`.
pub(crate) fn read(text: &str, module: &[String]) -> Said {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("not Rust: {error}"));
    let mut said = Said::default();
    let imports = scan(&tokens.into_iter().collect::<Vec<_>>(), module, &mut said);
    said.imports = imports;
    said
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

/// Reads tokens of the module `module` and returns what they import into it.
fn scan(tokens: &[TokenTree], module: &[String], said: &mut Said) -> BTreeMap<String, Vec<String>> {
    let mut imports = BTreeMap::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens.get(at);
        if is(token, '#') {
            let bang = usize::from(is(tokens.get(at + 1), '!'));
            if let Some(attribute) = group(tokens.get(at + 1 + bang), Delimiter::Bracket) {
                at += 2 + bang;
                if is_test_only(&attribute) {
                    at = after_item(tokens, at);
                }
                continue;
            }
        }
        let word = ident(token);
        match word.as_deref() {
            // `pub(crate)` and `pub(in …)` are no paths.
            Some("pub") if group(tokens.get(at + 1), Delimiter::Parenthesis).is_some() => at += 2,
            // `use<…>` says what a type captures.
            Some("use") if !is(tokens.get(at + 1), '<') => {
                let end =
                    (at..tokens.len()).find(|i| is(tokens.get(*i), ';')).unwrap_or(tokens.len());
                import(&tokens[at + 1..end], &[], module, &mut imports, said);
                at = end + 1;
            }
            Some("mod") if ident(tokens.get(at + 1)).is_some() => {
                let name = ident(tokens.get(at + 1)).unwrap_or_default();
                if is(tokens.get(at + 2), ';') {
                    said.files.push(name);
                } else if let Some(body) = group(tokens.get(at + 2), Delimiter::Brace) {
                    let inner: Module = module.iter().cloned().chain([name]).collect();
                    let body: Vec<_> = body.into_iter().collect();
                    let names = scan(&body, &inner, said);
                    said.inline.insert(inner, names);
                }
                at += 3;
            }
            Some(_) => at = path(tokens, at, module, said),
            None => {
                if let Some(TokenTree::Group(inside)) = token {
                    let inside: Vec<_> = inside.stream().into_iter().collect();
                    imports.extend(scan(&inside, module, said));
                }
                at += 1;
            }
        }
    }
    imports
}

/// `cfg(test)`, or `test` itself.
fn is_test_only(attribute: &TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "cfg(test)" || text == "test" || text == "tokio::test"
}

/// The place behind the item that begins at `at`, its further attributes included.
fn after_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while at < tokens.len() {
        if is(tokens.get(at), ';') || is(tokens.get(at), ',') {
            return at + 1;
        }
        if group(tokens.get(at), Delimiter::Brace).is_some() {
            return at + 1;
        }
        at += 1;
    }
    at
}

/// A path that begins at `at`, where one does; returns the place behind it.
fn path(tokens: &[TokenTree], at: usize, module: &[String], said: &mut Said) -> usize {
    let begins = at < 2 || !(is(tokens.get(at - 1), ':') && is(tokens.get(at - 2), ':'));
    let mut parts = vec![ident(tokens.get(at)).unwrap_or_default()];
    let mut next = at + 1;
    while is(tokens.get(next), ':') && is(tokens.get(next + 1), ':') {
        let Some(part) = ident(tokens.get(next + 2)) else { break };
        parts.push(part);
        next += 3;
    }
    if parts.last().is_some_and(|last| last == "Result") && is(tokens.get(next), '<') {
        let mut inner = next + 1;
        while is(tokens.get(inner + 1), ':') && is(tokens.get(inner + 2), ':') {
            inner += 3;
        }
        let also = ident(tokens.get(inner)).is_some_and(|name| name == "Result");
        said.nested_result |= also && is(tokens.get(inner + 1), '<');
    }
    if begins && parts.len() > 1 {
        said.paths.insert((module.to_vec(), parts));
    }
    next
}

/// The tree of one `use`: every name with its path.
fn import(
    tokens: &[TokenTree],
    before: &[String],
    module: &[String],
    imports: &mut BTreeMap<String, Vec<String>>,
    said: &mut Said,
) {
    for branch in tokens.split(|token| is(Some(token), ',')) {
        let mut path = before.to_vec();
        let mut at = 0;
        while let Some(token) = branch.get(at) {
            if let Some(part) = ident(Some(token)) {
                path.push(part);
            } else if let Some(inside) = group(Some(token), Delimiter::Brace) {
                let inside: Vec<_> = inside.into_iter().collect();
                import(&inside, &path, module, imports, said);
                path.clear();
                break;
            } else if is(Some(token), '*') {
                path.push("*".to_owned());
            }
            if ident(branch.get(at + 1)).is_some_and(|word| word == "as") {
                let name = ident(branch.get(at + 2)).unwrap_or_default();
                bind(name, path.clone(), module, imports, said);
                path.clear();
                break;
            }
            at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(name) = path.last().cloned() {
            bind(name, path, module, imports, said);
        }
    }
}

fn bind(
    name: String,
    path: Vec<String>,
    module: &[String],
    imports: &mut BTreeMap<String, Vec<String>>,
    said: &mut Said,
) {
    said.paths.insert((module.to_vec(), path.clone()));
    if name != "*" && name != "_" {
        imports.insert(name, path);
    }
}
