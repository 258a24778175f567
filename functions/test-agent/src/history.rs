//! What suites a branch had when its tests passed last, kept in the artifact store, so that one that
//! is gone or that has shrunk is said.

use pact_agent::{AgentError, bundle, ports::Artifacts, text::truncated};
use pact_contract::{
    ChangeKind, Finding, Severity, StageStatus,
    actions::{RunTests, SuiteOutput},
    codes,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::lines::count;

/// Version of the record.
const SCHEMA: u32 = 1;
/// Largest record that is read, in bytes.
const SIZE: usize = 256 * 1024;
/// Of how many tests a suite may lose a share without a word, and how large the share is that is
/// said: one in so many.
const FEW: u64 = 2;
const SHARE: u64 = 5;
/// Deleted tests that are named.
const NAMED: usize = 5;

/// A suite as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    name: String,
    runner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// Those among them that were not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
}

/// How the suites stood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stand {
    /// The run that passed.
    run: String,
    suites: Vec<Past>,
}

/// A branch's record: how it stands, and how it stood before that run, so that a run that is looked
/// at again is compared with the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    schema: u32,
    now: Stand,
    #[serde(default)]
    before: Stand,
}

/// What is known of the branch.
pub(crate) struct History {
    key: String,
    run: String,
    own: Option<Record>,
    /// The suites to compare with.
    before: Stand,
}

impl History {
    /// What is known of the branch that was pushed to, or else of the default one.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn read(
        artifacts: &dyn Artifacts,
        parameters: &RunTests,
        kind: &str,
        run: String,
    ) -> Result<Self, AgentError> {
        let repository = &parameters.repository;
        let default = format!("refs/heads/{}", repository.default_branch);
        let reference = parameters.reference.clone().unwrap_or_else(|| default.clone());
        let key = |reference: &str| {
            let id = hex::encode(Sha256::digest(format!("{}\n{reference}", repository.url)));
            format!("suites/{}/{kind}.json", id.get(..40).unwrap_or(&id))
        };
        let own = record(artifacts, &key(&reference)).await?;
        let other = match &own {
            None if reference != default => record(artifacts, &key(&default)).await?,
            _ => None,
        };
        let before = match own.as_ref().or(other.as_ref()) {
            Some(record) if record.now.run == run => record.before.clone(),
            Some(record) => record.now.clone(),
            None => Stand::default(),
        };
        Ok(Self { key: key(&reference), run, own, before })
    }

    /// Keeps how the suites stand now, all of which passed.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn keep(
        &self,
        artifacts: &dyn Artifacts,
        suites: &[SuiteOutput],
    ) -> Result<(), AgentError> {
        let suites: Vec<Past> = suites
            .iter()
            .map(|suite| Past {
                name: suite.name.clone(),
                runner: suite.runner.clone(),
                total: suite.total,
                skipped: suite.skipped,
            })
            .collect();
        let now = Stand { run: self.run.clone(), suites };
        let record = Record { schema: SCHEMA, now, before: self.before.clone() };
        if self.own.as_ref() == Some(&record) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&record)
            .map_err(|e| AgentError::internal(format!("cannot write how suites stand: {e}")))?;
        Ok(artifacts.put(&self.key, bytes.into()).await?)
    }

    /// The suites that are gone, but for those of which the settings say so.
    pub(crate) fn gone(&self, now: &[SuiteOutput], accepted: &[String]) -> Vec<String> {
        let is_there = |past: &&Past| {
            now.iter().any(|suite| {
                suite.name == past.name
                    || (folder(&suite.name) == folder(&past.name)
                        && (suite.runner == "configured"
                            || family(&suite.runner) == family(&past.runner)))
                    || (suite.runner == "configured" && now.len() == 1)
            })
        };
        let gone = self.before.suites.iter().filter(|past| !is_there(past));
        let gone = gone.filter(|past| !accepted.contains(&past.name));
        gone.map(Past::text).collect()
    }

    /// What is said of suites that have lost a share of their tests: that run fewer, or of which nobody
    /// can say any more how many they run.
    pub(crate) fn fewer(&self, now: &[SuiteOutput]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for past in &self.before.suites {
            let same = now.iter().find(|suite| suite.name == past.name);
            let Some((was, suite)) = past.ran().zip(same) else { continue };
            let is = suite.total.map(|total| total.saturating_sub(suite.skipped.unwrap_or(0)));
            let lost = was.saturating_sub(is.unwrap_or(0));
            let ran = match is {
                Some(is) if lost > FEW && lost.saturating_mul(SHARE) >= was => {
                    format!("ran {}", count(is, "test"))
                }
                // One that failed speaks for itself.
                None if was > 0 && suite.status == StageStatus::Passed => {
                    "does not say how many tests it ran".to_owned()
                }
                _ => continue,
            };
            let message = format!("{} {ran}, {was} in {}", past.name, self.before.run);
            let finding = Finding::new(codes::FEWER_TESTS, Severity::Medium, message)
                .remedy("bring them back, unless they were meant to go");
            findings.push(finding);
        }
        findings
    }

    /// The run to which this compares.
    pub(crate) fn since(&self) -> &str {
        &self.before.run
    }
}

impl Past {
    fn ran(&self) -> Option<u64> {
        self.total.map(|total| total.saturating_sub(self.skipped.unwrap_or(0)))
    }

    fn text(&self) -> String {
        match self.total {
            Some(total) => format!("{} ({})", self.name, count(total, "test")),
            None => self.name.clone(),
        }
    }
}

/// The folder of a suite, by its name: without a tool, and that of the root where it is one.
fn folder(name: &str) -> &str {
    const TOOLS: &[&str] = &[
        "bun", "cargo", "ctest", "dotnet", "go", "gradle", "make", "maven", "nextest", "npm",
        "phpunit", "pnpm", "pytest", "rake", "rspec", "unittest", "yarn", "unit",
    ];
    let name = name.split_once(" (").map_or(name, |(folder, _)| folder);
    if TOOLS.contains(&name) { "" } else { name }
}

/// Tools that run the same tests.
fn family(tool: &str) -> &str {
    match tool {
        "unittest" => "pytest",
        "nextest" => "cargo",
        "pnpm" | "yarn" | "bun" => "npm",
        other => other,
    }
}

async fn record(artifacts: &dyn Artifacts, key: &str) -> Result<Option<Record>, AgentError> {
    let Some(bytes) = artifacts.get(key).await? else { return Ok(None) };
    if bytes.len() > SIZE {
        return Ok(None);
    }
    match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) if record.schema <= SCHEMA => Ok(Some(record)),
        // Without it nothing is compared; the next that passes writes it anew.
        Ok(_) | Err(_) => {
            tracing::warn!(key, "how suites stood cannot be read");
            Ok(None)
        }
    }
}

/// Tests that the change deleted, where it says so.
///
/// # Errors
/// Those of the store.
pub(crate) async fn deleted(
    artifacts: &dyn Artifacts,
    parameters: &RunTests,
) -> Result<Vec<String>, AgentError> {
    let Some(key) = &parameters.changes_key else { return Ok(Vec::new()) };
    let changes = bundle::change_set(artifacts, key).await?;
    let gone = changes.files.iter().filter_map(|file| match file.kind {
        ChangeKind::Deleted => Some(file.path.as_str()),
        _ => file.old_path.as_deref().filter(|old| is_test(old) && !is_test(&file.path)),
    });
    Ok(gone.filter(|path| is_test(path)).map(|path| truncated(path, 200)).collect())
}

/// Whether a path is one of a test, by how tools name them.
fn is_test(path: &str) -> bool {
    const SOURCES: &[&str] = &[
        "c", "cc", "cjs", "cpp", "cs", "cts", "dart", "erl", "ex", "exs", "fs", "go", "groovy",
        "hs", "java", "js", "jsx", "kt", "mjs", "mts", "php", "py", "rb", "rs", "scala", "sh",
        "swift", "ts", "tsx",
    ];
    const FOLDERS: &[&str] = &["__tests__", "spec", "specs", "test", "tests"];
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, end)) = name.rsplit_once('.') else { return false };
    let stem = stem.to_ascii_lowercase();
    SOURCES.contains(&end)
        && (stem.starts_with("test")
            || stem.ends_with("test")
            || stem.ends_with("tests")
            || stem.ends_with("spec")
            || folders.split('/').any(|folder| FOLDERS.contains(&folder)))
}

/// What is said where suites are gone.
pub(crate) fn said(gone: &[String], since: Option<&str>) -> String {
    let mut named = gone.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if gone.len() > NAMED {
        named.push_str(&format!(" and {} more", gone.len() - NAMED));
    }
    match since {
        Some(run) => format!("tests that there were in {run} are gone: {named}"),
        None => format!("the tests that there were before are gone: {named}"),
    }
}

/// The finding for it.
pub(crate) fn finding(said: &str) -> Finding {
    Finding::new(codes::TESTS_GONE, Severity::High, said).remedy(
        "bring them back; where they are meant to go, name the suites in gone of [tests] in pact.toml, \
         a commit before",
    )
}

/// Whether the stage is as good as it says, now that suites are gone.
pub(crate) fn without(status: StageStatus) -> StageStatus {
    if status == StageStatus::Failed { status } else { StageStatus::Skipped }
}

#[cfg(test)]
mod tests {
    use pact_agent::testing::Memory;
    use serde_json::json;

    use super::*;

    fn suite(name: &str, runner: &str, total: u64) -> SuiteOutput {
        SuiteOutput {
            name: name.to_owned(),
            status: StageStatus::Passed,
            summary: String::new(),
            runner: runner.to_owned(),
            total: Some(total),
            failed: Some(0),
            skipped: None,
        }
    }

    fn pushed(reference: &str) -> RunTests {
        serde_json::from_value(json!({
            "source": { "key": "s", "commit": "c" },
            "repository": { "name": "a/b", "url": "https://x/a/b", "default_branch": "main" },
            "reference": reference,
        }))
        .expect("parameters")
    }

    async fn of(memory: &Memory, reference: &str, run: &str) -> History {
        History::read(memory, &pushed(reference), "unit", run.to_owned()).await.expect("history")
    }

    #[tokio::test]
    async fn a_suite_that_is_gone_and_one_that_shrank_are_said() {
        let memory = Memory::new();
        let main = "refs/heads/main";
        let first = of(&memory, main, "run-1").await;
        assert!(first.gone(&[], &[]).is_empty(), "nothing is known yet");
        let suites =
            [suite("cargo", "cargo", 40), suite("web", "npm", 12), suite("api (go)", "go", 3)];
        first.keep(&*memory, &suites).await.expect("is kept");

        for (reference, run) in [(main, "run-2"), ("refs/pull/7/head", "run-3")] {
            let then = of(&memory, reference, run).await;
            assert_eq!(then.since(), "run-1");
            assert!(then.gone(&suites, &[]).is_empty() && then.fewer(&suites).is_empty());
            let now = [suite("cargo", "cargo", 30), suite("api", "go", 1)];
            assert_eq!(then.gone(&now, &[]), ["web (12 tests)"]);
            assert!(then.gone(&now, &["web".to_owned()]).is_empty());
            let fewer: Vec<_> = then.fewer(&now).into_iter().map(|f| f.message).collect();
            assert_eq!(fewer, ["cargo ran 30 tests, 40 in run-1"]);
            // As many, of which most are skipped; and what says nothing of its tests any more.
            let skipping = SuiteOutput { skipped: Some(20), ..suite("cargo", "cargo", 40) };
            let silent = SuiteOutput { total: None, ..suite("web", "npm", 0) };
            let fewer: Vec<_> =
                then.fewer(&[skipping, silent]).into_iter().map(|f| f.message).collect();
            let expected = [
                "cargo ran 20 tests, 40 in run-1",
                "web does not say how many tests it ran, 12 in run-1",
            ];
            assert_eq!(fewer, expected);
            // In its place something of the settings.
            let own =
                [suite("cargo", "cargo", 40), suite("web", "configured", 1), suite("api", "go", 3)];
            assert!(then.gone(&own, &[]).is_empty());
            assert!(then.gone(&[suite("unit", "configured", 9)], &[]).is_empty());
        }
        // The same run again is compared with the same.
        let again = of(&memory, main, "run-2").await;
        again.keep(&*memory, &suites[..2]).await.expect("is kept");
        let again = of(&memory, main, "run-2").await;
        assert_eq!((again.since(), again.gone(&suites[..2], &[]).len()), ("run-1", 1));
        let next = of(&memory, main, "run-4").await;
        assert_eq!((next.since(), next.gone(&suites[..2], &[]).len()), ("run-2", 0));
    }

    #[test]
    fn tests_are_known_by_their_paths() {
        for path in
            ["tests/test_a.py", "a_test.go", "src/AppTests.cs", "web/a.spec.ts", "src/test/A.java"]
        {
            assert!(is_test(path), "{path}");
        }
        for path in
            ["tests/README.md", "src/latest/a.py", "contest.json", "a.py", "docs/testing.md"]
        {
            assert!(!is_test(path), "{path}");
        }
    }
}
