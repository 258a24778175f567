//! Limits that several actions share.

/// Files of more bytes are neither parsed nor measured.
pub(crate) const MAX_FILE: u64 = pact_contract::PushIndex::MAX_AFTER;
