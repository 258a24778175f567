//! `security.check_dependencies`: versions in lock files against known advisories.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use pact_agent::{AgentError, Call, Outcome, bundle, ports::Artifacts};
use pact_contract::{Finding, Severity, actions::SecurityCheck};

use crate::{
    deps::{
        Advisories, Package,
        lock::{self, Parsed},
        verdict::{self, Use, short},
    },
    report::{self, Seen},
    source::{Ignore, blocking, check_deadline},
};

/// Largest lock file.
const MAX_FILE: u64 = 32 * 1024 * 1024;
/// Most lock files of a repository.
const MAX_LOCK_FILES: usize = 200;
/// Most different package versions of a repository.
const MAX_PACKAGES: usize = 50_000;
/// Most dependencies that are named as not checked.
const MAX_UNCHECKED: usize = 200;

/// What the lock files of a repository say.
#[derive(Default)]
struct Inventory {
    uses: BTreeMap<Package, Vec<Use>>,
    findings: Vec<Finding>,
    lock_files: usize,
    /// Whether anything declares dependencies, locked or not.
    manifest: bool,
    unchecked: usize,
    incomplete: Vec<String>,
}

/// Carries out the action.
pub(crate) async fn act(
    artifacts: &dyn Artifacts,
    advisories: &Advisories,
    call: &Call,
) -> Result<Outcome, AgentError> {
    let check: SecurityCheck = call.parameters()?;
    let ignore = Ignore::new(&check.settings.ignore)?;
    let bundle = bundle::fetch(artifacts, &check.source).await?;
    let deadline = call.deadline.into_std();
    let inventory = blocking(move || {
        let mut inventory = Inventory::default();
        let manifest = Cell::new(false);
        bundle::visit_files(
            &bundle,
            MAX_FILE,
            |path| {
                if ignore.matches(path) {
                    return false;
                }
                manifest.set(manifest.get() || is_manifest(path));
                lock::kind(path).is_some()
            },
            |path, content| {
                check_deadline(deadline)?;
                inventory.add(path, content);
                Ok(())
            },
        )?;
        inventory.manifest = manifest.get();
        Ok(inventory)
    })
    .await?;
    judge(inventory, advisories, &check, tokio::time::Instant::now() + call.time_left()).await
}

/// Files that declare dependencies of the ecosystems in use today.
const MANIFESTS: &[&str] = &[
    "Cargo.toml",
    "Gemfile",
    "Package.swift",
    "Pipfile",
    "build.gradle",
    "build.gradle.kts",
    "composer.json",
    "go.mod",
    "mix.exs",
    "package.json",
    "pom.xml",
    "pubspec.yaml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
];

fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    MANIFESTS.contains(&name) || name.ends_with(".csproj")
}

async fn judge(
    inventory: Inventory,
    advisories: &Advisories,
    check: &SecurityCheck,
    deadline: tokio::time::Instant,
) -> Result<Outcome, AgentError> {
    let Inventory { uses, mut findings, lock_files, manifest, unchecked, mut incomplete } =
        inventory;
    if lock_files == 0 && !manifest {
        return Ok(Outcome::nothing_to_check("nothing in the repository declares dependencies"));
    }
    if lock_files == 0 {
        return Ok(Outcome::skipped(
            "no lock file that is understood (Cargo.lock, package-lock.json, poetry.lock, requirements.txt)",
        ));
    }
    if uses.is_empty() && (unchecked > 0 || !incomplete.is_empty()) {
        let reason = incomplete.first().cloned().unwrap_or_else(|| {
            format!("none of {unchecked} dependencies has a version that can be checked")
        });
        return Ok(
            Outcome::skipped(format!("nothing could be checked: {reason}")).with_findings(findings)
        );
    }
    if !uses.is_empty() {
        let packages: BTreeSet<Package> = uses.keys().cloned().collect();
        let answer = match advisories.about(&packages, deadline).await {
            Ok(answer) => answer,
            Err(reason) => {
                return Ok(Outcome::skipped(format!(
                    "{} packages were not checked: {reason}",
                    packages.len()
                ))
                .with_findings(findings));
            }
        };
        tracing::info!(
            packages = packages.len(),
            origin = answer.origin,
            "compared with advisories"
        );
        incomplete.extend(answer.incomplete.iter().cloned());
        findings.extend(verdict::findings(&answer, &uses, &check.settings.accept));
    }
    report::conclude(Seen {
        checked: uses.len(),
        noun: ("package", "packages"),
        findings,
        incomplete: (!incomplete.is_empty()).then(|| short(&incomplete.join("; "), 1_000)),
    })
}

impl Inventory {
    fn add(&mut self, path: &str, content: Option<&[u8]>) {
        self.lock_files += 1;
        let Some(kind) = lock::kind(path) else { return };
        if self.lock_files > MAX_LOCK_FILES {
            if self.lock_files == MAX_LOCK_FILES + 1 {
                self.incomplete.push(format!("there are more than {MAX_LOCK_FILES} lock files"));
            }
            return;
        }
        let parsed = match content {
            None => Err(format!("it is larger than {} MiB", MAX_FILE / 1024 / 1024)),
            Some(content) => lock::parse(kind, &String::from_utf8_lossy(content)),
        };
        let Parsed { packages, unchecked } = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => {
                let reason = short(&reason, 300);
                self.incomplete.push(format!("{path} could not be read"));
                self.findings.push(
                    Finding::new(
                        "lock-file-unreadable",
                        Severity::Medium,
                        format!("not checked: {reason}"),
                    )
                    .at(path, None, None)
                    .remedy("mend the file, or add it to security.ignore when it is a fixture"),
                );
                return;
            }
        };
        for (package, line) in packages {
            if self.uses.len() >= MAX_PACKAGES && !self.uses.contains_key(&package) {
                self.incomplete.push(format!("there are more than {MAX_PACKAGES} packages"));
                break;
            }
            let uses = self.uses.entry(package).or_default();
            if !uses.iter().any(|u| u.path == path) {
                uses.push(Use { path: path.to_owned(), line });
            }
        }
        for entry in unchecked {
            self.unchecked += 1;
            if self.unchecked <= MAX_UNCHECKED {
                let name = short(&entry.name, 100);
                self.findings.push(
                    Finding::new(
                        "dependency-not-checked",
                        Severity::Info,
                        format!("{name}: {}", entry.why),
                    )
                    .at(path, entry.line, None)
                    .remedy("pin it to one version of the public registry"),
                );
            }
        }
    }
}
