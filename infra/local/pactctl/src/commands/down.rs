//! `pactctl down`: stops what releases are served by.

use pact_deploy_agent::targets::services;

use crate::{
    cli::DataArgs,
    failure::{Context, Exit, Failure},
    stack,
};

/// Stops every service below the data folder.
pub(crate) fn down(args: &DataArgs) -> Result<Exit, Failure> {
    let root = args
        .data
        .canonicalize()
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.data.display())))?;
    let stopped = crate::runtime::start()?.block_on(stack::stop_services(&root))?;
    for service in &stopped {
        println!("stopped {} (process {})", service.release, service.pid);
    }
    // Versions before started services by themselves.
    let releases = root.join("deployments");
    let known = services::running(&releases);
    let before = services::stop_all(&releases).doing("stop the services")?;
    for service in known {
        println!("stopped {} (process {})", service.release, service.pid);
    }
    if stopped.is_empty() && before == 0 {
        println!("nothing is running");
    }
    Ok(Exit::Success)
}
