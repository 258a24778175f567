//! Printed commands that can be pasted: they find the data that the command at hand works on.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use clap::{ArgMatches, Command};
use pact_contract::shell::word;

/// What hints say of the data; none before the command line was read.
static OPTIONS: OnceLock<Options> = OnceLock::new();

struct Options {
    /// The option of the command at hand that others need too, with a space before it; empty where they
    /// find the data by themselves.
    option: String,
    /// The commands that work on a data folder, as they are written: `pactctl runs list`.
    takers: Vec<String>,
}

/// Keeps what the command line says of the data, and which of the program's commands take that.
pub(crate) fn keep(program: &Command, matches: &ArgMatches) {
    let mut leaf = matches;
    while let Some((_, below)) = leaf.subcommand() {
        leaf = below;
    }
    let data = leaf.try_get_one::<PathBuf>("data").ok().flatten();
    let option = data.map(|data| data_option(data)).unwrap_or_default();
    if OPTIONS.set(Options { option, takers: takers(program, "") }).is_err() {
        tracing::debug!("the options are kept already");
    }
}

/// The commands below this one that have the option.
fn takers(command: &Command, above: &str) -> Vec<String> {
    let name = format!("{above}{}", command.get_name());
    let above = format!("{name} ");
    let own = command.get_arguments().any(|argument| argument.get_id() == "data");
    let below = command.get_subcommands().flat_map(|below| takers(below, &above));
    own.then_some(name).into_iter().chain(below).collect()
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
    match OPTIONS.get() {
        Some(options) => insert(text, options),
        None => text.to_owned(),
    }
}

fn insert(text: &str, Options { option, takers }: &Options) -> String {
    if option.is_empty() || !text.contains("`pactctl ") {
        return text.to_owned();
    }
    let takes = |part: &str| {
        let is = |taker: &String| {
            part.strip_prefix(taker.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        takers.iter().any(is) && !part.contains("--data")
    };
    let parts = text.split('`').enumerate().map(|(nth, part)| {
        if nth % 2 == 1 && takes(part) { format!("{part}{option}") } else { part.to_owned() }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

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
            let takers = takers(&crate::cli::Cli::command(), "");
            assert!(takers.contains(&"pactctl runs list".to_owned()), "{takers:?}");
            let options = Options { option: " --data 'a b'".to_owned(), takers };
            assert_eq!(insert(text, &options), wanted);
            assert_eq!(insert(text, &Options { option: String::new(), ..options }), text);
        }
    }

    #[test]
    fn the_option_can_be_pasted_into_a_shell() {
        assert_eq!(data_option(Path::new(".pact")), "");
        assert_eq!(data_option(Path::new("/tmp/a-b")), " --data /tmp/a-b");
        assert_eq!(data_option(Path::new("my data/it's")), r" --data 'my data/it'\''s'");
    }
}
