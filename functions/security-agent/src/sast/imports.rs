//! What names that are brought in from other modules stand for.

use super::{languages::Language, lex::Kind, walk::Walk};

impl Walk<'_, '_> {
    /// `import a as b`, `from a import b as c`, `const { b } = require('a')`, `import b from 'a'`.
    pub(super) fn import(&mut self, index: usize, word: &str) {
        let end = {
            let mut at = index + 1;
            while at < index + 60
                && self.flow.tokens.all.get(at).is_some_and(|t| {
                    let before = self.flow.tokens.all.get(at - 1).map_or(0, |b| b.end);
                    let open = self.flow.is_sign(index, b'(');
                    open || !self.flow.text.get(before..t.start).unwrap_or_default().contains('\n')
                        || self.flow.is_sign(at - 1, b',')
                        || self.flow.is_sign(at - 1, b'{')
                        || self.flow.is_sign(at - 1, b'(')
                        || self.flow.is_sign(at, b'}')
                        || self.flow.is_sign(at, b')')
                })
                && !self.flow.is_sign(at, b';')
            {
                at += 1;
            }
            at
        };
        match (self.flow.language, word) {
            (Language::Python, "import")
                if index == 0
                    || self.flow.word(index.wrapping_sub(2)) != Some("from")
                        && !self.is_from(index) =>
            {
                for piece in self.flow.split(index + 1..end, b',') {
                    let (next, module) = self.flow.path(piece.start);
                    if self.flow.word(next) == Some("as")
                        && let Some(name) = self.flow.word(next + 1)
                    {
                        self.imports.insert(name, module.into_owned());
                    }
                }
            }
            (Language::Python, "from") => {
                let (next, module) = self.flow.path(index + 1);
                if self.flow.word(next) != Some("import") {
                    return;
                }
                let range = if self.flow.is_sign(next + 1, b'(') {
                    next + 2..self.flow.past(next + 1).saturating_sub(1)
                } else {
                    next + 1..end
                };
                for piece in self.flow.split(range, b',') {
                    let Some(original) = self.flow.word(piece.start) else { continue };
                    let name = if self.flow.word(piece.start + 1) == Some("as") {
                        self.flow.word(piece.start + 2)
                    } else {
                        Some(original)
                    };
                    if let Some(name) = name {
                        self.imports.insert(name, format!("{module}.{original}"));
                    }
                }
            }
            (Language::JavaScript, "require") => {
                let Some(module) = self.module_in_brackets(index + 1) else { return };
                // Backwards: `name =` or `{ a, b: c } =`.
                if index < 2 || !self.flow.is_sign(index - 1, b'=') {
                    return;
                }
                if let Some(name) = self.flow.word(index - 2) {
                    self.imports.insert(name, module);
                } else if self.flow.is_sign(index - 2, b'}') {
                    self.destructured(index - 2, &module);
                }
            }
            (Language::JavaScript, "from") => {
                let Some(module) = self
                    .flow
                    .tokens
                    .all
                    .get(index + 1)
                    .filter(|t| matches!(t.kind, Kind::Text { .. }))
                    .map(|t| self.flow.constant(t))
                else {
                    return;
                };
                let module = clean_module(&module);
                if index > 0 && self.flow.is_sign(index - 1, b'}') {
                    self.destructured(index - 1, &module);
                } else if let Some(name) = index.checked_sub(1).and_then(|i| self.flow.word(i)) {
                    self.imports.insert(name, module);
                }
            }
            _ => {}
        }
    }

    fn is_from(&self, index: usize) -> bool {
        // What the statement before brought in is its own affair.
        let mut before = (1..8).map(|back| index.checked_sub(back).and_then(|i| self.flow.word(i)));
        before.find(|word| matches!(word, Some("from" | "import"))) == Some(Some("from"))
    }

    pub(super) fn module_in_brackets(&self, open: usize) -> Option<String> {
        let token = self.flow.tokens.all.get(open + 1)?;
        (self.flow.is_sign(open, b'(') && matches!(token.kind, Kind::Text { .. }))
            .then(|| clean_module(&self.flow.constant(token)))
    }

    /// `{ a, b: c, d as e }` that ends at `close`.
    fn destructured(&mut self, close: usize, module: &str) {
        let mut open = close;
        while open > 0 && close - open < 60 && !self.flow.is_sign(open, b'{') {
            open -= 1;
        }
        for piece in self.flow.split(open + 1..close, b',') {
            let Some(original) = self.flow.word(piece.start) else { continue };
            let renamed = self.flow.is_sign(piece.start + 1, b':')
                || self.flow.word(piece.start + 1) == Some("as");
            let name = if renamed { self.flow.word(piece.start + 2) } else { Some(original) };
            if let Some(name) = name {
                self.imports.insert(name, format!("{module}.{original}"));
            }
        }
    }
}

fn clean_module(module: &str) -> String {
    module.strip_prefix("node:").unwrap_or(module).replace('/', ".")
}
