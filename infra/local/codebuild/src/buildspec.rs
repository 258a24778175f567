//! The buildspec, version 0.2: which commands a build runs, phase by phase.
//!
//! <https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html>

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest buildspec that is read; AWS takes as much.
const MAX_BYTES: usize = 256 * 1024;
/// Most commands of all phases.
const MAX_COMMANDS: usize = 1_000;

/// Why a buildspec cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("YAML_FILE_ERROR: {0}")]
pub struct BuildspecError(String);

/// What a build runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buildspec {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// `sh` or `bash`.
    pub shell: String,
    /// The phases that have commands, in their order.
    pub phases: Vec<Phase>,
}

/// Commands of one phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `INSTALL`, `PRE_BUILD`, `BUILD` or `POST_BUILD`.
    pub name: PhaseName,
    /// Commands, one after the other in one shell; the first that fails ends the phase.
    pub commands: Vec<String>,
    /// Commands that follow in any case.
    pub finally: Vec<String>,
    /// Whether the build goes on after a failure of this phase.
    pub goes_on: bool,
}

/// Phases that run commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PhaseName {
    /// Tools and dependencies.
    Install,
    /// What comes before the build.
    PreBuild,
    /// The build.
    Build,
    /// What comes after it, also when it failed.
    PostBuild,
}

impl PhaseName {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "INSTALL",
            Self::PreBuild => "PRE_BUILD",
            Self::Build => "BUILD",
            Self::PostBuild => "POST_BUILD",
        }
    }
}

/// The file's own form. Keys that only matter with an artifact store, a cache service or an image
/// are taken and have no effect here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    version: Version,
    #[serde(rename = "run-as")]
    _run_as: Option<String>,
    #[serde(default)]
    env: FileEnv,
    #[serde(default)]
    phases: FilePhases,
    #[serde(rename = "artifacts")]
    _artifacts: Option<serde_json::Value>,
    #[serde(rename = "cache")]
    _cache: Option<serde_json::Value>,
    #[serde(rename = "reports")]
    _reports: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Number(f64),
    Text(String),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct FileEnv {
    shell: Option<String>,
    variables: BTreeMap<String, Scalar>,
    #[serde(rename = "exported-variables")]
    _exported: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Integer(i64),
    Number(f64),
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FilePhases {
    install: Option<FilePhase>,
    pre_build: Option<FilePhase>,
    build: Option<FilePhase>,
    post_build: Option<FilePhase>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct FilePhase {
    #[serde(rename = "run-as")]
    _run_as: Option<String>,
    on_failure: Option<String>,
    #[serde(rename = "runtime-versions")]
    _runtime_versions: Option<serde_json::Value>,
    commands: Vec<Scalar>,
    finally: Vec<Scalar>,
}

impl Buildspec {
    /// Reads the text of a buildspec.
    ///
    /// # Errors
    /// In AWS's words where a text is not one: the build then fails in its phase
    /// `DOWNLOAD_SOURCE`.
    pub fn parse(text: &str) -> Result<Self, BuildspecError> {
        if text.len() > MAX_BYTES {
            let reason = format!("the buildspec has {} bytes; at most {MAX_BYTES}", text.len());
            return Err(BuildspecError(reason));
        }
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| BuildspecError(error.to_string().replace('\n', " ")))?;
        let version = match file.version {
            Version::Number(number) => number.to_string(),
            Version::Text(text) => text,
        };
        if version != "0.2" {
            return Err(BuildspecError(format!("version {version} is not supported; use 0.2")));
        }
        let shell = file.env.shell.unwrap_or_else(|| "sh".to_owned());
        if !["sh", "/bin/sh", "bash"].contains(&shell.as_str()) {
            return Err(BuildspecError(format!("the shell {shell:?} is not supported here")));
        }
        let named = [
            (PhaseName::Install, file.phases.install),
            (PhaseName::PreBuild, file.phases.pre_build),
            (PhaseName::Build, file.phases.build),
            (PhaseName::PostBuild, file.phases.post_build),
        ];
        let mut phases = Vec::new();
        for (name, phase) in named {
            let Some(phase) = phase else { continue };
            let goes_on = match phase.on_failure.as_deref() {
                None => name == PhaseName::Build,
                Some("ABORT") => false,
                Some("CONTINUE") => true,
                Some(other) => {
                    let reason = format!("on-failure is {other:?}, not ABORT or CONTINUE");
                    return Err(BuildspecError(reason));
                }
            };
            let texts = |list: Vec<Scalar>| list.into_iter().map(Scalar::text).collect();
            let (commands, finally) = (texts(phase.commands), texts(phase.finally));
            phases.push(Phase { name, commands, finally, goes_on });
        }
        let commands: usize = phases.iter().map(|p| p.commands.len() + p.finally.len()).sum();
        if commands == 0 {
            return Err(BuildspecError("no phase has commands".to_owned()));
        }
        if commands > MAX_COMMANDS {
            return Err(BuildspecError(format!("{commands} commands; at most {MAX_COMMANDS}")));
        }
        let variables = file.env.variables.into_iter().map(|(k, v)| (k, v.text())).collect();
        Ok(Self { variables, shell, phases })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_keep_their_order_and_a_failed_build_still_has_its_post_build() {
        let spec = Buildspec::parse(
            "version: 0.2\nenv:\n  shell: bash\n  variables:\n    N: 3\nphases:\n  post_build:\n    commands: [\"echo c\"]\n  build:\n    commands:\n      - echo a\n      - |\n        echo b\n        echo c\n    finally:\n      - echo f\n",
        )
        .unwrap();
        assert_eq!(spec.shell, "bash");
        assert_eq!(spec.variables["N"], "3");
        let names: Vec<_> = spec.phases.iter().map(|p| (p.name, p.goes_on)).collect();
        assert_eq!(names, [(PhaseName::Build, true), (PhaseName::PostBuild, false)]);
        assert_eq!(spec.phases[0].commands, ["echo a", "echo b\necho c\n"]);
        assert_eq!(spec.phases[0].finally, ["echo f"]);
    }

    #[test]
    fn what_is_no_buildspec_says_why() {
        let reason = |text: &str| Buildspec::parse(text).unwrap_err().to_string();
        assert!(reason("version: 0.1\nphases: {build: {commands: [a]}}").contains("use 0.2"));
        assert!(reason("version: 0.2").contains("no phase has commands"));
        assert!(reason("version: 0.2\nphases: {bild: {commands: [a]}}").contains("bild"));
        assert!(reason("[").starts_with("YAML_FILE_ERROR"));
        assert!(reason(&"#".repeat(300_000)).contains("at most"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,300}") {
            if let Ok(spec) = Buildspec::parse(&text) {
                proptest::prop_assert!(!spec.phases.is_empty());
            }
        }
    }
}
