//! The test agent: runs tests and reads coverage.
