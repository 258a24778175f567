//! The security agent: secrets, dependencies and static analysis.
