//! The file system that a build sees: an empty one, with what it may see bound into it.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::pivot_root,
};

use pact_processes::apart::seal;

use super::{Spec, exec::USER, network};

const NONE: Option<&str> = None;
/// Devices that every program may use.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Makes the new root and moves into it. What is returned could not be shown or hidden as it should
/// be, which does not stop the build.
///
/// # Errors
/// When there is no new root: everything of the machine is still to be seen.
pub(super) fn enter(spec: &Spec) -> io::Result<Vec<String>> {
    let mut missing = Vec::new();
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let root = spec.work.join("root");
    fs::create_dir_all(&root)?;
    mount(
        Some("root"),
        &root,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=755,size=16m"),
    )?;

    // What is above comes before what is below it.
    let mut shown: Vec<&PathBuf> = spec.view.read_only.iter().collect();
    shown.sort_by_key(|path| path.components().count());
    // What lies in a folder that begins empty comes after it.
    let later = |path: &Path| spec.writable().iter().any(|(_, inside)| path.starts_with(inside));
    for path in shown.iter().filter(|path| !later(path)) {
        show(&root, path, &mut missing)?;
    }
    devices(&root, &mut missing)?;
    let proc = place(&root, Path::new("/proc"))?;
    fs::create_dir_all(&proc)?;
    let hardened = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &proc, Some("proc"), hardened, NONE)?;
    harden(&proc)?;
    for empty in ["/run", "/var/tmp"] {
        let path = place(&root, Path::new(empty))?;
        fs::create_dir_all(path)?;
    }
    let network = place(&root, Path::new(network::FOLDER))?;
    fs::create_dir_all(&network)?;
    mount(Some(&spec.network), &network, NONE, MsFlags::MS_BIND, NONE)?;
    seal(&network)?;
    for (outside, inside) in spec.writable() {
        let inside = place(&root, &inside)?;
        fs::create_dir_all(&inside)?;
        mount(Some(&outside), &inside, NONE, MsFlags::MS_BIND, NONE)?;
    }
    for path in shown.iter().filter(|path| later(path)) {
        show(&root, path, &mut missing)?;
    }
    for (number, path) in spec.view.overlays.iter().enumerate() {
        overlay(spec, &root, path, number, &mut missing)?;
    }
    for path in &spec.view.masked {
        let inside = place(&root, path)?;
        if fs::symlink_metadata(&inside).is_ok_and(|m| m.is_file()) {
            mount(Some("/dev/null"), &inside, NONE, MsFlags::MS_BIND, NONE)?;
        }
    }

    account(spec, &root)?;

    let old = root.join(".old");
    fs::create_dir_all(&old)?;
    pivot_root(&root, &old)?;
    std::env::set_current_dir("/")?;
    umount2("/.old", MntFlags::MNT_DETACH)?;
    fs::remove_dir("/.old")?;
    // Nothing new beside what was shown.
    let lock = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    mount(NONE, "/", NONE, lock, NONE)?;
    Ok(missing)
}

/// Says in the list of users that the build's home is its user's: Java's tools, among others, look
/// there and read no variable. Whoever has its number on the machine may live elsewhere, or nobody has.
fn account(spec: &Spec, root: &Path) -> io::Result<()> {
    let inside = place(root, Path::new("/etc/passwd"))?;
    let users = fs::read_to_string(&inside).unwrap_or_default();
    let number = USER.to_string();
    let is_own = |line: &&str| line.split(':').nth(2) == Some(number.as_str());
    let name = users.lines().find(is_own).and_then(|line| line.split(':').next());
    let (name, home) = (name.unwrap_or("build"), spec.view.home.display());
    let own = format!("{name}:x:{number}:{number}::{home}:/bin/sh");
    let others = users.lines().filter(|line| !is_own(line));
    let mut text: String = others.map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("{own}\n"));
    let file = spec.work.join("passwd");
    fs::write(&file, text)?;
    if let Some(parent) = inside.parent().filter(|parent| !parent.is_dir()) {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(&inside).is_err() {
        fs::write(&inside, "")?;
    }
    mount(Some(&file), &inside, NONE, MsFlags::MS_BIND, NONE)?;
    seal(&inside)
}

/// What the kernel lets its root change or read there, whatever namespace that root is in.
fn harden(proc: &Path) -> io::Result<()> {
    for name in ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "mtrr"] {
        let path = proc.join(name);
        if path.exists() {
            mount(Some(&path), &path, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
            seal(&path)?;
        }
    }
    for name in ["kcore", "keys", "kmsg", "timer_list", "latency_stats", "sched_debug"] {
        let path = proc.join(name);
        if path.exists() {
            mount(Some("/dev/null"), &path, NONE, MsFlags::MS_BIND, NONE)?;
        }
    }
    Ok(())
}

/// The place of an absolute path below the new root.
fn place(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let plain = path.is_absolute()
        && path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    if !plain {
        let reason = format!("{} is not a plain absolute path", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    Ok(root.join(path.strip_prefix("/").unwrap_or(path)))
}

/// Shows a file or folder that cannot be written. What is not there is not shown.
fn show(root: &Path, path: &Path, missing: &mut Vec<String>) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    let inside = place(root, path)?;
    if let Some(parent) = inside.parent() {
        fs::create_dir_all(parent)?;
    }
    if metadata.is_symlink() {
        return match symlink(fs::read_link(path)?, &inside) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        };
    }
    if metadata.is_dir() {
        fs::create_dir_all(&inside)?;
    } else if fs::symlink_metadata(&inside).is_err() {
        fs::write(&inside, "")?;
    }
    mount(Some(path), &inside, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
    if let Err(error) = seal(&inside) {
        missing.push(format!("{} can be written ({error})", path.display()));
    }
    Ok(())
}

/// Shows a folder whose changes go to the cache.
fn overlay(
    spec: &Spec,
    root: &Path,
    path: &Path,
    number: usize,
    missing: &mut Vec<String>,
) -> io::Result<()> {
    if !fs::metadata(path).is_ok_and(|m| m.is_dir()) {
        return Ok(());
    }
    let folder = spec.cache.join("overlays").join(number.to_string());
    let (upper, scratch) = (folder.join("upper"), folder.join("scratch"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&scratch)?;
    let inside = place(root, path)?;
    fs::create_dir_all(&inside)?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr",
        escape(path),
        escape(&upper),
        escape(&scratch)
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    match mount(Some("overlay"), &inside, Some("overlay"), flags, Some(options.as_str())) {
        Ok(()) => Ok(()),
        Err(error) => {
            missing.push(format!("{} cannot be written ({error})", path.display()));
            show(root, path, missing)
        }
    }
}

/// A path as an option of an overlay has it.
fn escape(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}

fn devices(root: &Path, missing: &mut Vec<String>) -> io::Result<()> {
    let dev = place(root, Path::new("/dev"))?;
    fs::create_dir_all(&dev)?;
    let flags = MsFlags::MS_NOSUID;
    mount(Some("dev"), &dev, Some("tmpfs"), flags, Some("mode=755,size=1m"))?;
    for name in DEVICES {
        let outside = Path::new("/dev").join(name);
        if outside.exists() {
            fs::write(dev.join(name), "")?;
            mount(Some(&outside), &dev.join(name), NONE, MsFlags::MS_BIND, NONE)?;
        }
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, dev.join(name))?;
    }
    for folder in ["pts", "shm"] {
        fs::create_dir(dev.join(folder))?;
    }
    let options = Some("newinstance,ptmxmode=0666,mode=620");
    let hardened = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    if let Err(error) = mount(Some("devpts"), &dev.join("pts"), Some("devpts"), hardened, options) {
        missing.push(format!("terminals ({error})"));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("shm"), &dev.join("shm"), Some("tmpfs"), flags, Some("mode=1777,size=1g"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_have_a_place() {
        let root = Path::new("/new");
        assert_eq!(place(root, Path::new("/usr/lib")).unwrap(), Path::new("/new/usr/lib"));
        for path in ["usr", "/usr/../etc", ""] {
            assert!(place(root, Path::new(path)).is_err(), "{path}");
        }
    }
}
