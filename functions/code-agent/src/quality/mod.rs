//! The functions of a change before and after it: measured, paired, and judged by what became
//! worse.

pub(crate) mod duplicates;
pub(crate) mod function;
pub(crate) mod judge;
mod lexer;
pub(crate) mod measure;
pub(crate) mod owner;
pub(crate) mod pairs;
#[cfg(test)]
mod tests;
mod tree;
