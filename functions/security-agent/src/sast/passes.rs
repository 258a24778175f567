//! The walks over one file, each with what the one before has seen.

use std::collections::HashMap;

use super::{
    flow::Flow,
    handed::{Handed, Seen},
    languages::Language,
    lex::Tokens,
    prepared::{Match, Prepared},
    walk::Walk,
};

/// Most times that a file is walked.
const MAX_WALKS: usize = 4;

impl Prepared {
    /// The rules about calls and assignments. A file in which something dangerous, or constant, is
    /// handed to a function of its own is walked again with what is known of it.
    pub(super) fn walk(
        &self,
        text: &str,
        tokens: &Tokens,
        language: Language,
        out: &mut Vec<Match>,
    ) {
        let before = out.len();
        let flow = || Flow::new(text, tokens, language, &self.origins);
        let mut handed = Handed::of(&flow());
        for pass in 0..MAX_WALKS {
            out.truncate(before);
            let mut flow = flow();
            flow.gives = handed.gives.clone();
            let walk = Walk {
                prepared: self,
                flow,
                imports: HashMap::new(),
                matches: out,
                handed: &handed,
                seen: Seen::default(),
                open: Vec::new(),
                assigned: false,
            };
            let seen = walk.run();
            if !handed.learn(seen, pass == 0) {
                break;
            }
        }
    }
}
