//! Signs that a file that does not parse is not meant to.

use super::Fault;

/// Folders whose files are data of tests, often broken on purpose, or other people's code.
const DATA_FOLDERS: &[&str] = &[
    "__fixtures__",
    "__testfixtures__",
    "fixture",
    "fixtures",
    "node_modules",
    "test-data",
    "test_data",
    "testdata",
    "third_party",
    "vendor",
];
/// Folders whose files are templates.
const TEMPLATE_FOLDERS: &[&str] = &["skeleton", "template", "templates"];
/// What templates are written with.
const MARKS: &[&str] = &["{{", "{%", "<%", "{#"];

/// Why the file may be as it should be; none when it is plainly wrong.
pub(super) fn doubt(path: &str, language: &str, text: &str, faults: &[Fault]) -> Option<String> {
    let folders = || path.split('/').rev().skip(1);
    if let Some(folder) = folders().find(|folder| DATA_FOLDERS.contains(folder)) {
        return Some(format!("it is below a folder {folder}"));
    }
    if is_test_resource(path) {
        return Some("it is a resource of tests".to_owned());
    }
    if path.contains("{{") || path.contains("{%") {
        return Some("its path is a template's".to_owned());
    }
    let below_templates = folders().any(|folder| TEMPLATE_FOLDERS.contains(&folder));
    if below_templates && has_mark(text) {
        return Some("it is a template".to_owned());
    }
    match language {
        // In YAML the parser fails far away from the mark that it stumbled over.
        "YAML" if has_mark(text) => Some("it is a template".to_owned()),
        "TOML" | "JSON" | "JSON with Comments" if mark_near(text, faults) => {
            Some("it is a template".to_owned())
        }
        _ if text.contains("{{cookiecutter") || text.contains("{{ cookiecutter") => {
            Some("it is a template".to_owned())
        }
        "Python" if is_python_2(text) => Some("it looks like Python 2".to_owned()),
        "JavaScript" if text.lines().take(30).any(|line| line.contains("@flow")) => {
            Some("it is written in Flow".to_owned())
        }
        _ => None,
    }
}

/// `src/test/resources`, `src/integrationTest/resources` and the like, of Maven and Gradle.
fn is_test_resource(path: &str) -> bool {
    let folders: Vec<&str> = path.split('/').collect();
    folders.windows(3).any(|three| {
        matches!(three, ["src", set, "resources"] if set.to_ascii_lowercase().contains("test"))
    })
}

/// Whether a template's mark stands anywhere; `${{ … }}` of workflows is none.
fn has_mark(text: &str) -> bool {
    MARKS.iter().any(|mark| {
        text.match_indices(mark).any(|(at, _)| !text.get(..at).is_some_and(|t| t.ends_with('$')))
    })
}

/// Whether a mark stands right where the first fault is.
fn mark_near(text: &str, faults: &[Fault]) -> bool {
    let Some(fault) = faults.first() else { return false };
    let line = text.lines().nth(fault.line.saturating_sub(1) as usize).unwrap_or_default();
    let from = (fault.column as usize).saturating_sub(4);
    let near: String = line.chars().skip(from).take(7).collect();
    MARKS.iter().any(|mark| near.contains(mark))
}

/// Statements that only Python 2 has.
fn is_python_2(text: &str) -> bool {
    if text.lines().next().is_some_and(|line| line.starts_with("#!") && line.contains("python2")) {
        return true;
    }
    text.lines().any(|line| {
        let line = line.trim();
        let printed = line.strip_prefix("print ").map(str::trim_start).unwrap_or_default();
        let print = printed.starts_with(['"', '\'', '%', '>']);
        let except = line.starts_with("except ") && line.contains(", ") && !line.contains('(');
        let raise = line.starts_with("raise ") && line.contains(", \"");
        print || except || raise || (line.starts_with("exec ") && line.contains(" in "))
    })
}
