//! Files that declare dependencies: which ecosystem they are of, and whether they name any.

use super::Ecosystem;

/// The ecosystem of the file at `path`. What a package manager has installed into the tree is of
/// none.
pub(crate) fn ecosystem(path: &str) -> Option<Ecosystem> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.split('/').any(|f| matches!(f, "node_modules" | "vendor" | "site-packages")) {
        return None;
    }
    Some(match name {
        "Cargo.toml" => Ecosystem::CratesIo,
        "package.json" => Ecosystem::Npm,
        "pyproject.toml" | "setup.py" | "setup.cfg" | "Pipfile" => Ecosystem::PyPi,
        "pom.xml" | "build.gradle" | "build.gradle.kts" => Ecosystem::Maven,
        "Gemfile" | "gems.rb" => Ecosystem::RubyGems,
        "composer.json" => Ecosystem::Packagist,
        "packages.config" => Ecosystem::NuGet,
        "pubspec.yaml" => Ecosystem::Pub,
        "mix.exs" => Ecosystem::Hex,
        "Package.swift" => Ecosystem::Swift,
        _ if [".csproj", ".fsproj", ".vbproj"].iter().any(|e| name.ends_with(e)) => {
            Ecosystem::NuGet
        }
        _ => return None,
    })
}

/// Whether the file names a dependency that comes from elsewhere. When in doubt it does.
pub(crate) fn declares(path: &str, text: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let table = |keys: &[&str]| match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => keys.iter().any(|key| {
            value.get(key).and_then(|d| d.as_object()).is_some_and(|d| {
                // `php` and its extensions are of the platform.
                d.keys().any(|k| k != "php" && !k.starts_with("ext-"))
            })
        }),
        Err(_) => true,
    };
    match name {
        "package.json" => table(&["dependencies", "devDependencies", "optionalDependencies"]),
        "composer.json" => table(&["require", "require-dev"]),
        "Cargo.toml" | "pyproject.toml" => match text.parse::<toml::Table>() {
            Ok(file) => in_toml(&file),
            Err(_) => true,
        },
        "setup.py" | "setup.cfg" => has(&["install_requires", "requires"]),
        "Pipfile" => has(&["[packages]", "[dev-packages]"]),
        "pom.xml" => has(&["<dependency>"]),
        "build.gradle" | "build.gradle.kts" => {
            has(&["implementation", "api", "compile", "classpath", "runtimeOnly"])
        }
        "Gemfile" | "gems.rb" => has(&["gem ", "gem(", "gemspec"]),
        "pubspec.yaml" => has(&["dependencies:"]),
        "mix.exs" => has(&["{:"]),
        "Package.swift" => has(&[".package("]),
        _ => has(&["PackageReference", "<package "]),
    }
}

fn in_toml(file: &toml::Table) -> bool {
    let filled = |value: Option<&toml::Value>| match value {
        Some(toml::Value::Table(table)) => table.iter().any(|(name, value)| {
            name != "python" && !value.as_table().is_some_and(|t| t.contains_key("path"))
        }),
        Some(toml::Value::Array(array)) => !array.is_empty(),
        _ => false,
    };
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let under = |table: &toml::Table| tables.iter().any(|key| filled(table.get(*key)));
    let sub =
        |table: &toml::Table, key: &str| table.get(key).and_then(toml::Value::as_table).cloned();
    under(file)
        || sub(file, "workspace").is_some_and(|w| under(&w))
        || sub(file, "target")
            .is_some_and(|t| t.values().filter_map(toml::Value::as_table).any(under))
        || sub(file, "project").is_some_and(|p| {
            filled(p.get("dependencies"))
                || sub(&p, "optional-dependencies")
                    .is_some_and(|o| o.values().any(|v| filled(Some(v))))
        })
        || sub(file, "tool")
            .and_then(|t| sub(&t, "poetry"))
            .is_some_and(|p| under(&p) || filled(p.get("group")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_dependencies_needs_a_lock() {
        for (path, text, expected) in [
            ("package.json", "{\"dependencies\":{\"a\":\"1\"}}", true),
            ("package.json", "{\"scripts\":{}}", false),
            ("package.json", "{", true),
            ("composer.json", "{\"require\":{\"php\":\">=8\"}}", false),
            ("Cargo.toml", "[dependencies]\na = \"1\"\n", true),
            ("Cargo.toml", "[dependencies]\na = { path = \"../a\" }\n", false),
            ("Cargo.toml", "[package]\nname = \"a\"\n", false),
            ("pyproject.toml", "[project]\ndependencies = [\"flask\"]\n", true),
            ("pyproject.toml", "[tool.black]\nline-length = 100\n", false),
            (
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = \"^3\"\nflask = \"*\"\n",
                true,
            ),
            ("pom.xml", "<project><dependency></dependency></project>", true),
            ("a.csproj", "<PackageReference Include=\"x\"/>", true),
        ] {
            assert!(ecosystem(path).is_some());
            assert_eq!(declares(path, text), expected, "{path} {text}");
        }
        assert_eq!(ecosystem("node_modules/a/package.json"), None);
    }
}
