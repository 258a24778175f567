//! `pactctl down`: stops what releases are served by.

use pact_deploy_agent::targets::services;

use crate::{
    cli::DataArgs,
    failure::{Context, Exit, Failure},
};

/// Stops every service below the data folder.
pub(crate) fn down(args: &DataArgs) -> Result<Exit, Failure> {
    let root = args
        .data
        .canonicalize()
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.data.display())))?;
    let root = root.join("deployments");
    let known = services::running(&root);
    let stopped = services::stop_all(&root).doing("stop the services")?;
    for service in known {
        println!("stopped {} (process {})", service.release, service.pid);
    }
    if stopped == 0 {
        println!("nothing is running");
    }
    Ok(Exit::Success)
}
