//! This program as a process of the local stack: as one of its functions, with the same entry points
//! as on AWS, or as one of those that look after them.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::term;

/// Serves the function with this logical id of the template until the host ends it.
pub(crate) fn main(name: &str) -> ExitCode {
    local_lambda_host::die_with_parent();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                term::error(&format!("failed to start the runtime: {error}"));
                return ExitCode::FAILURE;
            }
        };
    match runtime.block_on(serve(name)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            term::error(&format!("{name} ended: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Ends the functions of the host that started this process, when that host has ended.
pub(crate) fn reap() -> ExitCode {
    match local_lambda_host::reap_orphans() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Is the reverse proxy of a machine, with its log on standard error.
pub(crate) fn proxy(folder: PathBuf) -> ExitCode {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .init();
    // Its folder is in the data folder, with secrets that no service has to know.
    let hidden = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_owned));
    let Some(Ok(apart)) = hidden.map(crate::stack::apart) else {
        tracing::error!(folder = %folder.display(), "it is in no data folder");
        return ExitCode::FAILURE;
    };
    local_proxy::main(folder, Some(apart))
}

async fn serve(name: &str) -> Result<(), lambda_runtime::Error> {
    match name {
        "GatewayFunction" => pact_gateway::serve().await,
        "ReconcilerFunction" => pact_gateway::serve_reconciler().await,
        "CodeAgentFunction" => pact_code_agent::serve().await,
        "TestAgentFunction" => pact_test_agent::serve().await,
        "SecurityAgentFunction" => pact_security_agent::serve().await,
        "QualityAgentFunction" => pact_quality_agent::serve().await,
        "DeployAgentFunction" => pact_deploy_agent::serve().await,
        "MonitorAgentFunction" => pact_monitor_agent::serve().await,
        "NotifyAgentFunction" => pact_notify_agent::serve().await,
        "DashboardFunction" => pact_dashboard::serve().await,
        other => {
            Err(format!("the template has a function {other} that this program has not").into())
        }
    }
}
