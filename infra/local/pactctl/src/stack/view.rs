//! What builds see of this machine: its tools, and what they have downloaded before. Of the person
//! who sits there, of this stack and of what either keeps secret they see nothing.
//!
//! On AWS a build sees an image. Here the machine is the image, so that a build needs no other
//! program to be installed than those that a person would start by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Path, PathBuf},
};

use local_codebuild::View;
use pact_agent::toolchain::is_inherited;

/// Where systems keep programs and libraries.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store"];

/// What is in `/etc` and no secret. The rest of it is not shown: nobody knows what it is.
const ETC: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "mailcap",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "resolv.conf",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// Settings of package managers, which say where packages come from. One that holds a credential is
/// not shown. `~` is the home folder.
const SETTINGS: &[&str] = &[
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/gitconfig",
    "/etc/maven",
    "~/.bundle/config",
    "~/.cargo/config",
    "~/.cargo/config.toml",
    "~/.config/go/env",
    "~/.config/pip/pip.conf",
    "~/.config/uv/uv.toml",
    "~/.gradle/gradle.properties",
    "~/.m2/settings.xml",
    "~/.npmrc",
    "~/.pip/pip.conf",
    "~/.yarnrc",
    "~/.yarnrc.yml",
];

/// Words of a setting that is, or leads to, a credential.
const CREDENTIALS: &[&str] = &["_auth", "password", "passwd", "token", "secret", "credential"];
/// The longest file of settings that is looked through.
const LONGEST: u64 = 256 * 1024;

/// Where tools keep what they have downloaded, below the home folder. A build reads it, and writes
/// beside it.
const DOWNLOADS: &[&str] = &[
    ".cargo/registry",
    ".cargo/git",
    "go/pkg/mod",
    ".npm/_cacache",
    ".cache/pip",
    ".cache/uv",
    ".cache/yarn",
    ".local/share/pnpm/store",
    ".m2/repository",
    ".gradle/caches",
    ".gradle/wrapper",
];

/// Variables with folders of downloads, and what in such a folder they are.
const DOWNLOADS_BY_VARIABLE: &[(&str, &[&str])] = &[
    ("CARGO_HOME", &["registry", "git"]),
    ("GOPATH", &["pkg/mod"]),
    ("GOMODCACHE", &[""]),
    ("npm_config_cache", &["_cacache"]),
    ("GRADLE_USER_HOME", &["caches", "wrapper"]),
];

/// Variables with folders or files that are shown as they are.
const SHOWN_BY_VARIABLE: &[&str] = &[
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GOROOT",
    "JAVA_HOME",
    "MAVEN_HOME",
    "NIX_SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "NVM_DIR",
    "PIP_CERT",
    "PIP_FIND_LINKS",
    "PYENV_ROOT",
    "REQUESTS_CA_BUNDLE",
    "RUSTUP_HOME",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "VIRTUAL_ENV",
];

/// What beside a folder `bin` says that its parent is where a tool is installed.
const INSTALLED: &[&str] = &[
    "pyvenv.cfg",
    "release",
    "lib/node_modules",
    "lib/rustlib",
    "lib/ruby",
    "pkg/tool",
    "conda-meta",
];

/// Beginnings of the names of variables that say where packages come from and how.
const PREFIXES: &[&str] = &[
    "LC_",
    "PIP_",
    "UV_",
    "npm_config_",
    "NPM_CONFIG_",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
];
/// More of them.
const NAMES: &[&str] = &[
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GOSUMDB",
    "GONOSUMDB",
    "GONOPROXY",
    "GOPRIVATE",
    "GOTOOLCHAIN",
    "JAVA_TOOL_OPTIONS",
    "MAVEN_ARGS",
    "NIX_SSL_CERT_FILE",
    "PYTHONDONTWRITEBYTECODE",
];

/// What a build has of this process's environment: what a person's shell has, less what could be a
/// secret, and less what the environment of the build says by itself.
pub(crate) fn environment(
    own: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let not_here = ["HOME", "TMPDIR", "XDG_CACHE_HOME"];
    own.into_iter()
        .filter(|(name, value)| {
            let registry = NAMES.contains(&name.as_str())
                || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            let lower = name.to_ascii_lowercase();
            let secret = CREDENTIALS.iter().any(|word| lower.contains(word))
                || lower.ends_with("_key")
                || names_a_user(value);
            !not_here.contains(&name.as_str())
                && (is_inherited(name, value) || (registry && !secret && !value.is_empty()))
        })
        .collect()
}

/// Whether an address in the text has a user in it, whose password may follow.
fn names_a_user(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let end = rest.find(['/', ' ', '"', '\'', '\n', ',']).unwrap_or(rest.len());
        rest.get(..end).is_some_and(|authority| authority.contains('@'))
    })
}

/// What builds see. `home` is the home folder, `private` what must never be shown, whatever it lies
/// in; `more` is shown besides.
pub(crate) fn view(
    environment: &BTreeMap<String, String>,
    home: &Path,
    private: &[&Path],
    more: Vec<PathBuf>,
) -> View {
    let mut shown: BTreeSet<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    shown.extend(ETC.iter().map(|name| Path::new("/etc").join(name)));
    shown.extend(etc_of_tools());
    let settings = SETTINGS.iter().map(|name| match name.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => PathBuf::from(name),
    });
    shown.extend(settings.filter(|path| holds_no_credential(path)));
    shown.insert(home.join(".rustup"));
    let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
    for folder in std::env::split_paths(path).filter(|folder| folder.is_absolute()) {
        programs(&folder, home, &mut shown);
    }
    let value = |name: &str| environment.get(name).map(PathBuf::from).filter(|p| p.is_absolute());
    shown.extend(SHOWN_BY_VARIABLE.iter().filter_map(|name| value(name)));
    shown.extend(more);

    let mut overlays: BTreeSet<PathBuf> = DOWNLOADS.iter().map(|name| home.join(name)).collect();
    for (name, folders) in DOWNLOADS_BY_VARIABLE {
        let Some(root) = value(name) else { continue };
        overlays.extend(folders.iter().map(|folder| root.join(folder)));
    }
    let allowed = |path: &PathBuf| {
        path.components().count() > 1
            && !home.starts_with(path)
            && !private.iter().any(|private| private.starts_with(path) || path.starts_with(private))
    };
    let mut read_only: Vec<PathBuf> = shown.into_iter().filter(allowed).collect();
    // What is in a folder that is shown is shown with it.
    let folders: Vec<PathBuf> = read_only.iter().filter(|path| is_folder(path)).cloned().collect();
    read_only.retain(|path| !folders.iter().any(|other| other != path && path.starts_with(other)));
    View {
        read_only,
        overlays: overlays.into_iter().filter(|path| allowed(path) && is_folder(path)).collect(),
        masked: Vec::new(),
        home: home.to_owned(),
    }
}

/// A folder of its own, not a link to one.
fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Settings of language runtimes in `/etc`, whose names have a version.
fn etc_of_tools() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let tool = |name: &String| {
        ["java-", "python3", "perl", "ruby", "php", "dotnet"].iter().any(|p| name.starts_with(p))
    };
    names.filter(tool).map(|name| Path::new("/etc").join(name)).collect()
}

/// A folder of programs, and what they are installed with.
fn programs(folder: &Path, home: &Path, shown: &mut BTreeSet<PathBuf>) {
    shown.insert(folder.to_owned());
    shown.extend(installation(folder));
    // Only a person's own folder has links to where nobody would look.
    if !folder.starts_with(home) {
        return;
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(2_000);
    for entry in entries {
        let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let Some(target) = entry.path().canonicalize().ok().filter(|_| link) else { continue };
        let Some(parent) = target.parent() else { continue };
        match installation(parent) {
            Some(root) => shown.insert(root),
            None => shown.insert(target),
        };
    }
}

/// Where the programs of a folder `bin` are installed, if that is what its parent is.
fn installation(bin: &Path) -> Option<PathBuf> {
    let root = bin.parent().filter(|_| bin.file_name().is_some_and(|name| name == "bin"))?;
    INSTALLED.iter().any(|mark| root.join(mark).exists()).then(|| root.to_owned())
}

fn holds_no_credential(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        return entries
            .map(|entry| entry.path())
            .all(|path| path.is_dir() || holds_no_credential(&path));
    }
    let mut text = String::new();
    if file.take(LONGEST).read_to_string(&mut text).is_err() || text.len() as u64 == LONGEST {
        return false;
    }
    // What is commented out, as in every `settings.xml`, is none.
    let said = without_comments(&text);
    let lower = said.to_ascii_lowercase();
    !CREDENTIALS.iter().any(|word| lower.contains(word)) && !names_a_user(&said)
}

fn without_comments(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        left.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    left.push_str(rest);
    let lines = left.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn a_build_has_a_persons_environment_without_secrets() {
        let kept = variables(&[
            ("PATH", "/bin"),
            ("SHELL", "/bin/bash"),
            ("PIP_INDEX_URL", "https://mirror.example/simple"),
            ("npm_config_registry", "https://mirror.example/npm"),
            ("HOME", "/root"),
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("CARGO_REGISTRY_TOKEN", "x"),
            ("UV_INDEX_INTERNAL_PASSWORD", "x"),
            ("PIP_EXTRA_INDEX_URL", "https://ada:pw@mirror.example/simple"),
        ]);
        let names: Vec<_> = kept.keys().map(String::as_str).collect();
        assert_eq!(names, ["PATH", "PIP_INDEX_URL", "SHELL", "npm_config_registry"]);
    }

    #[test]
    fn tools_are_shown_and_what_a_person_keeps_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let at = |path: &str| home.join(path);
        for dir in [".cargo/bin", ".cargo/registry", "venv/bin", "work/bin", "work/.pact/codebuild"]
        {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        for (file, text) in [
            ("venv/pyvenv.cfg", "home = /usr/bin"),
            (".npmrc", "registry=https://mirror.example\n//mirror.example/:_authToken=npm_x\n"),
            (".cargo/config.toml", "[source.crates-io]\nreplace-with = \"m\"\n# token = \"no\"\n"),
            (".cargo/credentials.toml", "[registry]\ntoken = \"x\"\n"),
            ("work/.env", "A=b"),
        ] {
            std::fs::write(at(file), text).unwrap();
        }
        let path = [".cargo/bin", "venv/bin", "work/bin"].map(|dir| at(dir).display().to_string());
        let environment = BTreeMap::from([("PATH".to_owned(), path.join(":"))]);
        let data = at("work/.pact");
        let view = view(&environment, &home, &[&data], Vec::new());
        let own: Vec<_> = view.read_only.iter().filter(|p| p.starts_with(&home)).cloned().collect();
        let rustup = at(".rustup");
        assert_eq!(
            own,
            [at(".cargo/bin"), at(".cargo/config.toml"), rustup, at("venv"), at("work/bin")]
        );
        assert_eq!(view.overlays, [at(".cargo/registry")]);
        assert!(!view.read_only.iter().any(|p| p == Path::new("/etc")));
    }
}
