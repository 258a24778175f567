//! Printed commands that can be pasted: they find the data that the command at hand works on.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use clap::{ArgMatches, CommandFactory as _};
use pact_contract::shell::word;

use crate::cli::Cli;

/// The option of the command at hand that other commands need too, with a space before it; empty where
/// they find the data by themselves.
static OPTION: OnceLock<String> = OnceLock::new();

/// Keeps what the command line says of the data.
pub(crate) fn keep(matches: &ArgMatches) {
    let mut leaf = matches;
    while let Some((_, below)) = leaf.subcommand() {
        leaf = below;
    }
    let data = leaf.try_get_one::<PathBuf>("data").ok().flatten();
    if OPTION.set(data.map(|data| data_option(data)).unwrap_or_default()).is_err() {
        tracing::debug!("the options are kept already");
    }
}

/// ` --data DIR`, where it is needed to find the data again.
pub(crate) fn data_option(data: &Path) -> String {
    if data == Path::new(".pact") {
        return String::new();
    }
    format!(" --data {}", word(&data.display().to_string()))
}

/// The text with the option in each of its commands that takes it: what stands between backticks and
/// begins with `pactctl`.
pub(crate) fn with_options(text: &str) -> String {
    let option = OPTION.get().map(String::as_str).unwrap_or_default();
    insert(text, option)
}

fn insert(text: &str, option: &str) -> String {
    if option.is_empty() || !text.contains("`pactctl ") {
        return text.to_owned();
    }
    let parts = text.split('`').enumerate().map(|(nth, part)| {
        let is_command = nth % 2 == 1 && takes_data(part) && !part.contains("--data");
        if is_command { format!("{part}{option}") } else { part.to_owned() }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// Whether it is a command of this program that works on a data folder.
fn takes_data(text: &str) -> bool {
    let mut words = text.split_whitespace();
    if words.next() != Some("pactctl") {
        return false;
    }
    let root = Cli::command();
    let mut leaf = &root;
    for word in words {
        let Some(below) = leaf.find_subcommand(word) else { break };
        leaf = below;
    }
    leaf.get_arguments().any(|argument| argument.get_id() == "data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_a_text_carry_the_option_where_they_take_it() {
        for (text, wanted) in [
            ("`pactctl runs list` lists them", "`pactctl runs list --data 'a b'` lists them"),
            ("`pactctl explain CODE` says more", "`pactctl explain CODE` says more"),
            (
                "`pactctl up` or `pactctl tokens add OWNER --scope read`, not `git log`",
                "`pactctl up --data 'a b'` or `pactctl tokens add OWNER --scope read --data 'a b'`, not `git log`",
            ),
            ("`pactctl up --data x` goes on", "`pactctl up --data x` goes on"),
            ("a ` alone", "a ` alone"),
        ] {
            assert_eq!(insert(text, " --data 'a b'"), wanted);
            assert_eq!(insert(text, ""), text);
        }
    }

    #[test]
    fn the_option_can_be_pasted_into_a_shell() {
        assert_eq!(data_option(Path::new(".pact")), "");
        assert_eq!(data_option(Path::new("/tmp/a-b")), " --data /tmp/a-b");
        assert_eq!(data_option(Path::new("my data/it's")), r" --data 'my data/it'\''s'");
    }
}
