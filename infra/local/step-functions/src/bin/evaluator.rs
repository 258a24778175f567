//! The program whose processes evaluate expressions for an engine that has no other one.

use std::process::ExitCode;

fn main() -> ExitCode {
    local_step_functions::evaluator_main()
}
