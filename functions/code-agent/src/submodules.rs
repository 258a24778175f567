//! Submodules: the commits of other repositories that a commit has folders for.
//!
//! Which repositories those are was written by whoever wrote the commit, and what they have comes into
//! the builds of that commit. So they are asked on the repository's own host only, or on one that
//! `PACT_ALLOWED_SOURCES` names, with no token but the repository's own: one that is good for all
//! repositories would show its holder's secrets to anybody who can name them. A fork's commits get none. Of a repository on this
//! machine only what was fetched into it before is taken. What is left out is said.

use std::{collections::BTreeMap, path::Path, sync::atomic::AtomicBool};

use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice},
    config::{File, file::Metadata},
    objs::tree::EntryKind as Mode,
};
use pact_agent::AgentError;
use url::Url;

use crate::{
    config::Config,
    objects,
    pack::{self, Module, Modules, TreeFile, below},
    remote::{Remote, Single},
    source::{self, Location},
    work::check,
};

/// Where they are declared.
const FILE: &str = ".gitmodules";
/// Most bytes of that file.
const FILE_BYTES: u64 = 256 * 1024;
/// Most submodules, those of submodules among them, and how deep one may lie in others.
const MOST: usize = 50;
const DEEP: usize = 4;

/// One that is to be had.
struct Wanted {
    path: BString,
    commit: ObjectId,
    deep: usize,
    /// Whose it is.
    of: Place,
    /// What is said of it there: its name and its address.
    declared: Option<(String, String)>,
}

/// Where a repository is that has submodules.
#[derive(Clone)]
enum Place {
    /// Its own folder of git, on this machine.
    Local(std::path::PathBuf),
    Remote(Url),
}

/// What came of looking for a submodule.
enum Got {
    /// A repository with its commit.
    There { repository: Box<Repository>, place: Place, folder: Option<tempfile::TempDir> },
    /// None, for this reason.
    Not(String),
}

/// Gets the submodules of a commit with these files, and theirs. `config` has the repository's own
/// token, if it has one.
///
/// # Errors
/// A host did not answer, or an object is missing of what is here.
pub(crate) fn obtain(
    config: &Config,
    location: &Location,
    repository: &Repository,
    files: &[TreeFile],
    stop: &AtomicBool,
) -> Result<Modules, AgentError> {
    let place = match location {
        Location::Local(_) => Place::Local(repository.git_dir().to_owned()),
        Location::Remote { url, .. } => Place::Remote(url.clone()),
    };
    let mut modules = Modules::default();
    let mut open = declared(repository, files, &BString::default(), 0, &place)?;
    while let Some(wanted) = open.pop() {
        check(stop)?;
        let got = match modules.found.len() {
            MOST => Got::Not(format!("there are more than {MOST}")),
            _ if wanted.deep >= DEEP => Got::Not(format!("it lies in {DEEP} others")),
            _ => got(config, location, &wanted, stop)?,
        };
        let (repository, place, folder) = match got {
            Got::There { repository, place, folder } => (*repository, place, folder),
            Got::Not(why) => {
                modules.left_out.push((wanted.path, why));
                continue;
            }
        };
        let Ok(tree) = objects::tree_of(&repository, wanted.commit) else {
            modules.left_out.push((wanted.path, format!("{} is no commit there", wanted.commit)));
            continue;
        };
        let files = pack::list(&repository, tree, stop)?;
        open.extend(declared(&repository, &files, &wanted.path, wanted.deep + 1, &place)?);
        modules.found.push(Module::new(wanted.path, repository, files, folder));
    }
    modules.found.sort_by(|a, b| a.path.cmp(&b.path));
    modules.left_out.sort();
    Ok(modules)
}

/// The submodules among these files of a repository, whose folder is `at`.
fn declared(
    repository: &Repository,
    files: &[TreeFile],
    at: &BString,
    deep: usize,
    of: &Place,
) -> Result<Vec<Wanted>, AgentError> {
    let links = || files.iter().filter(|file| file.mode == Mode::Commit);
    if links().next().is_none() {
        return Ok(Vec::new());
    }
    let mut said = match files.iter().find(|file| file.path == FILE) {
        Some(file) => read(repository, file)?,
        None => BTreeMap::new(),
    };
    let wanted = links().map(|link| Wanted {
        path: below(at, &link.path),
        commit: link.id,
        deep,
        of: of.clone(),
        declared: said.remove(&link.path),
    });
    Ok(wanted.collect())
}

/// What the file says: by their paths, names and addresses. Nothing, where it cannot be read.
fn read(
    repository: &Repository,
    file: &TreeFile,
) -> Result<BTreeMap<BString, (String, String)>, AgentError> {
    let mut found = BTreeMap::new();
    if !matches!(file.mode, Mode::Blob | Mode::BlobExecutable) {
        return Ok(found);
    }
    let header = repository.find_header(file.id);
    if header.map_err(|e| objects::missing(&file.path, &e))?.size() > FILE_BYTES {
        return Ok(found);
    }
    let bytes = objects::blob(repository, &file.path, file.id)?;
    let options = gix::config::file::init::Options::default();
    let Ok(parsed) = File::from_bytes_no_includes(&bytes, Metadata::api(), options) else {
        return Ok(found);
    };
    for section in parsed.sections_by_name("submodule").into_iter().flatten() {
        let name = section.header().subsection_name().map(|name| name.to_str_lossy().into_owned());
        if let (Some(name), Some(path), Some(url)) =
            (name, section.value("path"), section.value("url"))
        {
            found.insert(path, (name, url.to_str_lossy().into_owned()));
        }
    }
    Ok(found)
}

/// The repository of a submodule, with its commit; or why there is none.
fn got(
    config: &Config,
    location: &Location,
    wanted: &Wanted,
    stop: &AtomicBool,
) -> Result<Got, AgentError> {
    let Some((name, address)) = &wanted.declared else {
        return Ok(Got::Not(format!("{FILE} does not say where it is")));
    };
    let around = match &wanted.of {
        Place::Local(folder) => return Ok(on_this_machine(folder, name, wanted.commit)),
        Place::Remote(around) => around,
    };
    let Location::Remote { url: own, .. } = location else {
        return Ok(Got::Not("it is elsewhere".to_owned()));
    };
    let Some(url) = resolved(around, own, address) else {
        return Ok(Got::Not(format!("its address {} is not one to fetch from", shown(address))));
    };
    let same = url.origin() == own.origin();
    if !same && !config.allowed.name_host_of(&url) {
        let host = url.host_str().unwrap_or_default();
        return Ok(Got::Not(format!(
            "{} is not the repository's own host, and PACT_ALLOWED_SOURCES does not name it",
            shown(host)
        )));
    }
    // The token is the repository's own: another host has no business with it.
    let config = if same { config.clone() } else { Config { token: None, ..config.clone() } };
    let Ok(Location::Remote { url, token, guard }) = source::locate(&config, url.as_str()) else {
        return Ok(Got::Not(format!("{} is not covered by PACT_ALLOWED_SOURCES", shown(address))));
    };
    let folder = tempfile::tempdir()
        .map_err(|e| AgentError::internal("cannot make a folder").caused_by(e))?;
    let remote = Remote { url: &url, token: token.as_ref(), guard: &guard, stop };
    Ok(match remote.single(folder.path(), wanted.commit)? {
        Single::There(repository) => {
            Got::There { repository, place: Place::Remote(url), folder: Some(folder) }
        }
        Single::Not(why) => {
            let asked = match token {
                Ok(_) => "with the repository's own token",
                Err(_) => {
                    "without a token, as that is the repository's own or none, and none for a fork"
                }
            };
            Got::Not(format!("{url} was asked {asked}: {why}"))
        }
    })
}

/// What a repository of this machine has of a submodule.
fn on_this_machine(folder: &Path, name: &str, commit: ObjectId) -> Got {
    let plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let folder = folder.join("modules").join(name);
    let options = gix::open::Options::isolated();
    let repository = Some(folder).filter(|_| plain && !name.contains('\0'));
    let repository = repository.and_then(|folder| gix::open_opts(folder, options).ok());
    let repository = repository.filter(|repository| repository.has_object(commit));
    let Some(repository) = repository else {
        let why = "it is not here: `git submodule update --init --recursive` brings it";
        return Got::Not(why.to_owned());
    };
    let place = Place::Local(repository.git_dir().to_owned());
    Got::There { repository: Box::new(repository), place, folder: None }
}

/// The address of a submodule that a repository at `around` names. `own`: that of the repository that
/// was pushed; what is named there by SSH is asked by HTTP, as there is a token for that alone.
fn resolved(around: &Url, own: &Url, address: &str) -> Option<Url> {
    if address.starts_with("./") || address.starts_with("../") {
        let mut base = around.clone();
        base.set_path(&format!("{}/", around.path().trim_end_matches('/')));
        return base.join(address).ok().filter(|url| url.origin() == around.origin());
    }
    let by_ssh = |host: &str, path: &str| {
        let host = host.rsplit('@').next().unwrap_or(host);
        let mut url = own.clone();
        url.set_path(path);
        (own.host_str() == Some(host)).then_some(url)
    };
    match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
        Ok(url) if url.scheme() == "ssh" => by_ssh(url.host_str()?, url.path()),
        // `git@host:path`, as it is written for SSH.
        _ => {
            let (host, path) = address.split_once(':')?;
            let is_host = !host.contains('/') && host.contains('@');
            by_ssh(host, path).filter(|_| is_host)
        }
    }
}

fn shown(text: &str) -> String {
    pact_agent::text::truncated(text, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_git_would_ask_or_none() {
        let own = Url::parse("https://git.example:8443/acme/web.git").expect("an address");
        for (address, expected) in [
            ("../lib.git", Some("https://git.example:8443/acme/lib.git")),
            ("../../other/lib", Some("https://git.example:8443/other/lib")),
            ("./in/it", Some("https://git.example:8443/acme/web.git/in/it")),
            ("../../../../x", Some("https://git.example:8443/x")),
            ("https://else.example/a/b", Some("https://else.example/a/b")),
            ("git@git.example:acme/lib.git", Some("https://git.example:8443/acme/lib.git")),
            ("ssh://git@git.example:22/acme/lib", Some("https://git.example:8443/acme/lib")),
            ("git@else.example:acme/lib.git", None),
            ("ssh://git@else.example/acme/lib", None),
            ("file:///srv/git/secret", None),
            ("/srv/git/secret", None),
            ("ext::sh -c id", None),
            ("git://git.example/acme/lib", None),
            ("", None),
        ] {
            let found = resolved(&own, &own, address);
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{address}");
        }
    }

    #[test]
    fn a_name_leads_to_no_other_folder_of_this_machine() {
        let folder = tempfile::tempdir().expect("a folder");
        let commit = ObjectId::null(gix::hash::Kind::Sha1);
        for name in ["..", "../x", "a/../../b", "/etc", "a//b", "", "a"] {
            let got = on_this_machine(folder.path(), name, commit);
            assert!(matches!(got, Got::Not(_)), "{name}");
        }
    }
}
