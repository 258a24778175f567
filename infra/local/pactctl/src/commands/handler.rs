//! What of a repository is a function of Lambda, for `pactctl init`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

/// Folders that are looked into, the root first.
const FOLDERS: [&str; 6] = ["", "src", "app", "lambda", "function", "dist"];
/// Most files of a folder, and most bytes of one, that are read.
const MAX_FILES: usize = 100;
const MAX_BYTES: u64 = 256 * 1024;

/// A function of Lambda that somebody wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handler {
    /// Name of the folder, which the function may well have too.
    name: String,
    /// The file that has the handler.
    file: String,
    /// Its runtime, as `create-function` is told.
    runtime: &'static str,
    /// Its handler, as `create-function` is told.
    handler: String,
    /// What is deployed of the release; empty: all of it.
    artifact: String,
    /// The command that builds it, where one is needed.
    build: Option<&'static str>,
}

/// Looks for a handler.
pub(super) fn find(root: &Path) -> Option<Handler> {
    let name = root.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(plain).take(64).collect();
    rust(root, &name).or_else(|| FOLDERS.iter().find_map(|folder| script(root, folder, &name)))
}

/// A program of `lambda_runtime`: cargo-lambda packs it.
fn rust(root: &Path, name: &str) -> Option<Handler> {
    let text = read(&root.join("Cargo.toml"))?;
    // What is not written in the usual way is not found, and nothing is lost by that.
    let key = |line: &str, key: &str| {
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
    };
    let runs = |line: &str| key(line, "lambda_runtime") || key(line, "lambda_http");
    text.lines().find(|line| runs(line))?;
    let package = text.lines().find(|line| key(line, "name"))?.split('"').nth(1)?;
    Some(Handler {
        name: name.to_owned(),
        file: "Cargo.toml".to_owned(),
        runtime: "provided.al2023",
        handler: "bootstrap".to_owned(),
        artifact: format!("target/lambda/{package}/bootstrap.zip"),
        build: Some(
            "[[\"cargo\", \"lambda\", \"build\", \"--release\", \"--output-format\", \"zip\"]]",
        ),
    })
}

/// A file of Python or Node with a handler.
fn script(root: &Path, folder: &str, name: &str) -> Option<Handler> {
    let entries = std::fs::read_dir(root.join(folder)).ok()?;
    let mut files: Vec<PathBuf> =
        entries.take(MAX_FILES).filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.iter().find_map(|file| {
        let ending = file.extension()?.to_str()?;
        let runtime = match ending {
            "py" => "python3.13",
            "js" | "mjs" | "cjs" => "nodejs22.x",
            _ => return None,
        };
        let text = read(file)?;
        let function = text.lines().find_map(|line| match ending {
            "py" => python(line),
            _ => node(line),
        })?;
        let stem = file.file_stem()?.to_str()?;
        let path = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        Some(Handler {
            name: name.to_owned(),
            file: format!("{path}{stem}.{ending}"),
            runtime,
            handler: format!("{stem}.{function}"),
            artifact: folder.to_owned(),
            build: None,
        })
    })
}

/// The name of the handler that a line of Python defines.
fn python(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("def ")?.split_once('(')?;
    let is_handler = name.ends_with("handler") && rest.trim_start().starts_with("event");
    is_handler.then_some(name)
}

/// The name of the handler that a line of JavaScript exports.
fn node(line: &str) -> Option<&'static str> {
    let begins = [
        "exports.handler =",
        "module.exports.handler =",
        "export const handler =",
        "export function handler(",
        "export async function handler(",
    ];
    begins.iter().any(|begin| line.starts_with(begin)).then_some("handler")
}

/// A text that is not too long.
fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    let opened = std::fs::File::open(file).ok()?;
    opened.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

impl Handler {
    /// What was found, for people.
    pub(super) fn told(&self) -> String {
        let Self { file, runtime, handler, .. } = self;
        format!(
            "function: {file} is one of Lambda ({runtime}, handler {handler}); the example in the file \
             releases it by target = \"lambda\""
        )
    }

    /// An environment that it is released to, as a comment.
    pub(super) fn settings(&self) -> String {
        let Self { name, file, runtime, handler, artifact, build } = self;
        let artifact = match artifact.as_str() {
            "" => String::new(),
            artifact => format!("# artifact = {artifact:?} # what is deployed of the release\n"),
        };
        let build = build.map_or_else(String::new, |build| format!("# build = {build}\n"));
        format!(
            "\n# Where releases go, in their order. Without an environment a push is verified only. One\n\
             # of another name says its tier: staging, where releases are tried, or production.\n\
             # {file} is a function of Lambda. It has to be there ({runtime}, handler {handler}), with\n\
             # its role and an alias that has an address: README, \"A function of your own\".\n\
             # [environments.production]\n\
             # target = \"lambda\"\n\
             # function = {name:?}\n\
             {artifact}{build}\
             # [[environments.production.health]]\n\
             # path = \"/\" # asked at the alias's function URL, and of a version before it gets a request\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder.
    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pact-handler-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).unwrap_or_default();
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_handler_is_found_where_it_is_and_its_settings_are_valid() {
        for (file, text, runtime, handler, artifact) in [
            (
                "app.py",
                "import os\n\ndef lambda_handler(event, context):\n    pass\n",
                "python3.13",
                "app.lambda_handler",
                "",
            ),
            (
                "src/index.mjs",
                "export const handler = async () => ({});\n",
                "nodejs22.x",
                "index.handler",
                "src",
            ),
            ("index.js", "exports.handler = async () => {};\n", "nodejs22.x", "index.handler", ""),
            (
                "Cargo.toml",
                "[package]\nname = \"shop\"\n[dependencies]\nlambda_http = \"1\"\n",
                "provided.al2023",
                "bootstrap",
                "target/lambda/shop/bootstrap.zip",
            ),
        ] {
            let folder = folder();
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, text).expect("a file");
            let found = find(&folder).unwrap_or_else(|| panic!("{file} has a handler"));
            assert_eq!((found.runtime, found.handler.as_str()), (runtime, handler));
            assert_eq!((found.file.as_str(), found.artifact.as_str()), (file, artifact));
            let said = found.settings();
            let said = said.replace("# [", "[").replace("# target", "target");
            let said = said.replace("# function", "function").replace("# path", "path");
            let said = said.replace("# artifact", "artifact").replace("# build", "build");
            let settings =
                pact_config::parse(&said, "pact.toml").unwrap_or_else(|e| panic!("{e}\n{said}"));
            assert!(settings.environments.contains("production"), "{said}");
        }
        let folder = folder();
        std::fs::write(folder.join("app.py"), "def handler(request):\n").expect("a file");
        assert_eq!(find(&folder), None);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
