//! The host as a process of its own, for tests: `local-proxy-host FOLDER`. Its instances may not see the
//! folder; `local-proxy-host apart` is the stage that hides it.

use std::process::ExitCode;

use pact_processes::apart::{self, Apart};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(stage) if stage == "apart" => apart::main(arguments),
        Some(folder) => {
            // What is not there cannot be tried to be hidden.
            drop(std::fs::create_dir_all(&folder));
            let stage = vec!["/proc/self/exe".into(), "apart".into()];
            let apart = cfg!(target_os = "linux").then(|| Apart::new(stage, folder.clone().into()));
            local_proxy::main(folder.into(), apart)
        }
        None => ExitCode::FAILURE,
    }
}
