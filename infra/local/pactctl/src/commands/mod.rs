//! One function for each command.

mod advisories;
mod agents;
mod approve;
mod cost;
mod detect;
mod doctor;
mod down;
mod env;
mod environments;
mod explain;
mod files;
mod gate;
mod handler;
mod incidents;
mod init;
mod listed;
mod logs;
mod man;
mod reader;
pub(crate) mod repos;
mod rollback;
mod rotate;
mod runs;
mod sbom;
mod secrets;
mod sign_in;
mod tested;
mod tokens;
mod up;
mod validate;
mod watch;

use clap::CommandFactory;

pub(crate) use explain::Code;

use crate::{
    cli::{Cli, Command},
    failure::{Exit, Failure},
    run,
};

/// Carries out the command.
pub(crate) fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Up(args) => up::up(&args),
        Command::SignIn(args) => sign_in::sign_in(&args),
        Command::Approve(args) => approve::approve(&args),
        Command::Rollback(args) => rollback::rollback(&args),
        Command::Down(args) => down::down(&args),
        Command::Env(args) => env::env(&args),
        Command::Logs(args) => logs::logs(&args),
        Command::Runs(command) => runs::runs(command),
        Command::Environments(command) => environments::environments(command),
        Command::Gate(command) => gate::gate(command),
        Command::Agents { json } => agents::agents(json),
        Command::Explain { code, json } => explain::explain(code.as_deref(), json),
        Command::Detect { file, json } => detect::detect(&file, json),
        Command::Init { path, print } => init::init(&path, print),
        Command::Doctor { path, json, data } => doctor::doctor(&path, &data.data, json),
        Command::Validate { path, json, schema } => validate::validate(&path, json, schema),
        Command::Repos(command) => repos::repos(command),
        Command::Incidents(command) => incidents::incidents(command),
        Command::Tokens(command) => tokens::tokens(command),
        Command::Secrets(command) => secrets::secrets(command),
        Command::Advisories(command) => advisories::advisories(command),
        Command::Sbom { path, output } => sbom::sbom(&path, output.as_deref()),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "pactctl", &mut std::io::stdout());
            Ok(Exit::Success)
        }
        Command::Man { folder } => man::man(&folder),
        Command::Function { .. }
        | Command::Reap
        | Command::Proxy { .. }
        | Command::Evaluate
        | Command::Apart { .. }
        | Command::Sandbox { .. } => Ok(Exit::Usage),
    }
}
