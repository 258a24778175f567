//! `pactctl advisories`: the local database of advisories.

use crate::{
    cli::AdvisoriesCommand,
    failure::{Exit, Failure},
};

/// Carries out the command.
pub(crate) fn advisories(command: AdvisoriesCommand) -> Result<Exit, Failure> {
    let AdvisoriesCommand::Update { source, output } = command;
    let made = pact_security_agent::compile_advisories(&source, &output).map_err(Failure::usage)?;
    println!(
        "{} has {} advisories of {} packages ({} withdrawn ones are left out)",
        output.display(),
        made.records,
        made.packages,
        made.withdrawn
    );
    if made.unreadable > 0 {
        println!("{} files are no OSV records and were passed over", made.unreadable);
    }
    println!("set PACT_ADVISORIES={} to use it", output.display());
    Ok(Exit::Success)
}
