//! The repository's own rules of static analysis.

use pact_contract::{Finding, Severity, codes};

use super::{Files, MAX_RULES, Others};
use crate::{
    sast::{Rules, own},
    scope::{Ledger, text},
};

impl Others {
    /// The rules of the commit and, where they are others, those of the base.
    pub(super) fn read_rules(&mut self, files: &Files, ledger: &mut Ledger) {
        let mut now = Vec::new();
        for (path, content) in &files.now {
            let fits = content.as_ref().filter(|content| content.len() as u64 <= MAX_RULES);
            let Some(content) = fits else {
                let why = format!("larger than {} KiB", MAX_RULES / 1024);
                self.unusable(path, None, &why, ledger);
                continue;
            };
            ledger.read(content.len() as u64);
            match own::parse(path, &text::decode(content).text) {
                Ok(rules) => now.extend(rules),
                Err(faults) => {
                    for fault in faults {
                        self.unusable(path, fault.line, &fault.message, ledger);
                    }
                }
            }
        }
        self.prepare(now, ledger);
        let same = |(path, content): &(&String, &Vec<u8>)| {
            files.now.get(*path).and_then(Option::as_ref) == Some(content)
        };
        let other = files.before.iter().filter(|file| !same(file));
        // What the base has and nobody can read was said by the commit that brought it.
        let before = other
            .filter(|(_, content)| content.len() as u64 <= MAX_RULES)
            .filter_map(|(path, content)| own::parse(path, &text::decode(content).text).ok());
        let before = before.flatten().collect();
        self.prepare(before, ledger);
    }

    fn prepare(&mut self, rules: Vec<own::OwnRule>, ledger: &mut Ledger) {
        if rules.is_empty() {
            return;
        }
        match Rules::own(rules.into_iter().map(own::OwnRule::of)) {
            Ok(rules) => self.rules.push(rules),
            Err(why) => self.unusable("security.rules", None, &why, ledger),
        }
    }

    fn unusable(&mut self, path: &str, line: Option<u32>, why: &str, ledger: &mut Ledger) {
        ledger.not_read(path, format!("its rules cannot be used: {why}"));
        self.findings.push(
            Finding::new(codes::OWN_RULES_UNREADABLE, Severity::Medium, why)
                .at(path, line, None)
                .remedy("`pactctl validate` names every fault of these files"),
        );
    }
}
