//! What a push is made of: a commit of a local or remote repository, looked at without git.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use pact_contract::{Repository, RepositoryName};

use crate::{
    cli::RunArgs,
    failure::{Context, Failure},
};

/// A push as a git host would announce it.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// The repository.
    pub repository: Repository,
    /// Full name of the ref.
    pub reference: String,
    /// Name of the branch.
    pub branch: String,
    /// Head commit.
    pub commit: String,
    /// Commit before the push.
    pub base: Option<String>,
    /// First line of the head's message.
    pub message: Option<String>,
    /// Author of the head.
    pub author: Option<String>,
    /// `pact.toml` of the head with its path; none when there is none, or it cannot be seen yet.
    pub settings: Option<(String, String)>,
    /// Files of the work tree that are not as the head has them, where the head is what is checked
    /// out: a run is of a commit, and knows nothing of them.
    pub uncommitted: Vec<String>,
}

/// Most files that are looked for that are not committed.
const MAX_UNCOMMITTED: usize = 1_000;

/// Looks at what is to be pushed. Nothing is written.
pub(crate) fn inspect(args: &RunArgs) -> Result<Push, Failure> {
    let is_url = args.source.starts_with("http://") || args.source.starts_with("https://");
    let push = if is_url { remote(args) } else { local(args) }?;
    if push.base.as_ref() == Some(&push.commit) {
        return Err(Failure::usage(format!(
            "there is nothing to push: base and head are both {}",
            push.commit
        ))
        .remedy("name an earlier commit with --base"));
    }
    Ok(push)
}

fn local(args: &RunArgs) -> Result<Push, Failure> {
    let path = Path::new(&args.source);
    if !path.exists() {
        return Err(Failure::usage(format!("{} does not exist", path.display())));
    }
    let repo = gix::discover(path).map_err(|_| {
        Failure::usage(format!("{} is not a git repository", path.display()))
            .remedy("name the folder of one, or make one with `git init`")
    })?;
    let head_name = repo.head_name().doing("read HEAD")?;
    if repo.head_id().is_err() && args.head.is_none() {
        return Err(Failure::usage(format!("{} has no commit yet", path.display()))
            .remedy("commit something first"));
    }
    let commit = commit_of(&repo, args.head.as_deref().unwrap_or("HEAD"), "--head")?;
    let current = head_name.map(|name| name.shorten().to_string());
    let default_branch = default_branch(&repo, current.as_deref());
    let branch = args.branch.clone().or(current).unwrap_or_else(|| default_branch.clone());
    let reference = reference(&branch)?;
    let base = match &args.base {
        Some(rev) => Some(commit_of(&repo, rev, "--base")?.id.to_string()),
        None => default_base(&repo, &commit, &branch, &default_branch),
    };
    let message =
        commit.message().ok().map(|m| m.summary().to_str_lossy().chars().take(200).collect());
    let author = commit.author().ok().map(|a| a.name.to_str_lossy().into_owned());
    let settings = settings(&commit)?;
    let root = root(&repo);
    Ok(Push {
        repository: Repository {
            name: name(&repo, &root)?,
            url: url::Url::from_file_path(&root)
                .map_err(|()| Failure::usage(format!("{} is not absolute", root.display())))?
                .to_string(),
            default_branch,
        },
        reference,
        branch,
        commit: commit.id.to_string(),
        base,
        message,
        author,
        settings,
        uncommitted: if args.head.is_none() { uncommitted(&repo) } else { Vec::new() },
    })
}

/// What of the work tree is not committed, ignored files left out. What cannot be looked at is no
/// reason not to run what is committed.
fn uncommitted(repo: &gix::Repository) -> Vec<String> {
    if repo.is_bare() {
        return Vec::new();
    }
    let status = repo.status(gix::progress::Discard);
    let status =
        status.map(|status| status.untracked_files(gix::status::UntrackedFiles::Collapsed));
    let Ok(changes) = status.and_then(|status| status.into_iter(None)) else { return Vec::new() };
    let differs = |item: &gix::status::Item| match item {
        gix::status::Item::IndexWorktree(change) => change.summary().is_some(),
        gix::status::Item::TreeIndex(_) => true,
    };
    let changes = changes.filter_map(Result::ok).filter(differs).take(MAX_UNCOMMITTED);
    let mut files: Vec<_> =
        changes.map(|item| item.location().to_str_lossy().into_owned()).collect();
    // What is staged and changed again is one file.
    files.sort();
    files.dedup();
    files
}

/// The folder that names the repository: its work tree, or itself when it is bare.
fn root(repo: &gix::Repository) -> PathBuf {
    let path = repo.workdir().unwrap_or_else(|| repo.git_dir());
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn commit_of<'r>(
    repo: &'r gix::Repository,
    rev: &str,
    option: &str,
) -> Result<gix::Commit<'r>, Failure> {
    let unknown = || {
        Failure::usage(format!("there is no commit {rev:?} in this repository"))
            .remedy(format!("`git log` lists what {option} can name"))
    };
    let object = repo.rev_parse_single(rev).map_err(|_| unknown())?.object();
    object.map_err(|_| unknown())?.peel_to_commit().map_err(|_| unknown())
}

/// Where a push would have started: the fork point for a side branch, the parent otherwise.
fn default_base(
    repo: &gix::Repository,
    commit: &gix::Commit<'_>,
    branch: &str,
    default_branch: &str,
) -> Option<String> {
    let parent = commit.parent_ids().next().map(|id| id.to_string());
    if branch == default_branch {
        return parent;
    }
    let trunk = repo.rev_parse_single(format!("refs/heads/{default_branch}").as_str()).ok();
    let fork = trunk.and_then(|t| repo.merge_base(commit.id, t.detach()).ok().flatten());
    match fork {
        Some(fork) if fork.detach() != commit.id => Some(fork.to_string()),
        _ => parent,
    }
}

fn default_branch(repo: &gix::Repository, current: Option<&str>) -> String {
    if let Ok(reference) = repo.find_reference("refs/remotes/origin/HEAD")
        && let Some(Ok(target)) = reference.follow()
    {
        let name = target.name().shorten().to_string();
        return name.strip_prefix("origin/").unwrap_or(&name).to_owned();
    }
    ["main", "master"]
        .into_iter()
        .find(|name| repo.find_reference(format!("refs/heads/{name}").as_str()).is_ok())
        .or(current)
        .unwrap_or("main")
        .to_owned()
}

/// `owner/name` of the remote `origin`; `local/<folder>` without one.
fn name(repo: &gix::Repository, root: &Path) -> Result<RepositoryName, Failure> {
    let origin = repo.find_remote("origin").ok().and_then(|remote| {
        let path = remote.url(gix::remote::Direction::Fetch)?.path.to_str().ok()?.to_owned();
        full_name(&path)
    });
    let folder = root.file_name().map(|n| n.to_string_lossy().into_owned());
    origin.or_else(|| full_name(folder.as_deref().unwrap_or("repository"))).ok_or_else(|| {
        Failure::usage(format!("{} gives the repository no name", root.display()))
            .remedy("name it with letters or digits, or give it a remote `origin`")
    })
}

/// The last two parts of a path, as git hosts name repositories.
fn full_name(path: &str) -> Option<RepositoryName> {
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    let mut parts = path.rsplit('/').filter(|p| !p.is_empty());
    let name = slug(parts.next()?);
    let owner = slug(parts.next().unwrap_or("local"));
    format!("{owner}/{name}").parse().ok()
}

fn slug(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .take(80)
        .collect();
    text.trim_matches(['.', '-']).to_owned()
}

fn reference(branch: &str) -> Result<String, Failure> {
    let full = format!("refs/heads/{branch}");
    gix::validate::reference::name(full.as_str().into())
        .map_err(|_| Failure::usage(format!("{branch:?} is not a valid name of a branch")))?;
    Ok(full)
}

/// `pact.toml` as it is in the commit, with its name there.
fn settings(commit: &gix::Commit<'_>) -> Result<Option<(String, String)>, Failure> {
    let tree = commit.tree().doing("read the commit's files")?;
    let mut found: Option<(String, String)> = None;
    for name in pact_config::FILE_NAMES {
        let Some(entry) = tree.find_entry(*name) else { continue };
        if let Some((first, _)) = &found {
            return Err(Failure::usage(pact_config::duplicate(first, name).to_string()));
        }
        let blob = entry.object().doing("read the settings")?;
        let text = blob.data.to_str().map_err(|_| {
            Failure::usage(format!("{name} is not UTF-8")).remedy("save it as UTF-8")
        })?;
        found = Some(((*name).to_owned(), text.to_owned()));
    }
    Ok(found)
}

/// Head of a repository that another machine has.
fn remote(args: &RunArgs) -> Result<Push, Failure> {
    let url = url::Url::parse(&args.source)
        .map_err(|e| Failure::usage(format!("{:?} is not an address: {e}", args.source)))?;
    let refs = remote_refs(url.as_str())?;
    let default_branch = refs.default_branch.clone().unwrap_or_else(|| "main".to_owned());
    let branch = args.branch.clone().unwrap_or_else(|| default_branch.clone());
    let commit = match &args.head {
        Some(head) if is_commit_id(head) => head.clone(),
        Some(head) => {
            return Err(Failure::usage(format!("--head {head:?} is not a whole commit id"))
                .remedy("a remote repository can only be asked for 40 hexadecimal digits"));
        }
        None => refs
            .branch(&branch)
            .ok_or_else(|| Failure::usage(format!("{} has no branch {branch:?}", args.source)))?,
    };
    if let Some(base) = args.base.as_deref().filter(|b| !is_commit_id(b)) {
        return Err(Failure::usage(format!("--base {base:?} is not a whole commit id")));
    }
    Ok(Push {
        repository: Repository {
            name: full_name(url.path())
                .ok_or_else(|| Failure::usage(format!("the address {url} names no repository")))?,
            url: url.to_string(),
            default_branch,
        },
        reference: reference(&branch)?,
        branch,
        commit,
        base: args.base.clone(),
        message: None,
        author: None,
        uncommitted: Vec::new(),
        settings: None,
    })
}

fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

struct RemoteRefs {
    default_branch: Option<String>,
    branches: Vec<(String, String)>,
}

impl RemoteRefs {
    fn branch(&self, name: &str) -> Option<String> {
        self.branches.iter().find(|(n, _)| n == name).map(|(_, id)| id.clone())
    }
}

fn remote_refs(url: &str) -> Result<RemoteRefs, Failure> {
    use gix::protocol::handshake::Ref;
    let unreachable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read {url}: {error}"))
            .remedy("check the address, and that the repository is public")
    };
    let scratch = tempfile::tempdir().doing("make a scratch folder")?;
    let repo = gix::init_bare(scratch.path()).doing("make a scratch repository")?;
    let remote = repo
        .remote_at(url)
        .map_err(|e| unreachable(&e))?
        .with_refspecs(["+refs/heads/*:refs/heads/*", "HEAD"], gix::remote::Direction::Fetch)
        .map_err(|e| unreachable(&e))?;
    let connection = remote.connect(gix::remote::Direction::Fetch).map_err(|e| unreachable(&e))?;
    let (map, _) = connection
        .ref_map(gix::progress::Discard, gix::remote::ref_map::Options::default())
        .map_err(|e| unreachable(&e))?;
    let mut refs = RemoteRefs { default_branch: None, branches: Vec::new() };
    for r in &map.remote_refs {
        let short = |n: &gix::bstr::BString| {
            n.to_str().ok().and_then(|n| n.strip_prefix("refs/heads/")).map(str::to_owned)
        };
        match r {
            Ref::Symbolic { full_ref_name, target, .. } if full_ref_name == "HEAD" => {
                refs.default_branch = short(target);
            }
            Ref::Direct { full_ref_name, object } => {
                if let Some(name) = short(full_ref_name) {
                    refs.branches.push((name, object.to_string()));
                }
            }
            _ => {}
        }
    }
    Ok(refs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_git_host() {
        let full_name = |path: &str| super::full_name(path).map(String::from);
        assert_eq!(full_name("/acme/web-shop.git").as_deref(), Some("acme/web-shop"));
        assert_eq!(full_name("acme/web-shop").as_deref(), Some("acme/web-shop"));
        assert_eq!(full_name("/srv/git/x y.git").as_deref(), Some("git/x-y"));
        assert_eq!(full_name("web-shop").as_deref(), Some("local/web-shop"));
        assert_eq!(full_name("/"), None);
    }

    #[test]
    fn bad_branch_names_are_refused() {
        assert!(reference("feature/a").is_ok());
        assert!(reference("a..b").is_err());
        assert!(reference("a b").is_err());
    }
}
