//! `pactctl advisories`: the local database of advisories.

use crate::{
    cli::AdvisoriesCommand,
    failure::{Exit, Failure},
};

/// Carries out the command.
pub(crate) fn advisories(command: AdvisoriesCommand) -> Result<Exit, Failure> {
    let AdvisoriesCommand::Update { source, output } = command;
    let made = pact_security_agent::compile_advisories(&source, &output).map_err(Failure::usage)?;
    println!("{} has {} advisories of {} packages", output.display(), made.records, made.packages);
    for (count, what) in [
        (made.withdrawn, "were withdrawn and are left out"),
        (made.foreign, "are of ecosystems whose lock files are not read, and are left out"),
    ] {
        if count > 0 {
            println!("{count} {what}");
        }
    }
    if made.unreadable > 0 {
        println!(
            "{} files are no OSV records: checks by this index will say so and be incomplete; -v \
             names them",
            made.unreadable
        );
    }
    println!("set PACT_ADVISORIES={} to use it", output.display());
    Ok(Exit::Success)
}
