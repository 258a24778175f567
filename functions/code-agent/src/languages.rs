//! The language of a file, by its name.

/// Languages by file extension.
const EXTENSIONS: &[(&str, &[&str])] = &[
    ("Assembly", &["asm", "s"]),
    ("Astro", &["astro"]),
    ("Batchfile", &["bat", "cmd"]),
    ("C", &["c", "h"]),
    ("C#", &["cs"]),
    ("C++", &["cc", "cpp", "cxx", "hh", "hpp", "hxx"]),
    ("CSS", &["css"]),
    ("CSV", &["csv"]),
    ("Clojure", &["clj", "cljc", "cljs", "edn"]),
    ("Dart", &["dart"]),
    ("Elixir", &["ex", "exs"]),
    ("Erlang", &["erl", "hrl"]),
    ("F#", &["fs", "fsx"]),
    ("Go", &["go"]),
    ("GraphQL", &["gql", "graphql"]),
    ("Groovy", &["gradle", "groovy"]),
    ("HCL", &["hcl", "tf", "tfvars"]),
    ("HTML", &["htm", "html"]),
    ("Haskell", &["hs"]),
    ("INI", &["cfg", "ini", "properties"]),
    ("JSON", &["geojson", "ipynb", "json", "webmanifest"]),
    ("JSON with Comments", &["code-workspace", "jsonc"]),
    ("JSON5", &["json5"]),
    ("Java", &["java"]),
    ("JavaScript", &["cjs", "js", "jsx", "mjs"]),
    ("Julia", &["jl"]),
    ("Kotlin", &["kt", "kts"]),
    ("Less", &["less"]),
    ("Lua", &["lua"]),
    ("Markdown", &["markdown", "md", "mdx"]),
    ("Nix", &["nix"]),
    ("OCaml", &["ml", "mli"]),
    ("Objective-C", &["m", "mm"]),
    ("PHP", &["php"]),
    ("Perl", &["pl", "pm"]),
    ("PowerShell", &["ps1", "psm1"]),
    ("Protocol Buffer", &["proto"]),
    ("Python", &["py", "pyi", "pyw"]),
    ("R", &["r"]),
    ("Ruby", &["gemspec", "rake", "rb"]),
    ("Rust", &["rs"]),
    ("SCSS", &["sass", "scss"]),
    ("SQL", &["sql"]),
    ("SVG", &["svg"]),
    ("Scala", &["sbt", "scala"]),
    ("Shell", &["bash", "sh", "zsh"]),
    ("Svelte", &["svelte"]),
    ("Swift", &["swift"]),
    ("TOML", &["toml"]),
    ("Text", &["adoc", "rst", "txt"]),
    ("TypeScript", &["cts", "mts", "ts", "tsx"]),
    ("Vue", &["vue"]),
    ("XML", &["csproj", "xml", "xsd", "xsl"]),
    ("YAML", &["yaml", "yml"]),
    ("Zig", &["zig"]),
];

/// Languages by whole file name.
const NAMES: &[(&str, &[&str])] = &[
    ("CMake", &["CMakeLists.txt"]),
    ("Dockerfile", &["Containerfile", "Dockerfile"]),
    ("Go Module", &["go.mod", "go.sum", "go.work"]),
    ("JSON", &[".arcconfig", ".watchmanconfig", "Pipfile.lock", "composer.lock"]),
    ("JSON with Comments", &[".babelrc", ".eslintrc", ".jscsrc", ".jshintrc", ".swcrc"]),
    ("Makefile", &["GNUmakefile", "Makefile", "makefile"]),
    ("Ruby", &["Gemfile", "Rakefile"]),
    ("TOML", &["Cargo.lock", "Pipfile", "pdm.lock", "poetry.lock", "uv.lock"]),
    ("Text", &["COPYING", "LICENSE", "LICENCE", "NOTICE", "README"]),
];

/// Name of the language of the file at `path`; none when it is not known.
pub(crate) fn of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let named = NAMES.iter().find(|(_, names)| names.contains(&name));
    if let Some((language, _)) = named {
        return Some(language);
    }
    if name.starts_with("Dockerfile.") {
        return Some("Dockerfile");
    }
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    let known = EXTENSIONS.iter().find(|(_, all)| all.contains(&extension.as_str()));
    known.map(|(language, _)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_extensions() {
        assert_eq!(of("src/main.rs"), Some("Rust"));
        assert_eq!(of("a/CMakeLists.txt"), Some("CMake"));
        assert_eq!(of("Cargo.lock"), Some("TOML"));
        assert_eq!(of("web/App.TSX"), Some("TypeScript"));
        assert_eq!(of("docker/Dockerfile.dev"), Some("Dockerfile"));
        assert_eq!(of("bin/tool"), None);
        assert_eq!(of("yarn.lock"), None);
    }

    #[test]
    fn no_extension_has_two_languages() {
        let mut all: Vec<_> = EXTENSIONS.iter().flat_map(|(_, e)| e.iter()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
