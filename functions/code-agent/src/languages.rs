//! The language of a file: by its name, and by its content where the name says too little.

/// Languages by file extension.
const EXTENSIONS: &[(&str, &[&str])] = &[
    ("Assembly", &["asm", "s"]),
    ("Astro", &["astro"]),
    ("Batchfile", &["bat", "cmd"]),
    ("C", &["c", "h"]),
    ("C#", &["cs", "csx"]),
    ("C++", &["c++", "cc", "cpp", "cxx", "hh", "hpp", "hxx", "inl", "ipp"]),
    ("CSS", &["css"]),
    ("CSV", &["csv"]),
    ("Clojure", &["clj", "cljc", "cljs", "edn"]),
    ("Cython", &["pxd", "pxi", "pyx"]),
    ("Dart", &["dart"]),
    ("Dockerfile", &["containerfile", "dockerfile"]),
    ("Elixir", &["ex", "exs"]),
    ("Erlang", &["erl", "hrl"]),
    ("F#", &["fs", "fsi", "fsx"]),
    ("Go", &["go"]),
    ("GraphQL", &["gql", "graphql"]),
    ("Groovy", &["gradle", "groovy"]),
    ("HCL", &["hcl", "nomad", "tf", "tfvars"]),
    ("HTML", &["htm", "html"]),
    ("Haskell", &["hs"]),
    ("INI", &["cfg", "ini", "properties"]),
    ("JSON", &["avsc", "geojson", "har", "ipynb", "json", "jsonld", "topojson", "webmanifest"]),
    ("JSON Lines", &["jsonl", "ndjson"]),
    ("JSON with Comments", &["code-workspace", "jsonc"]),
    ("JSON5", &["json5"]),
    ("Java", &["java"]),
    ("JavaScript", &["cjs", "es6", "js", "jsx", "mjs"]),
    ("Julia", &["jl"]),
    ("Kotlin", &["kt", "kts"]),
    ("Less", &["less"]),
    ("Lua", &["lua"]),
    ("Makefile", &["mak", "mk"]),
    ("Markdown", &["markdown", "md", "mdx"]),
    ("Nix", &["nix"]),
    ("OCaml", &["ml", "mli"]),
    ("Objective-C", &["m", "mm"]),
    ("PHP", &["php", "php3", "php4", "php5", "phps", "phtml"]),
    ("Perl", &["pl", "pm"]),
    ("PowerShell", &["ps1", "psd1", "psm1"]),
    ("Protocol Buffer", &["proto"]),
    ("Python", &["py", "pyi", "pyw"]),
    ("R", &["r"]),
    ("Ruby", &["gemspec", "podspec", "rake", "rb", "ru"]),
    ("Rust", &["rs"]),
    ("SCSS", &["sass", "scss"]),
    ("SQL", &["ddl", "dml", "sql"]),
    ("SVG", &["svg"]),
    ("Scala", &["sbt", "sc", "scala"]),
    ("Shell", &["bash", "bats", "ebuild", "ksh", "sh"]),
    ("Starlark", &["bzl", "star"]),
    ("Svelte", &["svelte"]),
    ("Swift", &["swift"]),
    ("TOML", &["toml"]),
    (
        "Template",
        &[
            "ejs",
            "erb",
            "ftl",
            "gotmpl",
            "haml",
            "hbs",
            "handlebars",
            "j2",
            "jinja",
            "jinja2",
            "liquid",
            "mako",
            "mustache",
            "pug",
            "slim",
            "tmpl",
            "tpl",
            "twig",
            "vm",
        ],
    ),
    ("Text", &["adoc", "rst", "txt"]),
    ("TypeScript", &["cts", "mts", "ts", "tsx"]),
    ("Vue", &["vue"]),
    (
        "XML",
        &[
            "atom",
            "axaml",
            "config",
            "csproj",
            "fsproj",
            "gpx",
            "iml",
            "kml",
            "nuspec",
            "plist",
            "pom",
            "props",
            "qrc",
            "rdf",
            "resx",
            "rss",
            "storyboard",
            "targets",
            "ui",
            "vbproj",
            "vcxproj",
            "wsdl",
            "xaml",
            "xhtml",
            "xib",
            "xlf",
            "xliff",
            "xml",
            "xsd",
            "xsl",
            "xslt",
        ],
    ),
    ("YAML", &["yaml", "yml"]),
    ("Zig", &["zig"]),
    ("Zsh", &["zsh"]),
];

/// Languages by whole file name.
const NAMES: &[(&str, &[&str])] = &[
    ("CMake", &["CMakeLists.txt"]),
    ("Dockerfile", &["Containerfile", "Dockerfile"]),
    ("Go Module", &["go.mod", "go.sum", "go.work"]),
    ("Groovy", &["Jenkinsfile"]),
    ("INI", &[".editorconfig", ".gitconfig", ".gitmodules", ".npmrc", ".pylintrc"]),
    ("JSON", &[".arcconfig", ".watchmanconfig", "Pipfile.lock", "composer.lock", "flake.lock"]),
    ("JSON with Comments", &[".babelrc", ".eslintrc", ".jscsrc", ".jshintrc", ".swcrc"]),
    ("Makefile", &["GNUmakefile", "Makefile", "makefile"]),
    ("Python", &["SConscript", "SConstruct", "wscript"]),
    (
        "Ruby",
        &[
            "Appraisals",
            "Brewfile",
            "Capfile",
            "Dangerfile",
            "Fastfile",
            "Gemfile",
            "Guardfile",
            "Podfile",
            "Rakefile",
            "Vagrantfile",
        ],
    ),
    ("Shell", &[".bash_profile", ".bashrc", ".envrc", ".profile", "APKBUILD", "PKGBUILD"]),
    ("Starlark", &["BUCK", "BUILD", "BUILD.bazel", "Tiltfile", "WORKSPACE", "WORKSPACE.bazel"]),
    ("TOML", &["Cargo.lock", "Pipfile", "pdm.lock", "poetry.lock", "uv.lock"]),
    ("Text", &["COPYING", "LICENSE", "LICENCE", "NOTICE", "README"]),
    ("Zsh", &[".zprofile", ".zshenv", ".zshrc"]),
];

/// Languages by the interpreter that the first line names.
const INTERPRETERS: &[(&str, &[&str])] = &[
    ("JavaScript", &["bun", "deno", "node", "nodejs"]),
    ("Lua", &["lua", "luajit"]),
    ("PHP", &["php"]),
    ("Perl", &["perl"]),
    ("PowerShell", &["pwsh"]),
    ("Python", &["pypy", "python"]),
    ("R", &["Rscript"]),
    ("Ruby", &["jruby", "ruby"]),
    ("Shell", &["ash", "bash", "dash", "ksh", "sh"]),
    ("TypeScript", &["ts-node", "tsx"]),
    ("Zsh", &["zsh"]),
];

/// Bytes that are looked at for what a name does not say.
const SNIFF: usize = 64 * 1024;

/// Name of the language of the file at `path` by its name alone; none when it is not known.
pub(crate) fn of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let named = NAMES.iter().find(|(_, names)| names.contains(&name));
    if let Some((language, _)) = named {
        return Some(language);
    }
    if name.starts_with("Dockerfile.") || name.starts_with("Containerfile.") {
        return Some("Dockerfile");
    }
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    let known = EXTENSIONS.iter().find(|(_, all)| all.contains(&extension.as_str()));
    known.map(|(language, _)| *language)
}

/// Name of the language of a file: what its first line or its content says where the name fits
/// several languages or none.
pub(crate) fn detect(path: &str, content: &[u8]) -> Option<&'static str> {
    let head = content.get(..SNIFF.min(content.len())).unwrap_or_default();
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let is_xml = head.trim_ascii_start().starts_with(b"<?xml")
        || head.trim_ascii_start().starts_with(b"<!DOCTYPE TS");
    let named = of(path);
    match named {
        None if is_xml => Some("XML"),
        None if head.starts_with(b"<?php") => Some("PHP"),
        None => match interpreter(head) {
            Some("Shell") if is_tcl(head) => Some("Tcl"),
            other => other,
        },
        // Translations of Qt have the extension of TypeScript.
        Some("TypeScript") if is_xml => Some("XML"),
        Some("Shell") if is_tcl(head) => Some("Tcl"),
        Some("Shell") => match interpreter(head) {
            Some(other) if other != "Shell" => Some(other),
            _ => named,
        },
        Some("C") if path.to_ascii_lowercase().ends_with(".h") => Some(header(head)),
        Some("XML") if path.to_ascii_lowercase().ends_with(".config") && !is_markup(head) => None,
        Some("XML") if path.to_ascii_lowercase().ends_with(".props") && !is_markup(head) => None,
        Some("Template") if is_xml => Some("Template"),
        _ => named,
    }
}

/// Whether a script hands itself to Tcl, to which the line that does so is a comment.
fn is_tcl(head: &[u8]) -> bool {
    let head = head.get(..head.len().min(1_000)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    ["-*- tcl -*-", "exec wish", "exec tclsh", "exec \"$argv0\""]
        .iter()
        .any(|mark| head.contains(mark))
}

fn is_markup(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"<")
}

/// The language that a header with the extension of C is written in.
fn header(head: &[u8]) -> &'static str {
    let mut language = "C";
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let starts = |words: &[&[u8]]| words.iter().any(|word| line.starts_with(word));
        if starts(&[b"@interface", b"@protocol", b"@class", b"#import", b"NS_ASSUME", b"@import"]) {
            return "Objective-C";
        }
        if starts(&[b"namespace ", b"template ", b"template<", b"class ", b"using ", b"public:"])
            || starts(&[
                b"private:",
                b"protected:",
                b"constexpr ",
                b"virtual ",
                b"static constexpr ",
            ])
            || line.windows(5).any(|w| w == b"std::")
        {
            language = "C++";
        }
    }
    language
}

/// The language of the interpreter in the first line: `#!/usr/bin/env -S python3 -u`.
fn interpreter(head: &[u8]) -> Option<&'static str> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let mut name = words.next()?.rsplit('/').next()?;
    if name == "env" {
        name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        name = name.rsplit('/').next().unwrap_or(name);
    }
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let known = |n: &str| INTERPRETERS.iter().find(|(_, all)| all.contains(&n)).map(|(l, _)| *l);
    known(name).or_else(|| known(plain))
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
    fn the_first_line_and_the_content_say_what_a_name_does_not() {
        let files: &[(&str, &[u8], Option<&str>)] = &[
            ("bin/tool", b"#!/usr/bin/env python3\n", Some("Python")),
            ("bin/tool", b"#!/usr/bin/env -S node --test\n", Some("JavaScript")),
            ("bin/tool", b"#!/bin/sh -e\n", Some("Shell")),
            ("bin/tool", b"#!/usr/bin/python3.12\n", Some("Python")),
            ("bin/tool", b"#!/opt/other\n", None),
            ("bin/tool", b"text", None),
            ("run.sh", b"#!/usr/bin/zsh\n", Some("Zsh")),
            ("run.sh", b"#!/bin/bash\n", Some("Shell")),
            ("git-gui.sh", b"#!/bin/sh\n# Tcl ignores the next line -*- tcl -*- \\\n", Some("Tcl")),
            ("linbin.pyx", b"#!python\ncimport a\n", Some("Cython")),
            ("i18n/app_de.ts", b"<?xml version=\"1.0\"?>\n<!DOCTYPE TS>\n<TS/>", Some("XML")),
            ("app.ts", b"let a = 1;", Some("TypeScript")),
            ("data", b"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", Some("XML")),
            ("a.h", b"#pragma once\nint a(void);\n", Some("C")),
            ("a.h", b"#pragma once\nnamespace a {\n}\n", Some("C++")),
            ("a.h", b"#import <Foundation/Foundation.h>\n", Some("Objective-C")),
            ("app.config", b"key = value\n", None),
        ];
        for (path, content, language) in files {
            assert_eq!(detect(path, content), *language, "{path}");
        }
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
