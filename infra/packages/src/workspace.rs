//! What cargo says about this workspace.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::PackageError;

/// The workspace that this program is part of.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    /// The crate of each program.
    crates: BTreeMap<String, String>,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo is missing or says no.
    pub fn find() -> Result<Self, PackageError> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .stderr(Stdio::inherit())
            .output()
            .map_err(PackageError::io("run cargo"))?;
        if !output.status.success() {
            return Err(PackageError::Tool("cargo cannot describe this workspace".to_owned()));
        }
        let odd = || PackageError::Tool("cargo describes this workspace in an unknown way".into());
        let value: Value = serde_json::from_slice(&output.stdout).map_err(|_| odd())?;
        let path =
            |name: &str| value.get(name).and_then(Value::as_str).map(PathBuf::from).ok_or_else(odd);
        let packages = value.get("packages").and_then(Value::as_array).ok_or_else(odd)?;
        let crates = packages.iter().flat_map(|package| {
            let targets = package.get("targets").and_then(Value::as_array).into_iter().flatten();
            let programs = targets.filter(|t| t.pointer("/kind/0") == Some(&json!("bin")));
            programs.filter_map(|t| {
                Some((
                    t.get("name")?.as_str()?.to_owned(),
                    package.get("name")?.as_str()?.to_owned(),
                ))
            })
        });
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            crates: crates.collect(),
        })
    }

    /// The top folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The template.
    #[must_use]
    pub fn template(&self) -> PathBuf {
        self.root.join("infra/template.yaml")
    }

    /// Where packages are, unless another folder is named.
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.target.join("packages")
    }

    /// Where cargo leaves what it builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The crate of a program.
    pub(crate) fn crate_of(&self, binary: &str) -> Result<&str, PackageError> {
        let name = self.crates.get(binary).map(String::as_str);
        name.ok_or_else(|| PackageError::Template(format!("no crate has a program {binary}")))
    }
}

/// The cargo that started this program, or the one on the path.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
