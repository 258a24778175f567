//! How settings of a target are read, whichever it is.

use pact_contract::settings::Instance;
use serde::de::DeserializeOwned;

/// Settings of a target.
pub(super) trait Checked: DeserializeOwned {
    /// Checks what may not have come from a file.
    ///
    /// # Errors
    /// Why they are refused.
    fn check(&self) -> Result<(), String>;

    /// The settings of an instance.
    ///
    /// # Errors
    /// Why they are refused.
    fn read(instance: &Instance) -> Result<Self, String> {
        let settings: Self =
            instance.parse().map_err(|error| format!("the target's settings: {error}"))?;
        settings.check().map(|()| settings)
    }
}
