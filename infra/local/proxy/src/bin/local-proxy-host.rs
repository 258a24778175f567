//! The host as a process of its own, for tests: `local-proxy-host FOLDER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(folder) => local_proxy::main(folder.into()),
        None => ExitCode::FAILURE,
    }
}
