//! `security.check_dependencies`: versions in lock files against known advisories.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pact_agent::{AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{Finding, Severity, codes};

use crate::{
    deps::{
        Advisories, Ecosystem, Package,
        lock::{self, About, Parsed, Way},
        manifest,
        origin::Packages,
        sbom::Materials,
        verdict::{self, Use, short},
    },
    report::{self, Seen},
    scope::{Ledger, text},
    source::{Source, Version, blocking},
};

/// Largest lock file.
const MAX_FILE: u64 = 32 * 1024 * 1024;
/// Most lock files of a repository.
const MAX_LOCK_FILES: usize = 2_000;
/// Most different package versions of a repository.
const MAX_PACKAGES: usize = 100_000;
/// Most dependencies that are named as not checked.
const MAX_UNCHECKED: usize = 200;

/// What the lock files of a repository say.
#[derive(Default)]
struct Inventory {
    uses: BTreeMap<Package, Vec<Use>>,
    /// What the base uses.
    before: BTreeMap<Package, Vec<Use>>,
    /// What the lock files say of them besides, those of the base first.
    about: [BTreeMap<Package, About>; 2],
    findings: Vec<Finding>,
    lock_files: usize,
    /// Folders with a lock file, by ecosystem.
    locked: BTreeSet<(Ecosystem, String)>,
    /// Files that declare dependencies.
    manifests: Vec<(Ecosystem, String)>,
    unchecked: usize,
    ledger: Ledger,
    materials: Materials,
}

/// Carries out the action.
pub(crate) async fn act(
    artifacts: &dyn Artifacts,
    advisories: &Advisories,
    call: &Call,
) -> Result<Outcome, AgentError> {
    let source = Source::load(artifacts, call).await?;
    let commit = source.changes.head.clone();
    let (source, mut inventory) = blocking(move || {
        let inventory = Inventory::of(&source)?;
        Ok((source, inventory))
    })
    .await?;
    let materials = std::mem::take(&mut inventory.materials);
    let deadline = tokio::time::Instant::now() + call.time_left();
    let mut outcome = judge(inventory, advisories, &source, deadline).await?;
    if materials.len() > 0 {
        let document = blocking(move || {
            materials
                .document("repository", &commit)
                .map_err(|e| AgentError::internal(format!("the bill of materials: {e}")))
        });
        let key = format!("runs/{}/sbom.cdx.json", call.scope());
        artifacts.put(&key, document.await?.into()).await?;
        if let Some(output) = outcome.output.as_object_mut() {
            output.insert("sbom_key".to_owned(), key.into());
        }
    }
    Ok(outcome)
}

async fn judge(
    inventory: Inventory,
    advisories: &Advisories,
    source: &Source,
    deadline: tokio::time::Instant,
) -> Result<Outcome, AgentError> {
    let Inventory {
        uses,
        before,
        about: [about_before, about_now],
        mut findings,
        lock_files,
        manifests,
        unchecked,
        mut ledger,
        ..
    } = inventory;
    if lock_files == 0 && manifests.is_empty() && ledger.incomplete().is_none() {
        let outcome = Outcome::nothing_to_check("nothing in the repository declares dependencies");
        return Ok(outcome.with_findings(ledger.findings()));
    }
    if uses.is_empty() && unchecked > 0 && ledger.incomplete().is_none() {
        ledger.not_read(
            "the repository",
            format!("none of {unchecked} dependencies has a version that can be checked"),
        );
    }
    let mut incomplete = Vec::new();
    let packages = Packages { uses: &uses, before: &before, about: [&about_before, &about_now] };
    let licenses = &source.settings.licenses;
    let (odd, mut known) = packages.findings(licenses, Timestamp::now(), &mut ledger);
    findings.extend(odd);
    if !uses.is_empty() {
        let packages: BTreeSet<Package> = uses.keys().chain(before.keys()).cloned().collect();
        match advisories.about(&packages, deadline).await {
            Err(reason) => {
                incomplete.push(format!("{} packages were not checked: {reason}", uses.len()));
            }
            Ok(answer) => {
                tracing::info!(
                    packages = packages.len(),
                    origin = answer.origin,
                    "compared with advisories"
                );
                incomplete.extend(answer.incomplete.iter().cloned());
                let old: BTreeSet<_> = verdict::verdicts(&answer, &before, &source.accept)
                    .into_iter()
                    .flat_map(|v| v.keys)
                    .collect();
                for verdict in verdict::verdicts(&answer, &uses, &source.accept) {
                    // The same hole in another version of the same package is no new one.
                    let list =
                        if verdict.keys.is_disjoint(&old) { &mut findings } else { &mut known };
                    let later = verdict.keys.iter().find(|(.., id)| {
                        source.accept_later.iter().any(|accepted| accepted.eq_ignore_ascii_case(id))
                    });
                    list.extend(verdict.findings.into_iter().map(|mut finding| {
                        if let Some((.., id)) = later {
                            finding.message = format!(
                                "{}; that this push accepts {id} counts from the next commit on",
                                finding.message
                            );
                        }
                        finding
                    }));
                }
            }
        }
    }
    report::conclude(
        Seen {
            checked: uses.len(),
            noun: ("package", "packages"),
            sought: "advisories",
            findings,
            before: known,
            ledger,
            incomplete,
            ..Seen::default()
        },
        &source.waivers,
    )
}

/// The folder of a path.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Inventory {
    fn of(source: &Source) -> Result<Self, AgentError> {
        let mut inventory = Self::default();
        let changed: BTreeSet<&str> =
            source.changes.files.iter().map(|change| change.path.as_str()).collect();
        let has_base = source.has_base();
        let mut ignored = Vec::new();
        source.each_file(
            MAX_FILE,
            |path| {
                let wanted = lock::kind(path).is_some()
                    || manifest::ecosystem(path).is_some()
                    || lock::not_read(path).is_some();
                if let Some(rule) = wanted.then(|| source.ignore.rule(path)).flatten() {
                    ignored.push((path.to_owned(), rule));
                    return false;
                }
                wanted
            },
            |path, content| {
                if lock::kind(path).is_some() {
                    let old = has_base && !changed.contains(path);
                    inventory.add(path, content, old);
                } else if let Some(why) = lock::not_read(path) {
                    inventory.ledger.not_read(path, why);
                } else if let Some(ecosystem) = manifest::ecosystem(path)
                    && content.is_none_or(|c| manifest::declares(path, &text::decode(c).text))
                {
                    inventory.manifests.push((ecosystem, path.to_owned()));
                }
                Ok(())
            },
        )?;
        for (path, rule) in ignored {
            inventory.ledger.ignored(&path, &rule);
        }
        if has_base {
            source.each_version(
                |version| matches!(version, Version::Before(path) if lock::kind(path).is_some()),
                |version, content| {
                    if let Version::Before(path) = version {
                        inventory.add_before(path, content);
                    }
                    Ok(())
                },
            )?;
        }
        inventory.look_for_locks();
        Ok(inventory)
    }

    /// A file that declares dependencies without a lock file beside or above it.
    fn look_for_locks(&mut self) {
        for (ecosystem, path) in &self.manifests {
            let mut place = folder(path);
            loop {
                if self.locked.contains(&(*ecosystem, place.to_owned())) {
                    break;
                }
                if place.is_empty() {
                    self.ledger.not_read(
                        path,
                        format!("it declares dependencies, and no lock file of {} says which versions they have", ecosystem.as_str()),
                    );
                    break;
                }
                place = folder(place);
            }
        }
    }

    fn add_before(&mut self, path: &str, content: &[u8]) {
        let Some(kind) = lock::kind(path) else { return };
        // What cannot be read counts as nothing: then everything is new.
        let Ok(parsed) = lock::parse(kind, &text::decode(content).text) else { return };
        let [about, _] = &mut self.about;
        about.extend(parsed.about);
        for (package, line) in parsed.packages.into_iter().take(MAX_PACKAGES) {
            self.before.entry(package).or_default().push(Use {
                path: path.to_owned(),
                line,
                way: String::new(),
            });
        }
    }

    fn add(&mut self, path: &str, content: Option<&[u8]>, old: bool) {
        self.lock_files += 1;
        let Some(kind) = lock::kind(path) else { return };
        if self.lock_files > MAX_LOCK_FILES {
            if self.lock_files == MAX_LOCK_FILES + 1 {
                self.ledger
                    .not_read(path, format!("there are more than {MAX_LOCK_FILES} lock files"));
            }
            return;
        }
        let parsed = match content {
            None => Err(format!("it is larger than {} MiB", MAX_FILE / 1024 / 1024)),
            Some(content) => {
                self.ledger.read(content.len() as u64);
                lock::parse(kind, &text::decode(content).text)
            }
        };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => {
                let reason = short(&reason, 300);
                self.ledger.not_read(path, format!("could not be read: {reason}"));
                self.findings.push(
                    Finding::new(
                        codes::LOCK_FILE_UNREADABLE,
                        Severity::Medium,
                        format!("not checked: {reason}"),
                    )
                    .at(path, None, None)
                    .remedy("mend the file, or add it to security.ignore when it is a fixture"),
                );
                return;
            }
        };
        self.locked.insert((kind.ecosystem(), folder(path).to_owned()));
        // The locks of Gradle's older form lie in a folder of their own.
        if let Some((above, _)) = path.split_once("gradle/dependency-locks/") {
            self.locked.insert((kind.ecosystem(), above.trim_end_matches('/').to_owned()));
        }
        let names = parsed.packages.iter().map(|(package, _)| package.name.as_str());
        let ways = parsed.graph.ways(names);
        if self.materials.len() < MAX_PACKAGES {
            self.materials.add(&parsed, &ways);
        }
        let [about_before, about_now] = &mut self.about;
        if old {
            about_before.extend(parsed.about.clone());
        }
        about_now.extend(parsed.about.clone());
        let Parsed { packages, unchecked, .. } = &parsed;
        for (package, line) in packages {
            if self.uses.len() >= MAX_PACKAGES && !self.uses.contains_key(package) {
                self.ledger.not_read(path, format!("there are more than {MAX_PACKAGES} packages"));
                break;
            }
            let way = ways.get(package.name.as_str()).map(Way::text).unwrap_or_default();
            let place = Use { path: path.to_owned(), line: *line, way };
            if old {
                self.before.entry(package.clone()).or_default().push(place.clone());
            }
            let uses = self.uses.entry(package.clone()).or_default();
            if !uses.iter().any(|u| u.path == path) {
                uses.push(place);
            }
        }
        let loose = unchecked.iter().filter(|u| u.why == lock::NOT_PINNED).count();
        if loose > 0 {
            let word = if loose == 1 { "dependency is" } else { "dependencies are" };
            self.ledger.not_read(path, format!("{loose} {word} not pinned to a version"));
        }
        for entry in unchecked {
            self.unchecked += 1;
            if self.unchecked <= MAX_UNCHECKED {
                let name = short(&entry.name, 100);
                self.findings.push(
                    Finding::new(
                        codes::DEPENDENCY_NOT_CHECKED,
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
