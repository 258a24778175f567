//! Names and ARNs of state machines and executions.

use uuid::Uuid;

use super::machine::Machine;
use crate::error::ApiError;

/// Checks how many characters a field has.
pub(crate) fn check_length(
    field: &str,
    text: &str,
    least: usize,
    most: usize,
) -> Result<(), ApiError> {
    let length = text.chars().count();
    let limit = if length < least {
        format!("greater than or equal to {least}")
    } else if length > most {
        format!("less than or equal to {most}")
    } else {
        return Ok(());
    };
    // Long values are not repeated.
    let shown = if text.len() <= 1_024 { format!("Value '{text}'") } else { "Value".to_owned() };
    Err(ApiError::validation(format!(
        "1 validation error detected: {shown} at '{field}' failed to satisfy constraint: Member must have length {limit}"
    )))
}

/// Checks the name of a state machine or an execution.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    const LONGEST: usize = 80;
    check_length("name", name, 1, LONGEST)?;
    let bad =
        |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if name.contains(bad) {
        return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
    }
    Ok(())
}

/// The ARN of an execution. Express executions of one name have different ones, unless the same
/// task starts them.
pub(crate) fn execution_arn(machine: &Machine, name: &str, by: Option<&str>) -> String {
    if machine.express {
        let base = machine.arn.replacen(":stateMachine:", ":express:", 1);
        let last = by.map_or_else(|| Uuid::new_v4().to_string(), name_for);
        format!("{base}:{name}:{last}")
    } else {
        let base = machine.arn.replacen(":stateMachine:", ":execution:", 1);
        format!("{base}:{name}")
    }
}

/// A name that looks like those that AWS makes up, always the same for one task.
pub(super) fn name_for(by: &str) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(by.as_bytes());
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
