//! The program that a build runs in.

use std::process::ExitCode;

fn main() -> ExitCode {
    local_codebuild::sandbox::main(std::env::args_os().skip(1))
}
