//! End-to-end tests: the real binary and the real state machine.
