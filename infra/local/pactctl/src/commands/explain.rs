//! `pactctl explain`: what a code means, and what to do about it.

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use console::style;
use pact_contract::explain::{Explanation, Kind};

use crate::{
    document,
    failure::{Exit, Failure},
};

/// Every code that a run can show: those of the contract, and the rules that an agent has as data.
fn all() -> Result<Vec<Explanation>, Failure> {
    let mut all = pact_contract::catalogue::all();
    all.extend(pact_security_agent::explanations().map_err(Failure::internal)?);
    Ok(all)
}

/// Most names that are offered for one that is mistyped.
const MAX_NEAR: usize = 3;
const TITLES: [(Kind, &str); 4] = [
    (Kind::Finding, "Findings"),
    (Kind::Error, "Errors of agents"),
    (Kind::Ending, "Errors of executions"),
    (Kind::Problem, "Refusals of the HTTP API"),
];

/// Explains a code, or lists all of them.
pub(crate) fn explain(code: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let all = all()?;
    let Some(code) = code else {
        if json {
            document::print(&all)?;
            return Ok(Exit::Success);
        }
        for (kind, title) in TITLES {
            println!("{}", style(title).bold());
            for one in all.iter().filter(|one| one.kind == kind) {
                println!("  {:<36} {}", one.code, one.sentence);
            }
        }
        return Ok(Exit::Success);
    };
    let one = find(&all, code)?;
    if json {
        document::print(one)?;
    } else {
        println!("{}", style(&one.code).bold());
        println!("{}", one.sentence);
        println!("{} {}", style("What to do:").dim(), one.remedy);
    }
    Ok(Exit::Success)
}

/// The code, however its letters are written.
fn find<'a>(all: &'a [Explanation], code: &str) -> Result<&'a Explanation, Failure> {
    if let Some(one) = all.iter().find(|one| one.code.eq_ignore_ascii_case(code)) {
        return Ok(one);
    }
    if let Some(one) = pact_contract::catalogue::of_others(code) {
        return Ok(one);
    }
    let codes: Vec<String> = all.iter().map(|one| one.code.to_lowercase()).collect();
    let near = pact_config::near(code, codes.iter().map(String::as_str));
    let near: Vec<&str> = near
        .into_iter()
        .filter_map(|near| all.iter().find(|one| one.code.eq_ignore_ascii_case(near)))
        .map(|one| &*one.code)
        .take(MAX_NEAR)
        .collect();
    let unknown = Failure::usage(format!("there is no code {code:?}"));
    Err(match &near[..] {
        [] => unknown.remedy("`pactctl explain` lists them"),
        near => unknown.remedy(format!("did you mean {}?", near.join(" or "))),
    })
}

/// Any text on the command line; the codes for those who complete it.
#[derive(Clone)]
pub(crate) struct Code;

impl TypedValueParser for Code {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let all = all().ok()?;
        Some(Box::new(all.into_iter().map(|one| PossibleValue::new(one.code.into_owned()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_and_a_mistyped_one_is_guessed() {
        let all = all().expect("the tables are valid");
        for (asked, code) in [
            ("syntax-error", "syntax-error"),
            ("err_timeout", "ERR_TIMEOUT"),
            ("secret-github-token", "secret-github-token"),
            ("actions-unpinned", "actions-unpinned"),
            ("sarif-bandit-B602", "sarif-…"),
            ("own-no-print", "own-…"),
        ] {
            assert_eq!(find(&all, asked).expect("is known").code, code);
        }
        for (asked, hint) in [
            ("syntax-eror", "did you mean syntax-error?"),
            ("ERR_TIMOUT", "did you mean ERR_TIMEOUT?"),
            ("nothing-of-the-kind-at-all", "`pactctl explain` lists them"),
        ] {
            let failure = find(&all, asked).expect_err("is unknown");
            assert!(format!("{failure:?}").contains(hint), "{asked}: {failure:?}");
        }
    }

    #[test]
    fn the_codes_are_completed() {
        let mut script = Vec::new();
        let mut command = <crate::cli::Cli as clap::CommandFactory>::command();
        clap_complete::generate(clap_complete::Shell::Bash, &mut command, "pactctl", &mut script);
        let script = String::from_utf8(script).expect("text");
        for code in ["syntax-error", "ERR_TIMEOUT", "secret-github-token"] {
            assert!(script.contains(code), "{code}");
        }
    }
}
