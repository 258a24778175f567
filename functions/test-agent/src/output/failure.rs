//! A failing test, as a tool tells of it.

/// One failing test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Name as the tool writes it.
    pub(crate) name: String,
    /// What the tool says about it; may be empty.
    pub(crate) detail: String,
    /// File as the tool names it.
    pub(crate) file: Option<String>,
    /// Line in that file.
    pub(crate) line: Option<u32>,
}
