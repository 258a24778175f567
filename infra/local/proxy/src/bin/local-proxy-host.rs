//! The host as a process of its own, for tests: `local-proxy-host FOLDER`. Its instances may not see the
//! folder; `local-proxy-host apart` is the stage that hides it.

use std::process::ExitCode;

use pact_processes::apart::{self, Apart};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next() {
        Some(stage) if stage == "apart" => apart::main(arguments),
        Some(folder) => {
            let stage = vec!["/proc/self/exe".into(), "apart".into()];
            let apart =
                cfg!(target_os = "linux").then(|| Apart { stage, hidden: folder.clone().into() });
            local_proxy::main(folder.into(), apart)
        }
        None => ExitCode::FAILURE,
    }
}
