//! `pactctl down`: stops what releases are served by.

use pact_deploy_agent::services;

use crate::{
    cli::DataArgs,
    failure::{Context, Exit, Failure},
    term,
};

/// Stops every service below the data folder.
pub(crate) fn down(args: &DataArgs) -> Result<Exit, Failure> {
    let root = args.data.canonicalize().map_err(|error| {
        Failure::usage(format!("cannot read {}: {error}", args.data.display()))
    })?;
    let root = root.join("deployments");
    let running = services::running(&root);
    if running.is_empty() {
        println!("nothing is running");
        return Ok(Exit::Success);
    }
    services::stop_all(&root).doing("stop the services")?;
    for service in running {
        println!("stopped {} (process {})", term::plain(&service.release), service.pid);
    }
    Ok(Exit::Success)
}
