//! Builds the programs and packs them.

use std::{path::Path, process::Stdio};

use crate::{Function, PackageError, Workspace, archive, workspace::cargo};

const ARM64: &str = "aarch64-unknown-linux-gnu";
/// The profile that the limits are meant for. Without its optimisation over the whole program a zip
/// is up to three tenths larger.
const RELEASE: &str = "release";
/// The versions that the gate builds with.
const INSTALL: &str = "pip install cargo-lambda==1.9.2 ziglang==0.17.1";

/// What the packages are to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// This one: linked against its own C library, to be tried here.
    Here,
    /// Lambda's arm64, as the template has it: linked by cargo-lambda against an old C library.
    Arm64,
}

/// A package that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The function's program.
    pub binary: String,
    /// Bytes of the program.
    pub program: u64,
    /// Bytes of the zip.
    pub zip: u64,
    /// Bytes that the zip may have.
    pub limit: u64,
}

impl Built {
    /// Whether the zip is within its limit.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.zip <= self.limit
    }
}

/// Builds and packs these functions with a profile of cargo into `folder`, one `<binary>.zip` each.
///
/// # Errors
/// When a tool is missing or says no, or a file cannot be written.
pub fn build(
    workspace: &Workspace,
    functions: &[Function],
    machine: Machine,
    profile: &str,
    folder: &Path,
) -> Result<Vec<Built>, PackageError> {
    let mut command = cargo();
    if machine == Machine::Arm64 {
        let probe = cargo().args(["lambda", "--version"]).stderr(Stdio::null()).output();
        if !probe.map_err(PackageError::io("run cargo"))?.status.success() {
            return Err(PackageError::Tool(format!(
                "cargo-lambda is not installed: {INSTALL} && rustup target add {ARM64}"
            )));
        }
        command.args(["lambda", "build", "--target", ARM64]);
    } else {
        command.arg("build");
    }
    command.args(["--profile", profile, "--locked"]).current_dir(workspace.root());
    // Only these crates: what the others want of a library stays out.
    for function in functions {
        command.args(["--package", workspace.crate_of(&function.binary)?]);
        command.args(["--bin", &function.binary]);
    }
    if !command.status().map_err(PackageError::io("run cargo"))?.success() {
        return Err(PackageError::Tool("the functions cannot be built".to_owned()));
    }
    let programs = match machine {
        Machine::Here => workspace.target().join(profile),
        Machine::Arm64 => workspace.target().join(ARM64).join(profile),
    };
    std::fs::create_dir_all(folder)
        .map_err(PackageError::io(format!("make {}", folder.display())))?;
    let built = functions.iter().map(|function| {
        let program = programs.join(&function.binary);
        let zip = folder.join(format!("{}.zip", function.binary));
        archive::write(&program, &zip)?;
        Ok(Built {
            binary: function.binary.clone(),
            program: size(&program)?,
            zip: size(&zip)?,
            limit: limit(function.limits.zip, profile),
        })
    });
    built.collect()
}

/// Bytes that a zip may have when it is built with a profile.
fn limit(released: u64, profile: &str) -> u64 {
    if profile == RELEASE { released } else { released + released * 3 / 10 }
}

fn size(path: &Path) -> Result<u64, PackageError> {
    let metadata = path.metadata().map_err(PackageError::io(format!("read {}", path.display())))?;
    Ok(metadata.len())
}
