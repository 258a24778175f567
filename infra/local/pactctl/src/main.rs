//! The PACT command line tool, with the local stack inside.
fn main() {}
