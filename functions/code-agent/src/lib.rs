//! The code agent: changes, syntax and complexity.
