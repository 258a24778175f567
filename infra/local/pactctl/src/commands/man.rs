//! `pactctl man`: the help of every command as man pages.

use std::path::Path;

use clap::CommandFactory;

use crate::{
    cli::Cli,
    failure::{Context, Exit, Failure},
};

/// Carries out the command.
pub(crate) fn man(folder: &Path) -> Result<Exit, Failure> {
    std::fs::create_dir_all(folder).doing("make the folder for the man pages")?;
    clap_mangen::generate_to(Cli::command(), folder).doing("write the man pages")?;
    println!("{}", folder.join("pactctl.1").display());
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page_and_no_hidden_one_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let pages = folder.path().join("share/man1");
        for _ in 0..2 {
            man(&pages).expect("are written");
        }
        let page = |name: &str| std::fs::read_to_string(pages.join(name));
        let run = page("pactctl-run.1").expect("a page");
        assert!(run.contains("Push a commit through the whole pipeline"), "{run}");
        assert!(
            page("pactctl-runs-show.1").expect("of a command below another").contains("\\-\\-all")
        );
        let root = page("pactctl.1").expect("the first page");
        for hidden in Cli::command().get_subcommands().filter(|one| one.is_hide_set()) {
            let name = hidden.get_name();
            assert!(page(&format!("pactctl-{name}.1")).is_err(), "{name} has a page");
            assert!(!root.contains(&format!("pactctl\\-{name}(1)")), "{name} is named");
        }
    }
}
