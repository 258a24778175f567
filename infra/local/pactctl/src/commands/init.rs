//! `pactctl init`: a first `pact.toml`, from what the repository has.

use std::path::Path;

use pact_test_agent::{Detected, DetectedBuild};

use super::handler::{self, Handler};
use crate::{
    failure::{Context, Exit, Failure},
    term,
};

/// Writes it, and says what was found and what it means. Nothing that exists is replaced.
pub(crate) fn init(path: &Path, print: bool) -> Result<Exit, Failure> {
    if !path.is_dir() {
        return Err(Failure::usage(format!("{} is no folder", path.display()))
            .remedy("name the folder of a repository"));
    }
    let found = Found::look(path);
    let text = found.settings();
    // What is written is held to what is accepted.
    pact_config::parse(&text, "pact.toml")
        .map_err(|errors| Failure::internal(format!("the settings are not valid\n{errors}")))?;
    if print {
        term::machine(&text);
        return Ok(Exit::Success);
    }
    if let Some(name) = pact_config::FILE_NAMES.iter().find(|name| path.join(name).exists()) {
        return Err(Failure::usage(format!("{} exists already", path.join(name).display()))
            .remedy(
                "`pactctl validate` checks it; `pactctl init --print` shows what would be written",
            ));
    }
    let file = path.join("pact.toml");
    write_new(&file, &text)?;
    println!("wrote {}", file.display());
    for line in found.told() {
        println!("  {}", term::plain(&line));
    }
    println!("commit it, then `pactctl run`: settings count from the commit after theirs");
    Ok(Exit::Success)
}

/// Writes a file that is not there yet: also a link of that name is left alone.
fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut open = std::fs::OpenOptions::new();
    let mut new = open
        .write(true)
        .create_new(true)
        .open(file)
        .map_err(|e| Failure::usage(format!("cannot write {}: {e}", file.display())))?;
    new.write_all(text.as_bytes()).doing("write the settings")
}

/// What a repository has that its settings are about.
#[derive(Debug, Default)]
struct Found {
    /// The suites of its tests.
    tests: Vec<Detected>,
    /// How its release would be built.
    build: Option<DetectedBuild>,
    /// What of it is a function of Lambda.
    function: Option<Handler>,
    /// Globs of its documentation.
    documentation: Vec<&'static str>,
    /// Lock files, whose packages are compared with advisories.
    locks: Vec<&'static str>,
    /// Folders that a site is served from.
    site: Option<&'static str>,
}

const LOCKS: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "requirements.txt",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
];

impl Found {
    fn look(root: &Path) -> Self {
        let has = |name: &&&str| root.join(name).is_file();
        let folder = |name: &&str| root.join(name).is_dir();
        let mut documentation = Vec::new();
        if root.join("README.md").is_file() {
            documentation.push("*.md");
        }
        if folder(&"docs") {
            documentation.push("docs/**");
        }
        let index = |name: &&&str| root.join(name).join("index.html").is_file();
        Self {
            tests: pact_test_agent::detected(root).0,
            build: pact_test_agent::detected_build(root),
            function: handler::find(root),
            documentation,
            locks: LOCKS.iter().filter(has).copied().collect(),
            site: ["public", "site", "www"].iter().find(index).copied(),
        }
    }

    /// What was found, a line each.
    fn told(&self) -> Vec<String> {
        let suite = |suite: &Detected| {
            let place = if suite.name == suite.tool { "" } else { suite.name.as_str() };
            let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
            format!("tests: {}{place}, by `{}`", suite.tool, suite.command.join(" "))
        };
        let mut out: Vec<String> = self.tests.iter().map(suite).collect();
        if out.is_empty() {
            out.push(
                "tests: none that are known how to run; set command in [tests.unit]".to_owned(),
            );
        }
        out.extend(self.build.as_ref().map(would_build));
        out.extend(self.function.as_ref().map(Handler::told));
        out.push(match self.locks.as_slice() {
            [] => "dependencies: no lock file, so nothing is compared with advisories".to_owned(),
            locks => format!("dependencies: {}", locks.join(", ")),
        });
        out.push(match self.documentation.as_slice() {
            [] => "documentation: none".to_owned(),
            globs => {
                format!("documentation: {}; a change of it alone deploys nothing", globs.join(", "))
            }
        });
        out.push(
            "environments: none yet, so every push is verified only; an example is in the file"
                .to_owned(),
        );
        out
    }

    fn settings(&self) -> String {
        let mut out = String::from(
            "# Settings of the PACT pipeline. Everything has a default: each line here may go.\n\
             # `pactctl validate` checks this file; settings count from the commit after theirs.\n\n\
             # default, production, microservice, frontend, ml_model or hotfix\n\
             template = \"default\"\n",
        );
        if !self.documentation.is_empty() {
            out.push_str(&format!(
                "# A change of these alone deploys nothing.\ndocumentation = {}\n",
                list(&self.documentation)
            ));
        }
        out.push_str("\n[checks] # auto, skip or require, by check\n");
        let unit = if !self.tests.is_empty() { "require" } else { "auto" };
        out.push_str(&format!("unit = \"{unit}\"\n"));
        if !self.locks.is_empty() {
            out.push_str(&format!("dependencies = \"auto\" # {}\n", self.locks.join(", ")));
        }
        match self.tests.as_slice() {
            [] => out.push_str(
                "\n# No tests were found that are known how to run.\n\
                 # [tests.unit]\n# command = [\"./test.sh\"]\n",
            ),
            [suite] => out.push_str(&format!(
                "\n# Found without a word here: {}. Say it to have another command or more time.\n\
                 # [tests.unit]\n# command = {}\n# timeout_seconds = 600\n",
                suite.name,
                list(&suite.command)
            )),
            suites => {
                out.push_str("\n# Found without a word here; say one to have it run otherwise.\n");
                for suite in suites.iter().take(10) {
                    out.push_str(&format!(
                        "# [[tests.suites]]\n# name = {}\n# command = {}\n",
                        serde_json::Value::from(suite.name.as_str()),
                        list(&suite.command)
                    ));
                }
            }
        }
        if let Some(build) = &self.build {
            out.push_str(&format!(
                "\n# The release, built once for every environment. Without it releases are the files of the \
                 commit;\n# what a service is started from and the commit lacks is built so by itself.\n# [build]\n# commands = {}\n",
                commands(build)
            ));
        }
        if let Some(function) = &self.function {
            out.push_str(&function.settings());
            return out;
        }
        let place = self.site.map_or_else(
            || "# [environments.staging.service]\n# command = [\"./serve\"] # started with PORT set\n".to_owned(),
            |folder| format!("# path of the site in the repository: {folder}/\n"),
        );
        out.push_str(&format!(
            "\n# Where releases go, in their order. Without an environment a push is verified only. One\n\
             # of another name says its tier: staging, where releases are tried, or production.\n\
             # [environments.staging]\n\
             # target = \"directory\" # releases side by side, one atomic switch\n\
             {place}\
             # [[environments.staging.health]]\n\
             # path = \"/health\"\n"
        ));
        out
    }
}

/// What `[build]` would do, for people.
pub(super) fn would_build(build: &DetectedBuild) -> String {
    let (tool, commands, into) = (build.tool, commands(build), build.into.join(", "));
    format!(
        "build: none, releases are the files of the commit, but where a service is started from a file below {into} that \
         the commit lacks: that {tool} builds by itself; [build] commands = {commands} would have it build every one"
    )
}

/// Commands in TOML.
fn commands(build: &DetectedBuild) -> String {
    let all: Vec<String> = build.commands.iter().map(|command| list(command)).collect();
    format!("[{}]", all.join(", "))
}

/// A list of strings in TOML.
fn list(words: &[impl AsRef<str>]) -> String {
    let all: Vec<serde_json::Value> = words.iter().map(|w| w.as_ref().into()).collect();
    // A JSON string is a basic string of TOML.
    serde_json::Value::from(all).to_string().replace("\",\"", "\", \"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_valid_names_what_was_found_and_replaces_nothing() {
        let folder = std::env::temp_dir().join(format!("pact-init-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file");
        };
        write("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        write("src/lib.rs", "#[test]\nfn works() {}\n");
        write("src/main.rs", "fn main() {}\n");
        write("Cargo.lock", "version = 4\n");
        write("README.md", "# A\n");
        let found = Found::look(&folder);
        assert_eq!(found.tests.iter().map(|s| s.tool.as_str()).collect::<Vec<_>>(), ["cargo"]);
        let text = found.settings();
        for wanted in [
            "unit = \"require\"",
            "*.md",
            "Cargo.lock",
            "# command = [\"cargo\", \"test\"",
            "# commands = [[\"cargo\", \"build\", \"--release\", \"--locked\"]]",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(found.told().iter().any(|line| line.contains("would have it build every one")));
        // It is what it says, once it is no comment any more.
        let said = text.replace("# [build]", "[build]").replace("# commands", "commands");
        let said = said.replace("# [environments.staging]", "[environments.staging]");
        let said = said.replace("# target =", "target =");
        pact_config::parse(&said, "pact.toml").expect("valid settings");
        assert!(matches!(init(&folder, false), Ok(Exit::Success)));
        let written = std::fs::read_to_string(folder.join("pact.toml")).expect("the file");
        assert_eq!(written, text);
        let again = init(&folder, false).expect_err("it is there").to_string();
        assert!(again.contains("exists already"), "{again}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn of_an_empty_folder_it_says_what_is_missing() {
        let nothing = Found::default();
        pact_config::parse(&nothing.settings(), "pact.toml").expect("valid settings");
        assert!(nothing.told().iter().any(|line| line.contains("set command in [tests.unit]")));
        assert!(nothing.settings().contains("unit = \"auto\""));
    }
}
