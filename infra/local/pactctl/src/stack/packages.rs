//! Functions from packages: the programs that go to AWS, instead of this one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use local_template::Function;
use pact_packages::PackageError;

use crate::{
    data::DataFolder,
    failure::{Context, Failure},
};

/// What builds them all.
const REMEDY: &str = "`cargo packages build` builds them all";

/// The program of each function, by its logical id.
pub(crate) struct Packages(BTreeMap<String, PathBuf>);

impl Packages {
    /// Finds the package of every function in `folder`, as `cargo packages build`, `cargo lambda
    /// build` or `sam build` leave it there. Zips are unpacked into the data folder, once.
    ///
    /// # Errors
    /// Usage failures that name every package that is missing, or the one that is not good.
    pub(crate) fn find(
        folder: &Path,
        functions: &[Function],
        data: &DataFolder,
    ) -> Result<Self, Failure> {
        let unpacked = data.join("packages");
        let mut programs = BTreeMap::new();
        let mut missing = Vec::new();
        for function in functions {
            let binary = pact_packages::binary(function).doing("read the template")?;
            match pact_packages::find(folder, binary, &function.logical_id, &unpacked) {
                Ok(Some(program)) => drop(programs.insert(function.logical_id.clone(), program)),
                Ok(None) => missing.push(binary),
                Err(error @ PackageError::Io { .. }) => {
                    return Err(Failure::internal(error.to_string()));
                }
                Err(error) => return Err(Failure::usage(error.to_string()).remedy(REMEDY)),
            }
        }
        if missing.is_empty() {
            return Ok(Self(programs));
        }
        let message = format!("{} has no package of {}", folder.display(), missing.join(", "));
        Err(Failure::usage(message).remedy(format!("{REMEDY}, into one folder")))
    }

    /// The program of a function.
    pub(crate) fn program(&self, logical_id: &str) -> Option<&Path> {
        self.0.get(logical_id).map(PathBuf::as_path)
    }
}
