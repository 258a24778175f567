//! The settings that the commit carries.

use pact_contract::{Finding, Severity, codes, settings::Settings};

use crate::pack::RootFile;

/// What the commit says about itself.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The settings; the defaults where there are none, or none that can be read.
    pub(crate) settings: Settings,
    /// The file, where there is one.
    pub(crate) path: Option<String>,
    /// Whether the file cannot be used.
    pub(crate) invalid: bool,
    /// What is wrong with it.
    pub(crate) findings: Vec<Finding>,
    /// Its text, where it can be used.
    pub(crate) text: Option<String>,
}

/// Reads the settings from the file at the root that may hold them; two of them are a fault, as
/// nobody could say which one counts.
pub(crate) fn read(files: &[(String, RootFile)]) -> Found {
    let mut found = Found::default();
    let Some((path, file)) = files.first() else { return found };
    found.path = Some(path.clone());
    if let Some((other, _)) = files.get(1) {
        let fault = pact_config::duplicate(path, other);
        found.invalid = true;
        found.findings.push(invalid(other, None, None, fault.message, fault.remedy));
        return found;
    }
    let text = match file {
        RootFile::Text(text) => text,
        RootFile::Unreadable(reason) => {
            found.invalid = true;
            found.findings.push(invalid(path, None, None, format!("{path} {reason}"), None));
            return found;
        }
    };
    match pact_config::parse(text, path) {
        Ok(settings) => {
            found.settings = settings;
            found.text = Some(text.clone());
        }
        Err(errors) => {
            found.invalid = true;
            found.findings.extend(
                errors
                    .errors
                    .into_iter()
                    .map(|e| invalid(path, e.line, e.column, e.message, e.remedy)),
            );
        }
    }
    found
}

fn invalid(
    path: &str,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
    remedy: Option<String>,
) -> Finding {
    let mut finding =
        Finding::new(codes::CONFIG_INVALID, Severity::High, message).at(path, line, column);
    finding.remedy = remedy;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, content: &str) -> (String, RootFile) {
        (path.to_owned(), RootFile::Text(content.to_owned()))
    }

    #[test]
    fn no_file_and_an_empty_file_give_the_defaults() {
        for files in [vec![], vec![text("pact.toml", "")]] {
            let found = read(&files);
            assert!(!found.invalid && found.findings.is_empty(), "{found:?}");
            assert_eq!(found.settings, Settings::default());
        }
    }

    #[test]
    fn a_malformed_file_is_reported_with_its_place() {
        let found = read(&[text(".pact.toml", "\n[code\n")]);
        assert!(found.invalid);
        assert_eq!(found.path.as_deref(), Some(".pact.toml"));
        let fault = found.findings.first().expect("a fault");
        assert_eq!((fault.path.as_deref(), fault.line), (Some(".pact.toml"), Some(2)));
    }

    #[test]
    fn a_repository_with_both_files_is_refused() {
        let found = read(&[text("pact.toml", ""), text(".pact.toml", "")]);
        assert!(found.invalid);
        let fault = found.findings.first().expect("a fault");
        assert_eq!(fault.code, "config-invalid");
        assert!(fault.message.contains("pact.toml and .pact.toml"), "{}", fault.message);
    }
}
