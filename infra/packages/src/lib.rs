//! The packages that go to AWS: one zip for each function, with a program `bootstrap` in it.
//!
//! [`build`] makes them, [`find`] takes them from a folder as Lambda would, and [`start`] measures
//! how long their programs take until they ask for work.

mod archive;
mod build;
mod catalog;
mod error;
mod start;
mod workspace;

pub use archive::find;
pub use build::{Built, Machine, build};
pub use catalog::{Function, Limits, binary, functions};
pub use error::PackageError;
pub use start::{Start, Subject, hello, start};
pub use workspace::Workspace;
