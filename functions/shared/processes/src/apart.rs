//! Programs that may not see a folder of this machine.
//!
//! They run as the user that starts them and with its network, and could read whatever that user may. What
//! is hidden from them is covered in a mount namespace of theirs, in which they are nobody of importance:
//! they can neither uncover it, nor look through the processes of the machine, which are in the user
//! namespace around theirs.
//!
//! A stage of the starting program does it: [`main`], and then it becomes the program, with the same process
//! id. Where the machine does not let it the program runs all the same, and its output says first what it
//! may see.

use std::{
    convert::Infallible,
    ffi::OsString,
    fs::File,
    io::{self, PipeReader, Read as _, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use serde::{Deserialize, Serialize};

/// Longest reason why a program does not begin.
const MAX_REASON: u64 = 4_096;

/// A folder that is hidden from programs.
#[derive(Clone, Debug)]
pub struct Apart {
    stage: Vec<OsString>,
    hidden: PathBuf,
    /// Why nothing can be hidden on this machine.
    why_not: Option<String>,
}

/// What the stage is told.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    hidden: PathBuf,
    shown: Vec<Shown>,
    folder: PathBuf,
    why_not: Option<String>,
    /// Whether its standard input is the way to say why the program does not begin.
    tells: bool,
}

/// A folder within the hidden one that is to be seen all the same. One that is not there is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The folder.
    pub path: PathBuf,
    /// Whether it may be written.
    pub writable: bool,
}

/// Says why a program does not begin, if it does not.
#[derive(Debug)]
pub struct Word(PipeReader);

impl Word {
    /// Waits until the program has begun, for milliseconds. The command that was spawned is to be dropped
    /// before, or nobody says so.
    ///
    /// # Errors
    /// Why it has not.
    pub fn begun(self) -> io::Result<()> {
        let mut reason = String::new();
        self.0.take(MAX_REASON).read_to_string(&mut reason)?;
        if reason.is_empty() { Ok(()) } else { Err(io::Error::other(reason)) }
    }
}

/// The word in the place of a plan that asks whether a folder can be hidden.
const TRY: &str = "try";

impl Apart {
    /// Hides the folder, which need not be there, by a stage: a program and arguments that lead to [`main`].
    /// Whether this machine lets it is tried first, in a process of its own: whoever begins to hide
    /// something and may not end it cannot go back.
    #[must_use]
    pub fn new(stage: Vec<OsString>, hidden: PathBuf) -> Self {
        let mut apart = Self { stage, hidden, why_not: None };
        let mut command = apart.stage();
        let tried = command.arg(TRY).arg(&apart.hidden).stdin(Stdio::null()).output();
        apart.why_not = match tried {
            Ok(tried) if tried.status.success() => None,
            Ok(tried) => Some(String::from_utf8_lossy(&tried.stderr).trim().to_owned()),
            Err(error) => Some(format!("its stage does not start: {error}")),
        };
        if let Some(why) = &apart.why_not {
            tracing::warn!(hidden = %apart.hidden.display(), why, "not hidden from what is started");
        }
        apart
    }

    fn stage(&self) -> Command {
        let mut words = self.stage.iter();
        let mut command = Command::new(words.next().cloned().unwrap_or_default());
        command.args(words);
        command
    }

    /// The command that becomes `program` in `folder`, to which arguments and variables may be added. Its
    /// standard input is the caller's to set; why the program does not begin is said on standard error.
    #[must_use]
    pub fn command(&self, program: &Path, folder: &Path, shown: &[Shown]) -> Command {
        self.plan(program, folder, shown, false)
    }

    /// The same with the word on how it begins. Its standard input is taken, and empty for the program.
    ///
    /// # Errors
    /// When there are no more pipes.
    pub fn telling(
        &self,
        program: &Path,
        folder: &Path,
        shown: &[Shown],
    ) -> io::Result<(Command, Word)> {
        let (word, said) = io::pipe()?;
        let mut command = self.plan(program, folder, shown, true);
        command.stdin(Stdio::from(said));
        Ok((command, Word(word)))
    }

    fn plan(&self, program: &Path, folder: &Path, shown: &[Shown], tells: bool) -> Command {
        let (hidden, folder, why_not) =
            (self.hidden.clone(), folder.to_owned(), self.why_not.clone());
        let plan = Plan { hidden, shown: shown.to_vec(), folder, why_not, tells };
        let mut command = self.stage();
        // A path that is no text cannot be told; the stage says so.
        command.arg(serde_json::to_string(&plan).unwrap_or_default()).arg(program);
        command
    }
}

/// The stage. It has to be called before the process has a second thread.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let [word, hidden] = arguments.as_slice()
        && word == TRY
    {
        return match hide(Path::new(hidden), &[]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&error.to_string());
                ExitCode::FAILURE
            }
        };
    }
    let plan =
        arguments.first().and_then(|plan| serde_json::from_slice(plan.as_encoded_bytes()).ok());
    let (Some(plan), Some(command)) = (plan, arguments.get(1..)) else {
        say("this is a stage of a program that is to be started");
        return ExitCode::FAILURE;
    };
    // The copy ends with the image of this program.
    let word = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let Err(error) = begin(&plan, command);
    let told = match word {
        Ok(mut word) if plan.tells => word.write_all(error.to_string().as_bytes()),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    if told.is_err() {
        say(&error.to_string());
    }
    ExitCode::FAILURE
}

/// Nobody is left to be told when that fails.
fn say(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Becomes the command; comes back where that cannot be.
fn begin(plan: &Plan, command: &[OsString]) -> io::Result<Infallible> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no command"))?;
    match &plan.why_not {
        None => hide(&plan.hidden, &plan.shown)?,
        Some(why) => {
            let hidden = plan.hidden.display();
            say(&format!("this program may read {hidden}: it cannot be hidden from it: {why}"));
        }
    }
    std::env::set_current_dir(&plan.folder)?;
    let mut command = Command::new(program);
    if plan.tells {
        command.stdin(Stdio::null());
    }
    Err(command.args(arguments).exec())
}

/// Covers what is hidden.
///
/// # Errors
/// Why it cannot be: the process is good for nothing else then.
#[cfg(target_os = "linux")]
fn hide(hidden: &Path, shown: &[Shown]) -> io::Result<()> {
    use std::{fs, os::fd::AsRawFd as _, os::unix::fs::OpenOptionsExt as _};

    use nix::{
        fcntl::OFlag,
        mount::{MsFlags, mount},
        sched::{CloneFlags, unshare},
        sys::prctl,
        unistd::{getegid, geteuid},
    };

    const NONE: Option<&str> = None;
    prctl::set_no_new_privs()?;
    let hidden = match hidden.canonicalize() {
        Ok(hidden) => hidden,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let (user, group) = (geteuid(), getegid());
    // Everybody keeps the number that they have outside.
    let maps = || -> io::Result<()> {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
    };
    let none = |error| io::Error::other(format!("there are no namespaces ({error})"));
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(none)?;
    maps()?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    // Held open, they can still be reached when their place is covered.
    let mut open = Vec::new();
    for Shown { path, writable } in shown {
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Ok(inside) = path.strip_prefix(&hidden) {
            let flags = (OFlag::O_PATH | OFlag::O_DIRECTORY).bits();
            let folder = fs::OpenOptions::new().read(true).custom_flags(flags).open(&path)?;
            open.push((folder, inside.to_owned(), *writable));
        }
    }
    let hardened = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("hidden"), &hidden, Some("tmpfs"), hardened, Some("mode=755,size=1m"))?;
    for (folder, inside, writable) in open {
        let place = hidden.join(inside);
        fs::create_dir_all(&place)?;
        let from = format!("/proc/self/fd/{}", folder.as_raw_fd());
        mount(Some(from.as_str()), &place, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
        if !writable {
            seal(&place)?;
        }
    }
    let lock = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, &hidden, NONE, lock | hardened, NONE)?;
    // In a user namespace below the one that owns these mounts even root cannot undo them.
    unshare(CloneFlags::CLONE_NEWUSER)?;
    maps()
}

/// Makes a bound place read-only. The flags that the place has already have to stay.
///
/// # Errors
/// When the kernel does not let it.
#[cfg(target_os = "linux")]
pub fn seal(place: &Path) -> io::Result<()> {
    use nix::{
        mount::{MsFlags, mount},
        sys::statvfs::{FsFlags, statvfs},
    };

    const NONE: Option<&str> = None;
    let has = statvfs(place)?.flags();
    let mut flags =
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    for (is, flag) in [
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if has.contains(is) {
            flags |= flag;
        }
    }
    Ok(mount(NONE, place, NONE, flags, NONE)?)
}

#[cfg(not(target_os = "linux"))]
fn hide(_: &Path, _: &[Shown]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "there are no mount namespaces here"))
}
