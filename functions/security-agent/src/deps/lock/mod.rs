//! Lock files: which versions of which packages a repository uses.

mod cargo;
mod json;
mod lines;
mod npm;
mod python;

use super::Package;

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

/// What a lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Packages out of the public registry, with the line where one is known.
    pub(crate) packages: Vec<(Package, Option<u32>)>,
    /// What cannot be compared with advisories.
    pub(crate) unchecked: Vec<Unchecked>,
}

/// A dependency that cannot be compared with advisories.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unchecked {
    pub(crate) name: String,
    pub(crate) line: Option<u32>,
    pub(crate) why: &'static str,
}

/// A range stands where a version should.
pub(crate) const NOT_PINNED: &str = "not pinned, not checked";

/// Out of a place where versions say nothing.
const NOT_FROM_REGISTRY: &str = "not from the public registry, not checked";

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
    match kind {
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
    }
}

/// Number of the line at `index`.
fn number(index: usize) -> Option<u32> {
    u32::try_from(index + 1).ok()
}

/// Lines of `name = "…"` by name and the `version = "…"` that follows, as in `Cargo.lock` and
/// `poetry.lock`.
fn toml_lines(text: &str) -> std::collections::HashMap<(&str, &str), u32> {
    let mut out = std::collections::HashMap::new();
    let mut name: Option<(&str, u32)> = None;
    for (index, line) in text.lines().enumerate() {
        let value = |key: &str| {
            line.strip_prefix(key)?
                .trim_start()
                .strip_prefix('=')?
                .trim()
                .strip_prefix('"')?
                .strip_suffix('"')
        };
        if line.starts_with("[[") {
            name = None;
        } else if let (Some(value), Some(line)) = (value("name"), number(index)) {
            name = Some((value, line));
        } else if let Some((name, line)) = name
            && let Some(version) = value("version")
        {
            out.entry((name, version)).or_insert(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: &[Kind] = &[
        Kind::Cargo,
        Kind::Npm,
        Kind::Yarn,
        Kind::Pnpm,
        Kind::Bun,
        Kind::Poetry,
        Kind::Uv,
        Kind::Pdm,
        Kind::Pipenv,
        Kind::Requirements,
        Kind::Go,
        Kind::MavenLock,
        Kind::Gradle,
        Kind::Bundler,
        Kind::Composer,
        Kind::NuGet,
        Kind::Pub,
        Kind::Mix,
        Kind::Swift,
    ];

    /// One sample of each form as its manager writes it, with what is in it.
    const SAMPLES: &[(&str, &str, &[&str], &[&str])] = &[
        (
            "yarn.lock",
            "# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.\n# yarn lockfile v1\n\n\n\"@s/a@^1.0.0\", \"@s/a@~1.0.1\":\n  version \"1.0.2\"\n  resolved \"https://r.example/a.tgz#00\"\n  dependencies:\n    b \"^2.0.0\"\n\nb@^2.0.0:\n  version \"2.1.0\"\n\n\"al@npm:real@^3.0.0\":\n  version \"3.0.1\"\n\n\"g@git+https://git.example/g.git\":\n  version \"1.0.0\"\n",
            &["@s/a 1.0.2 5", "b 2.1.0 11", "real 3.0.1 14"],
            &["g"],
        ),
        (
            "yarn.lock",
            "__metadata:\n  version: 8\n\n\"@s/a@npm:^1.0.0\":\n  version: 1.0.2\n  resolution: \"@s/a@npm:1.0.2\"\n  dependencies:\n    b: \"npm:^2\"\n\n\"al@npm:real@^3.0.0\":\n  version: 3.0.1\n  resolution: \"real@npm:3.0.1\"\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"app@workspace:.\"\n\n\"g@https://git.example/g.git\":\n  version: 1.0.0\n  resolution: \"g@https://git.example/g.git#commit=00\"\n",
            &["@s/a 1.0.2 4", "real 3.0.1 10"],
            &["g"],
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n  .:\n    dependencies:\n      a:\n        version: 1.0.0\n\npackages:\n\n  '@s/a@1.0.2':\n    resolution: {integrity: x}\n\n  b@2.1.0(c@1.0.0):\n    resolution: {integrity: x}\n\nsnapshots:\n\n  c@9.9.9: {}\n",
            &["@s/a 1.0.2 11", "b 2.1.0 14"],
            &[],
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: 5.4\n\npackages:\n\n  /@s/a/1.0.2:\n    dev: true\n\n  /b/2.1.0_c@1.0.0:\n    dev: false\n",
            &["@s/a 1.0.2 5", "b 2.1.0 8"],
            &[],
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '6.0'\n\npackages:\n\n  /@s/a@1.0.2:\n    dev: true\n",
            &["@s/a 1.0.2 5"],
            &[],
        ),
        (
            "bun.lock",
            "{\n  \"lockfileVersion\": 1,\n  \"packages\": {\n    \"@s/a\": [\"@s/a@1.0.2\", \"\", {}, \"sha512-x==\"],\n    \"app\": [\"app@workspace:packages/app\"],\n    \"g\": [\"g@github:x/g#00\", {}, \"x\"],\n  },\n}\n",
            &["@s/a 1.0.2 4"],
            &["g"],
        ),
        (
            "uv.lock",
            "version = 1\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = { virtual = \".\" }\n\n[[package]]\nname = \"Foo.Bar\"\nversion = \"1.0\"\nsource = { registry = \"https://pypi.org/simple\" }\n\n[[package]]\nname = \"g\"\nversion = \"2.0\"\nsource = { git = \"https://git.example/g\" }\n",
            &["foo-bar 1.0 9"],
            &["g"],
        ),
        (
            "pdm.lock",
            "[metadata]\nlock_version = \"4.5.0\"\n\n[[package]]\nname = \"foo-bar\"\nversion = \"1.0\"\n\n[[package]]\nname = \"g\"\nversion = \"2.0\"\ngit = \"https://git.example/g\"\n",
            &["foo-bar 1.0 5"],
            &["g"],
        ),
        (
            "Pipfile.lock",
            "{\n \"_meta\": {\"hash\": {\"sha256\": \"00\"}},\n \"default\": {\n  \"foo-bar\": {\"version\": \"==1.0\"},\n  \"g\": {\"git\": \"https://git.example/g\"}\n },\n \"develop\": {\n  \"pytest\": {\"version\": \"==7.0.0\"}\n }\n}\n",
            &["foo-bar 1.0 4", "pytest 7.0.0 8"],
            &["g"],
        ),
        (
            "go.mod",
            "module example.org/app\n\ngo 1.22\n\nrequire golang.org/x/net v0.1.0\n\nrequire (\n\tgithub.com/a/b/v2 v2.3.4\n\tgithub.com/c/d v1.0.0+incompatible // indirect\n\tgithub.com/e/f v1.0.0\n\tgithub.com/l/m v1.0.0\n)\n\nreplace github.com/e/f => github.com/x/f v1.2.0\n\nreplace (\n\tgithub.com/l/m => ../m\n)\n",
            &[
                "golang.org/x/net 0.1.0 5",
                "github.com/a/b/v2 2.3.4 8",
                "github.com/c/d 1.0.0 9",
                "github.com/x/f 1.2.0 10",
            ],
            &["github.com/l/m"],
        ),
        (
            "gradle.lockfile",
            "# This is a Gradle generated file for dependency locking.\ncom.x:core:1.2.3=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n",
            &["com.x:core 1.2.3 2"],
            &[],
        ),
        (
            "lockfile.json",
            "{\"artifactId\": \"app\", \"dependencies\": [\n{\"groupId\": \"com.x\", \"artifactId\": \"core\", \"version\": \"1.2.3\", \"children\": [\n{\"groupId\": \"com.x\", \"artifactId\": \"inner\", \"version\": \"2.0\"}]}]}",
            &["com.x:core 1.2.3 2", "com.x:inner 2.0 3"],
            &[],
        ),
        (
            "Gemfile.lock",
            "GIT\n  remote: https://git.example/g\n  specs:\n    g (1.0)\n\nPATH\n  remote: .\n  specs:\n    app (0.1)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.15.4-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.1)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  nokogiri\n",
            &["nokogiri 1.15.4 14", "racc 1.7.1 16"],
            &["g"],
        ),
        (
            "composer.lock",
            "{\n \"packages\": [\n  {\"name\": \"Sym/http\", \"version\": \"v5.4.1\"},\n  {\"name\": \"x/y\", \"version\": \"dev-main\"}\n ],\n \"packages-dev\": [\n  {\"name\": \"php/unit\", \"version\": \"9.5.0\"}\n ]\n}\n",
            &["sym/http 5.4.1 3", "php/unit 9.5.0 7"],
            &["x/y"],
        ),
        (
            "packages.lock.json",
            "{\n \"version\": 1,\n \"dependencies\": {\n  \"net8.0\": {\n   \"Newtonsoft.Json\": {\"type\": \"Direct\", \"requested\": \"[12.0.1, )\", \"resolved\": \"12.0.1\"},\n   \"shop.core\": {\"type\": \"Project\"}\n  }\n }\n}\n",
            &["newtonsoft.json 12.0.1 5"],
            &[],
        ),
        (
            "pubspec.lock",
            "packages:\n  http:\n    dependency: \"direct main\"\n    description:\n      name: http\n      url: \"https://pub.dev\"\n    source: hosted\n    version: \"0.13.3\"\n  flutter:\n    dependency: \"direct main\"\n    source: sdk\n    version: \"0.0.0\"\n  g:\n    source: git\n    version: \"1.0.0\"\nsdks:\n  dart: \">=2.12.0\"\n",
            &["http 0.13.3 2"],
            &["g"],
        ),
        (
            "mix.lock",
            "%{\n  \"plug\": {:hex, :plug, \"1.10.0\", \"00\", [:mix], [], \"hexpm\", \"00\"},\n  \"g\": {:git, \"https://git.example/g.git\", \"00\", []},\n}\n",
            &["plug 1.10.0 2"],
            &["g"],
        ),
        (
            "Package.resolved",
            "{\n \"pins\": [\n  {\"identity\": \"nio\", \"location\": \"https://github.com/Apple/swift-nio.git\", \"state\": {\"revision\": \"00\", \"version\": \"2.0.0\"}},\n  {\"identity\": \"g\", \"location\": \"https://git.example/g\", \"state\": {\"branch\": \"main\"}}\n ],\n \"version\": 2\n}\n",
            &["github.com/apple/swift-nio 2.0.0 3"],
            &["https://git.example/g"],
        ),
    ];

    #[test]
    fn every_form_gives_its_packages_with_their_lines() {
        for (path, text, packages, elsewhere) in SAMPLES {
            let parsed = parse(kind(path).expect("a kind"), text).expect(path);
            let found: Vec<String> = parsed
                .packages
                .iter()
                .map(|(p, line)| format!("{} {} {}", p.name, p.version, line.unwrap_or(0)))
                .collect();
            assert_eq!(found, *packages, "{path}\n{text}");
            let unchecked: Vec<&str> = parsed.unchecked.iter().map(|u| u.name.as_str()).collect();
            assert_eq!(unchecked, *elsewhere, "{path}");
            for (package, _) in &parsed.packages {
                let version =
                    crate::deps::version::Version::parse(package.ecosystem, &package.version);
                assert!(version.is_some(), "{path} {package:?}");
            }
        }
    }

    #[test]
    fn kinds_by_path() {
        for (path, expected) in [
            ("Cargo.lock", Some(Kind::Cargo)),
            ("a/b/package-lock.json", Some(Kind::Npm)),
            ("node_modules/x/package-lock.json", None),
            ("poetry.lock", Some(Kind::Poetry)),
            ("requirements.txt", Some(Kind::Requirements)),
            ("requirements-dev.txt", Some(Kind::Requirements)),
            ("dev-requirements.txt", Some(Kind::Requirements)),
            ("requirements/base.txt", Some(Kind::Requirements)),
            ("docs/notes.txt", None),
            ("Cargo.toml", None),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }

    #[test]
    fn malformed_files_are_refused_with_a_reason() {
        for (kind, text) in [
            (Kind::Cargo, "[[package]]\nname = 1"),
            (Kind::Npm, "{"),
            (Kind::Npm, "[]"),
            (Kind::Npm, "{\"lockfileVersion\": 9}"),
            (Kind::Poetry, "package = 3"),
            (Kind::Npm, &"[".repeat(10_000)),
        ] {
            let reason = parse(kind, text).expect_err("is refused");
            assert!(!reason.is_empty() && reason.len() < 500, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let lossy = String::from_utf8_lossy(&bytes);
            for kind in ALL {
                for text in [text.as_str(), &lossy] {
                    drop(parse(*kind, text));
                }
            }
        }

        #[test]
        fn no_requirements_panic(lines in prop::collection::vec("[a-z=<>~!;@\\\\ #.\\[\\]0-9-]{0,30}", 0..20)) {
            drop(parse(Kind::Requirements, &lines.join("\n")));
        }
    }

    /// Reads every lock file below a folder:
    /// `PACT_LOCK_CORPUS=<folder> cargo test -p pact-security-agent corpus -- --ignored --nocapture`.
    #[test]
    #[ignore = "reads the folder that PACT_LOCK_CORPUS names"]
    #[expect(clippy::print_stdout, reason = "the figures are the result")]
    fn corpus_is_understood() {
        let Some(root) = std::env::var_os("PACT_LOCK_CORPUS") else {
            println!("skipped: PACT_LOCK_CORPUS is not set");
            return;
        };
        let mut folders = vec![std::path::PathBuf::from(&root)];
        let (mut files, mut packages, mut without_line, mut unchecked) = (0, 0, 0, 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => {
                        let name = path.strip_prefix(&root).expect("below").display().to_string();
                        let Some(kind) = super::kind(&name) else { continue };
                        let bytes = std::fs::read(&path).expect("a file");
                        match parse(kind, &String::from_utf8_lossy(&bytes)) {
                            Ok(parsed) => {
                                files += 1;
                                packages += parsed.packages.len();
                                unchecked += parsed.unchecked.len();
                                without_line +=
                                    parsed.packages.iter().filter(|(_, l)| l.is_none()).count();
                            }
                            Err(reason) => println!("{name}: {reason}"),
                        }
                    }
                    _ => {}
                }
            }
        }
        println!(
            "{files} files, {packages} packages ({without_line} without line), {unchecked} unchecked"
        );
    }
}
