//! Lock files: which versions of which packages a repository uses.

mod cargo;
mod form;
mod graph;
mod json;
mod lines;
mod npm;
mod python;

pub(crate) use form::{About, NOT_PINNED, Parsed};
pub(crate) use graph::Way;

/// What a lock file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cargo,
    Npm,
    Yarn,
    Pnpm,
    Bun,
    Poetry,
    Uv,
    Pdm,
    Pipenv,
    Requirements,
    Go,
    MavenLock,
    Gradle,
    Bundler,
    Composer,
    NuGet,
    Pub,
    Mix,
    Swift,
}

impl Kind {
    /// The ecosystem of its packages.
    pub(crate) const fn ecosystem(self) -> super::Ecosystem {
        use super::Ecosystem;
        match self {
            Self::Cargo => Ecosystem::CratesIo,
            Self::Npm | Self::Yarn | Self::Pnpm | Self::Bun => Ecosystem::Npm,
            Self::Poetry | Self::Uv | Self::Pdm | Self::Pipenv | Self::Requirements => {
                Ecosystem::PyPi
            }
            Self::Go => Ecosystem::Go,
            Self::MavenLock | Self::Gradle => Ecosystem::Maven,
            Self::Bundler => Ecosystem::RubyGems,
            Self::Composer => Ecosystem::Packagist,
            Self::NuGet => Ecosystem::NuGet,
            Self::Pub => Ecosystem::Pub,
            Self::Mix => Ecosystem::Hex,
            Self::Swift => Ecosystem::Swift,
        }
    }
}

/// Lock files that are known and not read.
pub(crate) const NOT_READ: &[(&str, &str)] = &[
    (
        "bun.lockb",
        "the binary form of bun.lock; `bun install --save-text-lockfile` writes the other",
    ),
    ("Podfile.lock", "lock files of CocoaPods are not read"),
    ("Cartfile.resolved", "lock files of Carthage are not read"),
    ("conan.lock", "lock files of Conan are not read"),
    ("paket.lock", "lock files of Paket are not read"),
    ("deno.lock", "lock files of Deno are not read"),
    ("pylock.toml", "lock files of PEP 751 are not read"),
    ("conda-lock.yml", "lock files of conda are not read"),
    ("pixi.lock", "lock files of pixi are not read"),
    ("Gopkg.lock", "lock files of dep are not read"),
    ("glide.lock", "lock files of Glide are not read"),
    ("cabal.project.freeze", "lock files of Cabal are not read"),
    ("stack.yaml.lock", "lock files of Stack are not read"),
    ("renv.lock", "lock files of renv are not read"),
    ("Manifest.toml", "lock files of Julia are not read"),
    ("cpanfile.snapshot", "lock files of Carton are not read"),
    ("rebar.lock", "lock files of rebar3 are not read"),
];

/// The kind of the file at `path`. What a package manager has installed into the tree is none.
pub(crate) fn kind(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.split('/').any(|folder| folder == "node_modules") {
        return None;
    }
    match name {
        "Cargo.lock" => Some(Kind::Cargo),
        "package-lock.json" | "npm-shrinkwrap.json" => Some(Kind::Npm),
        "yarn.lock" => Some(Kind::Yarn),
        "pnpm-lock.yaml" => Some(Kind::Pnpm),
        "bun.lock" => Some(Kind::Bun),
        "poetry.lock" => Some(Kind::Poetry),
        "uv.lock" => Some(Kind::Uv),
        "pdm.lock" => Some(Kind::Pdm),
        "Pipfile.lock" => Some(Kind::Pipenv),
        "go.mod" => Some(Kind::Go),
        "lockfile.json" => Some(Kind::MavenLock),
        "gradle.lockfile" | "buildscript-gradle.lockfile" | "settings-gradle.lockfile" => {
            Some(Kind::Gradle)
        }
        "Gemfile.lock" | "gems.locked" => Some(Kind::Bundler),
        "composer.lock" => Some(Kind::Composer),
        "packages.lock.json" => Some(Kind::NuGet),
        "pubspec.lock" => Some(Kind::Pub),
        "mix.lock" => Some(Kind::Mix),
        "Package.resolved" => Some(Kind::Swift),
        _ if name.ends_with(".lockfile") && path.contains("dependency-locks/") => {
            Some(Kind::Gradle)
        }
        _ if name.ends_with(".txt")
            && (name.starts_with("requirements")
                || name.ends_with("requirements.txt")
                || path.contains("requirements/")) =>
        {
            Some(Kind::Requirements)
        }
        _ => None,
    }
}

/// Why a lock file that is known is not read.
pub(crate) fn not_read(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.split('/').any(|folder| folder == "node_modules") {
        return None;
    }
    NOT_READ.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
}

/// Reads a lock file.
///
/// # Errors
/// Why it is not understood.
pub(crate) fn parse(kind: Kind, text: &str) -> Result<Parsed, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = match kind {
        Kind::Cargo => cargo::parse(text),
        Kind::Npm => npm::parse(text),
        Kind::Yarn => lines::yarn(text),
        Kind::Pnpm => lines::pnpm(text),
        Kind::Bun => json::bun(text),
        Kind::Poetry => python::poetry(text),
        Kind::Uv => python::uv(text),
        Kind::Pdm => python::pdm(text),
        Kind::Pipenv => json::pipenv(text),
        Kind::Requirements => Ok(python::requirements(text)),
        Kind::Go => lines::go_mod(text),
        Kind::MavenLock => json::maven(text),
        Kind::Gradle => lines::gradle(text),
        Kind::Bundler => lines::gemfile(text),
        Kind::Composer => json::composer(text),
        Kind::NuGet => json::nuget(text),
        Kind::Pub => lines::pub_lock(text),
        Kind::Mix => lines::mix(text),
        Kind::Swift => json::swift(text),
    };
    parsed.map(|parsed| parsed.normalised(kind.ecosystem()))
}

#[cfg(test)]
mod tests;
