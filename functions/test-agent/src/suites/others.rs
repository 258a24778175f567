//! .NET, Ruby and PHP; and tools whose tests nothing here knows how to run.

use serde_json::Value;

use super::{
    suite::{Candidate, REPORTS, Suite},
    tree::{Tree, in_any, is_aside, is_below, join, split},
};

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    dotnet(tree, candidates);
    ruby(tree, candidates);
    php(tree, candidates);
}

fn dotnet(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let is_project =
        |name: &str| [".csproj", ".fsproj", ".vbproj"].iter().any(|end| name.ends_with(end));
    let is_solution = |name: &str| name.ends_with(".sln") || name.ends_with(".slnx");
    let is_tested = |file: &str| {
        tree.says(file, &["Microsoft.NET.Test.Sdk", "MSTest.Sdk", "<IsTestProject>true"])
    };
    let projects: Vec<&str> =
        tree.below("").filter(|file| is_project(split(file).1) && is_tested(file)).collect();
    let solutions: Vec<&str> = tree.below("").filter(|f| is_solution(split(f).1)).collect();
    let mut covered: Vec<&str> = Vec::new();
    let mut add = |file: &str| {
        let (folder, name) = split(file);
        let results = format!("--results-directory={}", REPORTS);
        let command = ["dotnet", "test", name, "--nologo", "--logger=trx", &results];
        candidates.push(Candidate { suite: Suite::new("dotnet", folder, &command), tests: true });
    };
    for solution in solutions {
        let text = tree.text(solution).unwrap_or_default();
        let folder = split(solution).0;
        let parts = text.split('"').map(|part| join(folder, &part.replace('\\', "/")));
        let named: std::collections::HashSet<String> = parts.collect();
        let own: Vec<&str> = projects
            .iter()
            .copied()
            .filter(|p| named.contains(*p) && !covered.contains(p))
            .collect();
        if !own.is_empty() {
            covered.extend(own);
            add(solution);
        }
    }
    for project in projects.iter().filter(|project| !covered.contains(project)) {
        add(project);
    }
}

fn ruby(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let is_manifest =
        |name: &str| matches!(name, "Gemfile" | "Rakefile") || name.ends_with(".gemspec");
    let folders = tree.folders(is_manifest);
    for folder in &folders {
        let has = |below: &str, end: &str| {
            let below = join(folder, below);
            tree.own(folder, &folders).any(|f| is_below(f, &below) && f.ends_with(end))
        };
        let specs = has("spec", "_spec.rb");
        let rake = has("test", ".rb") && tree.has(&join(folder, "Rakefile"));
        let bundled = tree.any(folder, &["Gemfile"]);
        let prefix: &[&str] = if bundled { &["bundle", "exec"] } else { &[] };
        let mut add = |tool: &str, command: &[&str]| {
            let mut suite = Suite::new(tool, folder, &[prefix, command].concat());
            if bundled {
                suite = suite.after(folder, &["bundle", "install", "--quiet"]);
                if tree.any(folder, &["Gemfile.lock"]) {
                    suite = suite.with("BUNDLE_FROZEN", "true");
                }
            }
            candidates.push(Candidate { suite, tests: true });
        };
        if specs {
            add("rspec", &["rspec"]);
        }
        if rake {
            add("rake", &["rake", "test"]);
        }
    }
}

fn php(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    for folder in &tree.folders(|name| name == "composer.json") {
        let text = tree.text(&join(folder, "composer.json")).unwrap_or_default();
        let package: Value = serde_json::from_str(&text).unwrap_or_default();
        let configured = tree.any(folder, &["phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"]);
        let report = format!("--log-junit={}/phpunit.xml", REPORTS);
        let command: &[&str] = if configured {
            &["vendor/bin/phpunit", &report]
        } else if package.pointer("/scripts/test").is_some() {
            &["composer", "test"]
        } else {
            continue;
        };
        let suite = Suite::new("phpunit", folder, command)
            .after(folder, &["composer", "install", "--no-interaction", "--no-progress"]);
        candidates.push(Candidate { suite, tests: true });
    }
}

/// A tool by its files, the endings of what is written for it, and the suites that run its tests.
struct Tool {
    files: &'static [&'static str],
    endings: &'static [&'static str],
    suites: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool {
        files: &["Gemfile", "Rakefile", "*.gemspec"],
        endings: &[".rb"],
        suites: &["rspec", "rake"],
    },
    Tool { files: &["composer.json"], endings: &["Test.php", ".phpt"], suites: &["phpunit"] },
    Tool {
        files: &["*.sln", "*.slnx", "*.csproj", "*.fsproj"],
        endings: &[".cs", ".fs"],
        suites: &["dotnet"],
    },
    Tool { files: &["Package.swift"], endings: &[".swift"], suites: &[] },
    Tool { files: &["build.sbt"], endings: &[".scala"], suites: &[] },
    Tool {
        files: &["deno.json", "deno.jsonc"],
        endings: &["test.ts", "test.js", "test.tsx"],
        suites: &["npm", "pnpm", "yarn", "bun"],
    },
    Tool { files: &["mix.exs"], endings: &[".exs"], suites: &[] },
    Tool { files: &["pubspec.yaml"], endings: &["_test.dart"], suites: &[] },
    Tool { files: &["rebar.config"], endings: &[".erl"], suites: &[] },
    Tool { files: &["stack.yaml", "*.cabal"], endings: &[".hs"], suites: &[] },
];
/// Tools of C and C++: what they build is often a part of something else, which tests it.
const NATIVE: &Tool = &Tool {
    files: &["CMakeLists.txt", "configure.ac", "meson.build"],
    endings: &[".c", ".cc", ".cpp", ".cxx", ".sh", ".am"],
    suites: &[],
};

impl Tool {
    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| match file.strip_prefix('*') {
            Some(end) => name.ends_with(end),
            None => name == *file,
        })
    }
}

/// Files by which tools build what has tests that nothing here knows how to run: that is not the
/// same as having none.
pub(super) fn unknown(tree: &Tree<'_>, suites: &[Suite]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tool in TOOLS.iter().chain([NATIVE]) {
        let mut folders: Vec<String> = Vec::new();
        for folder in tree.folders(|name| tool.has(name)) {
            let known = suites.iter().any(|suite| {
                let around = is_below(&folder, &suite.directory);
                let inside = is_below(&suite.directory, &folder);
                let own = tool.suites.contains(&suite.tool.as_str());
                (own && (around || inside)) || (std::ptr::eq(tool, NATIVE) && around)
            });
            if is_aside(&folder) || known || in_any(&folder, &folders) {
                continue;
            }
            let is_own = |file: &str| tool.endings.iter().any(|end| file.ends_with(end));
            if tree.below(&folder).any(|file| is_own(file) && is_test(file, &folder)) {
                let at = |f: &&str| split(f).0 == folder && tool.has(split(f).1);
                found.extend(tree.below(&folder).find(at).map(str::to_owned));
                folders.push(folder);
            }
        }
    }
    found
}

fn is_test(file: &str, root: &str) -> bool {
    const FOLDERS: &[&str] = &["spec", "specs", "t", "test", "tests", "unittests"];
    let below = file.strip_prefix(root).unwrap_or(file);
    let mut parts = below.split('/').rev();
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_folder = |part: &str| {
        let part = part.to_ascii_lowercase();
        FOLDERS.contains(&part.as_str()) || part.ends_with(".tests")
    };
    name.contains("test") || parts.any(is_folder)
}
