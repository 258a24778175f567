//! `pactctl`: the PACT command line tool, with the local stack inside.

// First: it has the `println!` and `print!` of this program.
#[macro_use]
mod term;

mod cli;
mod client;
mod commands;
mod cost;
mod credentials;
mod data;
mod disk;
mod document;
mod failure;
#[cfg(test)]
mod forms;
mod function;
mod hints;
mod repository;
mod run;
mod runtime;
mod stack;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

fn main() -> ExitCode {
    let program = cli::Cli::command();
    let given = program.clone().try_get_matches();
    let read = given.and_then(|matches| Ok((cli::Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match read {
        Ok(read) => read,
        Err(error) => return said(&error),
    };
    // A function of the local stack is this program again; it has its own logs and its own end.
    if let cli::Command::Function { name } = &cli.command {
        return function::main(name);
    }
    if let cli::Command::Reap = &cli.command {
        return function::reap();
    }
    if let cli::Command::Proxy { folder } = cli.command {
        return function::proxy(folder);
    }
    if let cli::Command::Evaluate = &cli.command {
        return local_step_functions::evaluator_main();
    }
    if let cli::Command::Sandbox { arguments } = cli.command {
        return local_codebuild::sandbox::main(arguments.into_iter());
    }
    if let cli::Command::Apart { arguments } = cli.command {
        return pact_processes::apart::main(arguments);
    }
    term::init(cli.verbose);
    hints::keep(&program, &matches);
    match commands::dispatch(cli) {
        Ok(failure::Exit::Success) if term::lost() => failure::Exit::Internal.into(),
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report();
            failure.exit.into()
        }
    }
}

/// Says what the command line lacks, or the help that was asked for.
fn said(error: &clap::Error) -> ExitCode {
    term::colours();
    let (text, is_error) = (error.render(), error.use_stderr());
    let colours = if is_error { term::colours_of_errors() } else { console::colors_enabled() };
    let text = if colours { text.ansi().to_string() } else { text.to_string() };
    if is_error {
        term::note(text.trim_end());
        return failure::Exit::Usage.into();
    }
    term::print(&text);
    if term::lost() { failure::Exit::Internal.into() } else { failure::Exit::Success.into() }
}
