//! What a build is to run: as it is configured, or as the repository itself suggests.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
    time::Duration,
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pact_agent::{AgentError, built, bundle};
use pact_contract::settings::NamedSuite;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    runners::runner::{Execution, Release, Task},
    suites::{self, MOST, Setup, Suite},
};

/// How one suite is run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Settings {
    /// Program and arguments; not a shell line.
    command: Vec<String>,
    /// Directory to run in, relative to the root of the repository.
    #[serde(default)]
    directory: Option<String>,
    /// Further environment variables.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// What is run, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) suites: Vec<Suite>,
    /// Tests that are there and cannot be run, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
    /// Suites that were left out, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<String>,
    /// SHA-256 of the bundle, in hexadecimal.
    pub(crate) digest: String,
    /// What is built beside the tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) releases: Vec<Release>,
    /// Why there are no suites, where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) without: Option<Without>,
}

/// Why a plan has no suites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Without {
    /// The repository has none.
    None(String),
    /// They are not run.
    NotRun(String),
}

/// Longest time of all suites together.
const LONGEST: Duration = Duration::from_secs(5 * 60 * 60);

impl Plan {
    /// How long all of it may take, one after another, where a suite has no time-out of its own.
    pub(crate) fn time(&self, default: Duration) -> Duration {
        let of = |suite: &Suite| {
            let seconds = suite.seconds.map_or(default, Duration::from_secs);
            seconds * (1 + u32::try_from(suite.setup.len()).unwrap_or(u32::MAX)).min(10)
        };
        let releases = self.releases.iter().map(|release| {
            Duration::from_secs(release.seconds)
                * u32::try_from(release.commands.len()).unwrap_or(1)
        });
        self.suites.iter().map(of).chain(releases).sum::<Duration>().min(LONGEST)
    }
}

impl Plan {
    /// Leaves what was found to a suite that is named.
    fn give_way(&mut self, named: &NamedSuite, directory: &str) {
        self.suites.retain(|suite| {
            let same = suite.directory == directory && suite.tool != "configured";
            suite.name != named.name && !same
        });
        self.unknown
            .retain(|tool| tool.rsplit_once('/').map_or("", |(folder, _)| folder) != directory);
    }
}

/// What planning finds.
pub(crate) enum Found {
    /// There is this to do.
    Plan(Box<Plan>),
    /// There is nothing to do, and this is why.
    Nothing(Execution),
}

/// What is asked for.
struct Asked {
    settings: Option<Settings>,
    table: &'static str,
    reports: Vec<String>,
    own: bool,
    suites: Vec<NamedSuite>,
    elsewhere: Vec<NamedSuite>,
    leave_out: Vec<String>,
    releases: Vec<Release>,
    served: Vec<String>,
    skip: Option<String>,
}

/// Finds out what is to be run.
///
/// # Errors
/// The bundle cannot be had, or not be unpacked.
pub(crate) async fn plan(
    settings: Option<&Settings>,
    task: &Task<'_>,
) -> Result<Found, AgentError> {
    let bytes = bundle::fetch(task.artifacts, task.source).await?;
    let asked = Asked {
        settings: settings.cloned(),
        table: task.table,
        reports: task.reports.to_vec(),
        own: task.own,
        suites: task.suites.to_vec(),
        elsewhere: task.elsewhere.to_vec(),
        leave_out: task.leave_out.to_vec(),
        releases: task.releases.to_vec(),
        served: task.served.to_vec(),
        skip: task.skip.map(str::to_owned),
    };
    let work = move || {
        let digest = hex::encode(Sha256::digest(&bytes));
        let folder = tempfile::Builder::new().prefix("pact-plan-").tempdir();
        let folder = folder
            .map_err(|e| AgentError::internal("cannot make a folder for the plan").caused_by(e))?;
        bundle::unpack(&bytes, folder.path())?;
        Ok(asked.all(folder.path(), digest))
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AgentError::internal("planning stopped").caused_by(e))?
}

impl Asked {
    /// The suites, and what is built beside them, also where there are none.
    fn all(mut self, root: &Path, digest: String) -> Found {
        let mut releases = std::mem::take(&mut self.releases);
        releases.extend(self.detected(root));
        let suites = match self.skip.take() {
            Some(reason) => Err(Execution::NotRun(reason)),
            None => self.plan(root, digest.clone()),
        };
        match suites {
            Ok(Found::Plan(plan)) => Found::Plan(Box::new(Plan { releases, ..*plan })),
            Ok(nothing @ Found::Nothing(_)) => nothing,
            Err(why) if releases.is_empty() => Found::Nothing(why),
            Err(why) => {
                let without = match why {
                    Execution::NoTests(reason) => Without::None(reason),
                    Execution::NotRun(reason) => Without::NotRun(reason),
                    other => return Found::Nothing(other),
                };
                Found::Plan(Box::new(Plan {
                    suites: Vec::new(),
                    unknown: Vec::new(),
                    left_out: Vec::new(),
                    digest,
                    releases,
                    without: Some(without),
                }))
            }
        }
    }

    /// What is built although nobody said how: a service is to be started from a file that the commit
    /// lacks, and that lies where the build that was found writes.
    fn detected(&self, root: &Path) -> Option<Release> {
        if self.served.is_empty() {
            return None;
        }
        let served: Vec<&str> = self.served.iter().map(String::as_str).collect();
        let build = suites::build(root)?;
        let serves = build.makes(root, &served)?.to_owned();
        let id = built::commands_id(&build.commands);
        let seconds = crate::runners::release::BUILD_SECONDS;
        Some(Release { id, commands: build.commands, seconds, runner: None, serves: Some(serves) })
    }

    fn plan(self, root: &Path, digest: String) -> Result<Found, Execution> {
        let mut plan = match &self.settings {
            Some(settings) => Plan {
                suites: vec![Suite {
                    name: self.table.rsplit('.').next().unwrap_or(self.table).to_owned(),
                    tool: "configured".to_owned(),
                    directory: inside(root, settings.directory.as_deref(), self.table)?,
                    command: settings.command.clone(),
                    environment: settings.env.clone(),
                    reports: self.reports.clone(),
                    ..Suite::default()
                }],
                unknown: Vec::new(),
                left_out: Vec::new(),
                digest,
                releases: Vec::new(),
                without: None,
            },
            None if !self.own => Plan {
                suites: Vec::new(),
                unknown: Vec::new(),
                left_out: Vec::new(),
                digest,
                releases: Vec::new(),
                without: None,
            },
            None => {
                let found = suites::find(root);
                let left_out = found.aside;
                Plan {
                    suites: found.suites,
                    unknown: found.unknown,
                    left_out,
                    digest,
                    releases: Vec::new(),
                    without: None,
                }
            }
        };
        self.leave_out(&mut plan);
        self.name(root, &mut plan)?;
        if plan.suites.len() > MOST {
            let rest = plan.suites.split_off(MOST);
            let named: Vec<_> = rest.iter().take(3).map(|suite| suite.name.as_str()).collect();
            let more = rest.len();
            plan.unknown.push(format!("{more} more suites than {MOST}: {} …", named.join(", ")));
        }
        if !plan.suites.is_empty() {
            return Ok(Found::Plan(Box::new(plan)));
        }
        Err(if plan.unknown.is_empty() {
            Execution::NoTests(
                "no tests found: no Cargo.toml, package.json with a test script, Python tests, \
                 go.mod with tests, pom.xml, Gradle or CMake build with tests, test project of \
                 .NET, specs of Ruby, phpunit.xml or Makefile with a test target, at any depth; \
                 set command in [tests.unit] of pact.toml"
                    .to_owned(),
            )
        } else {
            Execution::NotRun(unknown(&plan.unknown))
        })
    }

    /// Leaves out what the settings say.
    fn leave_out(&self, plan: &mut Plan) {
        let mut patterns = GlobSetBuilder::new();
        for pattern in &self.leave_out {
            let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
            if let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() {
                patterns.add(glob);
            }
        }
        let patterns = patterns.build().unwrap_or_else(|_| GlobSet::empty());
        let (out, suites) = std::mem::take(&mut plan.suites).into_iter().partition(|suite| {
            patterns.is_match(&suite.name) || patterns.is_match(&suite.directory)
        });
        plan.suites = suites;
        let out: Vec<Suite> = out;
        plan.left_out.extend(out.into_iter().map(|suite| suite.name));
        let left = |tool: &String| patterns.is_match(tool.rsplit_once('/').map_or("", |(f, _)| f));
        plan.unknown.retain(|tool| !left(tool) && !patterns.is_match(tool));
    }

    /// Adds what the settings name, in place of what was found under the same name or in the same
    /// folder.
    fn name(&self, root: &Path, plan: &mut Plan) -> Result<(), Execution> {
        for named in &self.elsewhere {
            let directory = inside(root, named.directory.as_deref(), "tests.suites")?;
            plan.give_way(named, &directory);
        }
        for named in &self.suites {
            let directory = inside(root, named.directory.as_deref(), "tests.suites")?;
            plan.give_way(named, &directory);
            let setup = named
                .setup
                .iter()
                .map(|command| Setup { directory: directory.clone(), command: command.clone() });
            plan.suites.push(Suite {
                name: named.name.clone(),
                tool: "configured".to_owned(),
                setup: setup.collect(),
                command: named.command.clone(),
                environment: named.env.clone(),
                seconds: named.timeout_seconds,
                reports: named.reports.clone(),
                directory,
                ..Suite::default()
            });
        }
        Ok(())
    }
}

/// A folder of the repository, as it is written in a plan.
fn inside(root: &Path, directory: Option<&str>, table: &str) -> Result<String, Execution> {
    let directory = directory.unwrap_or(".");
    let plain = Path::new(directory)
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let whole = root.canonicalize().ok();
    let found = root.join(directory).canonicalize().ok();
    let there = found.zip(whole).is_some_and(|(d, root)| d.is_dir() && d.starts_with(root));
    if !plain || !there {
        return Err(Execution::NotRun(format!(
            "the directory {directory:?} of [{table}] is not in the repository"
        )));
    }
    let parts = directory.split('/').filter(|part| !matches!(*part, "" | "."));
    Ok(parts.collect::<Vec<_>>().join("/"))
}

/// What is said of tests that cannot be run.
pub(crate) fn unknown(files: &[String]) -> String {
    let mut named = files.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if files.len() > 5 {
        named.push_str(" and more");
    }
    format!(
        "the tests were not run: how is not known for {named}; name them in [[tests.suites]] of \
         pact.toml, or leave them out"
    )
}

/// The command as a person would write it.
pub(crate) fn line(command: &[String]) -> String {
    let shown = |word: &&String| !word.contains(suites::REPORTS);
    let quoted = |word: &String| {
        let word = word.replace(&format!("{}/bin/", suites::TOOLS), "");
        if word.is_empty() || word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word
        }
    };
    command.iter().filter(shown).map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_written() {
        let words = ["sh", "-c", "exit 1"].map(str::to_owned);
        assert_eq!(line(&words), "sh -c 'exit 1'");
        let words = ["@tools@/bin/python", "-m", "pytest", "--junitxml=@reports@/pytest.xml"];
        assert_eq!(line(&words.map(str::to_owned)), "python -m pytest");
    }

    fn planned(asked: Asked) -> Result<Vec<(String, String)>, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let package = "{\"scripts\":{\"test\":\"jest\"}}";
        for (path, content) in [
            ("web/package.json", package),
            ("docs/package.json", package),
            ("api/go.mod", ""),
            ("api/a_test.go", ""),
            ("app/mix.exs", ""),
            ("app/test/a_test.exs", ""),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        match asked.plan(dir.path(), String::new()) {
            Ok(Found::Plan(plan)) => Ok(plan
                .suites
                .into_iter()
                .map(|suite| (suite.name, line(&suite.command)))
                .chain(plan.unknown.into_iter().map(|tool| (tool, "unknown".to_owned())))
                .chain(plan.left_out.into_iter().map(|name| (name, "left out".to_owned())))
                .collect()),
            Ok(Found::Nothing(why)) | Err(why) => match why {
                Execution::NotRun(why) | Execution::NoTests(why) => Err(why),
                _ => Err("another reason".to_owned()),
            },
        }
    }

    fn asked(suites: &[(&str, &str, &str)], leave_out: &[&str]) -> Asked {
        let named = |(name, directory, command): &(&str, &str, &str)| NamedSuite {
            name: (*name).to_owned(),
            directory: Some((*directory).to_owned()),
            command: vec![(*command).to_owned()],
            ..NamedSuite::default()
        };
        Asked {
            settings: None,
            table: "tests.unit",
            reports: Vec::new(),
            own: true,
            suites: suites.iter().map(named).collect(),
            elsewhere: Vec::new(),
            leave_out: leave_out.iter().map(|p| (*p).to_owned()).collect(),
            releases: Vec::new(),
            served: Vec::new(),
            skip: None,
        }
    }

    #[test]
    fn the_settings_add_replace_and_leave_out() {
        let suites = |asked: Asked| {
            let found = planned(asked).expect("a plan");
            found.into_iter().map(|(name, how)| format!("{name}: {how}")).collect::<Vec<_>>()
        };
        assert_eq!(
            suites(asked(&[], &[])),
            ["api: go test -v ./...", "docs: npm test", "web: npm test", "app/mix.exs: unknown"]
        );
        let own = [("web", "web", "a"), ("elixir", "app", "b"), ("more", "web/", "c")];
        assert_eq!(
            suites(asked(&own, &["docs"])),
            ["api: go test -v ./...", "web: a", "elixir: b", "more: c", "docs: left out"]
        );
        let all = planned(asked(&[], &["*"])).expect_err("nothing is left");
        assert!(all.starts_with("no tests found"), "{all}");
        let gone = planned(asked(&[("x", "../y", "a")], &[])).expect_err("is refused");
        assert!(gone.contains("\"../y\" of [tests.suites] is not in the repository"), "{gone}");
    }
}
