//! This program, as the program of other processes.

use std::path::PathBuf;

use crate::failure::{Context, Failure};

/// This program, for a process of its own. The file of a running program may have been replaced
/// since.
pub(super) fn own_program() -> Result<PathBuf, Failure> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().doing("find this program")
}
