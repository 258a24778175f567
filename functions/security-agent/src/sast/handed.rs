//! What the calls of a file hand to its own functions, and what these give back: one walk sees it,
//! the next one knows it.

use std::collections::{HashMap, HashSet};

use super::flow::{Flow, Form, Value};

/// Most functions of a file that are followed.
const MAX_FUNCTIONS: usize = 2_000;

/// What is known of the functions of a file.
#[derive(Default)]
pub(super) struct Handed<'t> {
    /// By name: what each parameter is in every call together. A name that is defined twice is
    /// not followed.
    functions: HashMap<&'t str, Option<Vec<Value>>>,
    /// Those that give back what a request brings.
    pub(super) gives: HashSet<&'t str>,
}

/// What a walk sees.
#[derive(Default)]
pub(super) struct Seen<'t> {
    calls: HashMap<String, Vec<Value>>,
    gives: HashSet<&'t str>,
    function: Option<&'t str>,
}

impl<'t> Handed<'t> {
    /// The functions that a file has.
    pub(super) fn of(flow: &Flow<'t>) -> Self {
        let mut functions = HashMap::new();
        let mut twice = HashSet::new();
        for index in 0..flow.tokens.all.len() {
            if !flow.word(index).is_some_and(is_definition) {
                continue;
            }
            // Go has the receiver before the name.
            let at = if flow.is_sign(index + 1, b'(') { flow.past(index + 1) } else { index + 1 };
            if let Some(name) = flow.word(at).filter(|_| flow.is_sign(at + 1, b'('))
                && functions.len() < MAX_FUNCTIONS
                && functions.insert(name, None).is_some()
            {
                twice.insert(name);
            }
        }
        functions.retain(|name, _| !twice.contains(name));
        Self { functions, gives: HashSet::new() }
    }

    pub(super) fn is_of_file(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// What a function is handed.
    pub(super) fn to(&self, name: &str) -> Option<&[Value]> {
        self.functions.get(name)?.as_deref()
    }

    /// Takes over what a walk has seen; whether there is anything that the walk did not know.
    pub(super) fn learn(&mut self, seen: Seen<'t>, first: bool) -> bool {
        let mut more = false;
        for (name, mut values) in seen.calls {
            let Some((name, known)) = self.functions.get_key_value(name.as_str()) else { continue };
            // Whoever uses the package may call what is public with something else.
            let public = name.starts_with(|c: char| c.is_uppercase());
            for value in &mut values {
                if public && value.form == Form::Constant {
                    value.form = Form::Unknown;
                }
            }
            let tells = |v: &Value| v.tainted || v.form == Form::Constant;
            if known.as_ref() != Some(&values) && values.iter().any(tells) {
                let name = *name;
                self.functions.insert(name, Some(values));
                more = true;
            }
        }
        // What is given back because it was handed over is no function's own.
        if first && !seen.gives.is_empty() {
            self.gives = seen.gives;
            more = true;
        }
        more
    }
}

impl<'t> Seen<'t> {
    pub(super) fn begins(&mut self, name: &'t str) {
        self.function = Some(name);
    }

    pub(super) fn in_function(&self) -> bool {
        self.function.is_some()
    }

    pub(super) fn gives_back(&mut self) {
        self.gives.extend(self.function);
    }

    /// One call: a parameter is constant where it is in every call, and tainted where it is in one.
    pub(super) fn called(&mut self, name: &str, values: Vec<Value>) {
        match self.calls.get_mut(name) {
            Some(before) => {
                for (number, value) in values.into_iter().enumerate() {
                    match before.get_mut(number) {
                        Some(known) => *known = std::mem::take(known).or(value),
                        None => before.push(value),
                    }
                }
            }
            None => {
                self.calls.insert(name.to_owned(), values);
            }
        }
    }
}

/// A word behind which what is defined is named.
pub(super) fn is_definition(word: &str) -> bool {
    matches!(word, "def" | "function" | "func" | "fn" | "fun" | "class")
}
