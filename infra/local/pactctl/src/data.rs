//! The data folder: who owns it, what is in it.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, Permissions, TryLockError},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use pact_processes::Place;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    disk,
    failure::{Context, Failure},
};

/// The data folder, held by this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    /// Absolute path.
    pub root: PathBuf,
    /// Held while the process lives; the operating system gives it back after a kill.
    _lock: File,
    created: bool,
}

/// How to reach the stack that owns a data folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Process that hosts the stack.
    pub pid: u32,
    /// The folder that it has: a copy of a folder has the file of the first one's stack.
    pub place: Place,
    /// Gateway and dashboard.
    pub api: String,
    /// Step Functions, DynamoDB, Lambda and the Parameter Store for any AWS client.
    pub aws: String,
    /// Name of the run table.
    pub table: String,
    /// ARN of the pipeline's state machine.
    pub pipeline_arn: String,
    /// Folder of the packages that the functions run from; none where they run from that process's
    /// own program.
    #[serde(default)]
    pub packages: Option<PathBuf>,
    /// Instances of a function that may run at once, where the template reserves none.
    pub concurrency: u32,
    /// Invocations of a function that may wait for an instance.
    pub queue: usize,
}

/// Secrets of the local stack: made once, readable by the owner only.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// Shared with the "git host", which is this program.
    pub webhook: String,
    /// Bearer token of the API.
    pub api_token: String,
    /// What the credentials of the AWS endpoint are made from. Folders of before have none.
    #[serde(default)]
    pub aws: String,
    /// What the records of runs are sealed with. Folders of before have none.
    #[serde(default)]
    pub log_key: String,
}

/// Result of asking for a data folder.
pub(crate) enum Opened {
    /// It is ours now.
    Owned(DataFolder),
    /// A stack is up on it.
    InUse,
}

impl DataFolder {
    /// Opens, and creates, the folder.
    ///
    /// # Errors
    /// Usage failures: not a folder, not writable.
    pub(crate) fn open(path: &Path) -> Result<Opened, Failure> {
        let created = !path.exists();
        let refused = |error: std::io::Error| {
            Failure::usage(format!("cannot use {} as data folder: {error}", path.display()))
                .remedy("choose another with --data DIR")
        };
        make_private(path).map_err(refused)?;
        let root = path.canonicalize().map_err(refused)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(|error| {
                if created {
                    discard(&root);
                }
                refused(error)
            })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Opened::InUse),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        if let Err(full) = disk::try_writing(&root) {
            if created {
                discard(&root);
            }
            return Err(Failure::usage(full.to_string()).remedy(disk::REMEDY));
        }
        // The folder lies in a work tree more often than not: it must not show up in its status.
        std::fs::write(root.join(".gitignore"), "*\n").map_err(refused)?;
        Ok(Opened::Owned(Self { root, _lock: lock, created }))
    }

    /// Whether the folder was made by this process.
    pub(crate) fn is_new(&self) -> bool {
        self.created
    }

    /// A path in the folder.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Removes the folder, if this process made it: a command that fails leaves nothing behind.
    pub(crate) fn discard(self) {
        if self.created {
            discard(&self.root);
        }
    }

    /// The secrets; made at the first call.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failure> {
        let secrets = match Secrets::read(&self.root) {
            Some(secrets) if !secrets.aws.is_empty() && !secrets.log_key.is_empty() => {
                return Ok(secrets);
            }
            Some(secrets) => {
                let kept = |secret: String| if secret.is_empty() { random() } else { secret };
                Secrets {
                    aws: kept(secrets.aws.clone()),
                    log_key: kept(secrets.log_key.clone()),
                    ..secrets
                }
            }
            None => {
                Secrets { webhook: random(), api_token: random(), aws: random(), log_key: random() }
            }
        };
        write_private(&self.join("secrets.json"), &secrets)?;
        Ok(secrets)
    }

    /// Which folder it is.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        Place::of(&self.root).doing("look at the data folder")
    }

    /// Tells other processes how to reach this stack.
    pub(crate) fn announce(&self, endpoints: &Endpoints) -> Result<(), Failure> {
        write_private(&self.join("stack.json"), endpoints)
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw(&self) {
        if let Err(error) = std::fs::remove_file(self.join("stack.json")) {
            tracing::debug!(%error, "no announcement to take back");
        }
    }
}

impl Secrets {
    /// The secrets of a data folder, where there are any.
    pub(crate) fn read(root: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(root.join("secrets.json")).ok()?).ok()
    }
}

impl Endpoints {
    /// How the stack on this folder is reached, where one is up.
    pub(crate) fn read(root: &Path) -> Option<Self> {
        let text = std::fs::read(root.join("stack.json")).ok()?;
        let announced: Self = serde_json::from_slice(&text).ok()?;
        announced.place.is(root).then_some(announced)
    }
}

/// Name of the file with the parameters that were given by command.
const PARAMETERS: &str = "parameters.json";

/// The parameters that were given by command, by their names below the stack's: none before the first.
///
/// # Errors
/// A file that is no such list, or that cannot be read.
pub(crate) fn parameters(root: &Path) -> std::io::Result<BTreeMap<String, String>> {
    match std::fs::read(root.join(PARAMETERS)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Keeps a parameter, or forgets it.
///
/// # Errors
/// A folder that is none, a list that cannot be read or written.
pub(crate) fn put_parameter(root: &Path, name: &str, value: Option<&str>) -> Result<(), Failure> {
    if value.is_none() && !root.exists() {
        return Ok(());
    }
    change_parameter(root, name, |_| value.map(str::to_owned))
}

/// Makes the data folder, and keeps it for its owner alone: what is in it is written by many, each with
/// rights of its own. A folder of something else stays as open as it is.
fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    let own = path.join(TABLE).exists() || std::fs::read_dir(path)?.next().is_none();
    if own {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The file of the table, by which a data folder is known.
const TABLE: &str = "dynamodb.sqlite";

/// Puts what `change` makes of a parameter into its place, or forgets it: whole, or not at all, and
/// after whoever else changes one.
///
/// # Errors
/// A folder that is none, a list that cannot be read or written.
pub(crate) fn change_parameter(
    root: &Path,
    name: &str,
    change: impl FnOnce(Option<&str>) -> Option<String>,
) -> Result<(), Failure> {
    make_private(root).doing("make the data folder")?;
    let mut options = OpenOptions::new();
    let lock = options.create(true).truncate(false).write(true).mode(0o600);
    let lock = lock.open(root.join("parameters.lock")).doing("open the lock of the parameters")?;
    // Until it is dropped.
    lock.lock().doing("wait for whoever else changes the parameters")?;
    let mut all = parameters(root).doing("read the parameters of the data folder")?;
    let before = all.get(name).cloned();
    let after = change(before.as_deref());
    if before == after {
        return Ok(());
    }
    match after {
        Some(value) => drop(all.insert(name.to_owned(), value)),
        None => drop(all.remove(name)),
    }
    write_private(&root.join(PARAMETERS), &all)
}

fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn discard(root: &Path) {
    if let Err(error) = std::fs::remove_dir_all(root) {
        tracing::warn!(%error, "cannot remove the data folder");
    }
}

/// Writes a file that only its owner reads: whole, or not at all.
fn write_private<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let what = format!("write {}", path.display());
    let text = serde_json::to_vec_pretty(value).doing(&what)?;
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)
        .doing(&what)?;
    file.write_all(&text).doing(&what)?;
    file.sync_all().doing(&what)?;
    std::fs::rename(&temporary, path).doing(&what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time_and_secrets_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("data");
        let Ok(Opened::Owned(first)) = DataFolder::open(&path) else { panic!("is ours") };
        assert!(matches!(DataFolder::open(&path), Ok(Opened::InUse)));
        let secrets = first.secrets().expect("secrets");
        drop(first);
        let Ok(Opened::Owned(second)) = DataFolder::open(&path) else { panic!("is ours again") };
        assert_eq!(second.secrets().expect("secrets").webhook, secrets.webhook);
        assert_eq!(second.secrets().expect("secrets").aws, secrets.aws);
        second.discard();
        assert!(path.exists(), "an existing folder is never removed");
    }

    #[test]
    fn parameters_are_kept_for_the_owner_alone_until_they_are_forgotten() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("data");
        put_parameter(&root, "a/b", None).expect("nothing to forget");
        assert!(!root.exists());
        put_parameter(&root, "a/b", Some("one")).expect("kept");
        put_parameter(&root, "c", Some("two")).expect("kept");
        put_parameter(&root, "a/b", Some("three")).expect("replaced");
        let all = parameters(&root).expect("a list");
        assert_eq!(all["a/b"], "three");
        assert_eq!(all.len(), 2);
        let mode = std::fs::metadata(root.join(PARAMETERS)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        put_parameter(&root, "a/b", None).expect("forgotten");
        assert_eq!(parameters(&root).expect("a list").len(), 1);
        std::fs::write(root.join(PARAMETERS), "{").expect("damage");
        assert!(parameters(&root).is_err() && put_parameter(&root, "c", None).is_err());
    }

    #[test]
    fn a_copy_of_a_folder_knows_nothing_of_the_stack_of_the_first() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, copy) = (dir.path().join("data"), dir.path().join("copy"));
        let Ok(Opened::Owned(folder)) = DataFolder::open(&path) else { panic!("is ours") };
        let endpoints = Endpoints {
            pid: 1,
            place: folder.place().expect("a folder"),
            api: "http://127.0.0.1:1".to_owned(),
            aws: "http://127.0.0.1:2".to_owned(),
            table: "pact".to_owned(),
            pipeline_arn: "arn".to_owned(),
            packages: None,
            concurrency: 1,
            queue: 1,
        };
        folder.announce(&endpoints).expect("is announced");
        assert!(Endpoints::read(&path).is_some());
        std::fs::create_dir(&copy).expect("a folder");
        std::fs::copy(path.join("stack.json"), copy.join("stack.json")).expect("a copy");
        assert!(Endpoints::read(&copy).is_none());
        let moved = dir.path().join("moved");
        std::fs::rename(&path, &moved).expect("is moved");
        assert!(Endpoints::read(&moved).is_some(), "the stack that is up has it still");
    }

    #[test]
    fn what_was_created_in_vain_is_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("data");
        let Ok(Opened::Owned(folder)) = DataFolder::open(&path) else { panic!("is ours") };
        folder.discard();
        assert!(!path.exists());
    }
}
