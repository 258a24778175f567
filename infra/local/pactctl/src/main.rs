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
mod failure;
#[cfg(test)]
mod forms;
mod function;
mod repository;
mod run;
mod runtime;
mod stack;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
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
    match commands::dispatch(cli) {
        Ok(failure::Exit::Success) if term::lost() => failure::Exit::Internal.into(),
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report();
            failure.exit.into()
        }
    }
}
