//! Results for programs.

use serde::Serialize;

use crate::{
    failure::{Context as _, Failure},
    term,
};

/// A JSON document on standard output.
///
/// # Errors
/// Serialisation, which has no reason to fail.
pub(crate) fn print(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).doing("write the document")?;
    term::machine(&(text + "\n"));
    Ok(())
}
