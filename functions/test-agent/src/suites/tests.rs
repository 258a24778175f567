//! What is found in repositories of every kind.

use super::*;

fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
    dir
}

fn found(files: &[(&str, &str)]) -> Found {
    find(repository(files).path())
}

/// Each suite: its name, what has to be done before, its command.
fn suites(files: &[(&str, &str)]) -> Vec<String> {
    let found = found(files).suites.into_iter().map(|suite| {
        let setup = suite.setup.iter().map(|setup| {
            let at =
                if setup.directory.is_empty() { "" } else { &format!("{}$ ", setup.directory) };
            format!("{at}{}", setup.command.join(" "))
        });
        let steps: Vec<_> = setup.chain([suite.command.join(" ")]).collect();
        format!("{}: {}", suite.name, steps.join(" && "))
    });
    found.collect()
}

const JEST: &str = "{\"scripts\":{\"test\":\"jest\"}}";
const TEST: &str = "#[test] fn a() {}";

#[test]
fn a_script_that_does_nothing_hides_no_tests() {
    let script = |text: &str| format!("{{\"scripts\":{{\"test\":\"{text}\"}}}}");
    for text in ["true", "exit 0", ":", "echo none"] {
        let files = [("web/package.json", &*script(text)), ("web/src/a.test.ts", "")];
        assert_eq!(found(&files).unknown, ["web/package.json"], "{text}");
        // Without a test there is nothing to hide, and a suite around it runs what is there.
        assert_eq!(
            found(&[("web/package.json", &*script(text)), ("web/a.ts", "")]),
            <_>::default()
        );
        let root = ("package.json", JEST);
        let found = found(&[root, ("web/package.json", &*script(text)), ("web/a.test.js", "")]);
        assert_eq!((found.unknown.len(), found.suites.len()), (0, 1), "{text}");
    }
    let init = "{\"scripts\":{\"test\":\"echo \\\"Error: no test specified\\\" && exit 1\"}}";
    assert!(found(&[("package.json", init), ("a.test.js", "")]).unknown.is_empty());
}

#[test]
fn each_tool_is_recognised() {
    let npm = |more: &str| format!("{{\"scripts\":{{\"test\":\"node --test\"}}{more}}}");
    let needs = npm(",\"devDependencies\":{\"a\":\"1\"}");
    let pytest = "python3 -m pytest -q --junitxml=@reports@/pytest.xml";
    let test = "import pytest\n";
    for (files, expected) in [
        (vec![("Cargo.toml", "")], "cargo: cargo test --workspace --no-fail-fast"),
        (
            vec![("Cargo.toml", ""), ("Cargo.lock", "")],
            "cargo: cargo test --workspace --no-fail-fast --locked",
        ),
        (vec![("package.json", npm("").as_str())], "npm: npm test"),
        (
            vec![("package.json", &needs), ("package-lock.json", "{}")],
            "npm: npm ci --no-audit --no-fund && npm test",
        ),
        (
            vec![("package.json", &needs)],
            "npm: npm install --no-audit --no-fund --no-package-lock && npm test",
        ),
        (
            vec![("package.json", &needs), ("pnpm-lock.yaml", "")],
            "pnpm: pnpm install --frozen-lockfile && pnpm test",
        ),
        (
            vec![("package.json", &needs), ("yarn.lock", "# yarn lockfile v1")],
            "yarn: yarn install --frozen-lockfile && yarn test",
        ),
        (
            vec![("package.json", &needs), ("yarn.lock", "__metadata:\n")],
            "yarn: yarn install --immutable && yarn test",
        ),
        (
            vec![("package.json", &needs), ("bun.lock", "")],
            "bun: bun install --frozen-lockfile && bun run test",
        ),
        (vec![("tests/test_a.py", test)], &format!("pytest: {pytest}")),
        (vec![("pytest.ini", "")], &format!("pytest: {pytest}")),
        (vec![("go.mod", ""), ("a/a_test.go", "")], "go: go test -v ./..."),
        (vec![("pom.xml", "")], "maven: mvn -q -B --fail-at-end test"),
        (
            vec![("build.gradle", ""), ("gradlew", ""), ("app/src/test/java/A.java", "")],
            "gradle: sh ./gradlew --no-daemon --console=plain --continue test",
        ),
        (
            vec![("settings.gradle.kts", ""), ("src/test/kotlin/A.kt", "")],
            "gradle: gradle --no-daemon --console=plain --continue test",
        ),
        (
            vec![
                ("A.sln", "Project = \"T\", \"T\\T.csproj\""),
                ("T/T.csproj", "Microsoft.NET.Test.Sdk"),
            ],
            "dotnet: dotnet test A.sln --nologo --logger=trx --results-directory=@reports@",
        ),
        (
            vec![("Gemfile", ""), ("Gemfile.lock", ""), ("spec/a_spec.rb", "")],
            "rspec: bundle install --quiet && bundle exec rspec",
        ),
        (vec![("Rakefile", ""), ("test/a_test.rb", "")], "rake: rake test"),
        (
            vec![("composer.json", "{}"), ("phpunit.xml", "")],
            "phpunit: composer install --no-interaction --no-progress && vendor/bin/phpunit \
             --log-junit=@reports@/phpunit.xml",
        ),
        (
            vec![("CMakeLists.txt", "add_subdirectory(t)"), ("t/CMakeLists.txt", "add_test(x)")],
            "ctest: cmake -S . -B @tools@/cmake -DBUILD_TESTING=ON && cmake --build @tools@/cmake \
             --parallel 2 && ctest --test-dir @tools@/cmake --output-on-failure --output-junit \
             @reports@/ctest.xml",
        ),
        (vec![("Makefile", "all:\n\ttrue\nbuild test: all\n\ttrue\n")], "make: make test"),
    ] {
        assert_eq!(suites(&files), [expected], "{files:?}");
    }
}

#[test]
fn nothing_is_made_up() {
    for files in [
        vec![("README.md", "# test: x")],
        vec![(
            "package.json",
            "{\"scripts\":{\"test\":\"echo \\\"Error: no test specified\\\" && exit 1\"}}",
        )],
        vec![("package.json", "not json")],
        // What runs no test passes none.
        vec![("package.json", "{\"scripts\":{\"test\":\"true\"}}")],
        vec![("package.json", "{\"scripts\":{\"test\":\"echo all is well\"}}")],
        vec![("go.mod", ""), ("a.go", "")],
        vec![("go.mod", ""), ("testdata/a_test.go", "")],
        vec![("Makefile", "test := 1\n.PHONY: test\n# test:\n\ttest: x\n")],
        vec![("a.py", "import unittest")],
        vec![("build.gradle", ""), ("src/main/java/A.java", "")],
        vec![
            ("node_modules/a/package.json", JEST),
            ("vendor/x/go.mod", ""),
            ("vendor/x/a_test.go", ""),
        ],
        vec![("Gemfile", ""), ("lib/a.rb", "")],
    ] {
        assert_eq!(found(&files), Found::default(), "{files:?}");
    }
}

#[test]
fn every_suite_is_found_at_any_depth_and_members_once() {
    let deep = "a/b/c/d/e/f/g/h/i/j";
    let (go, test) = (format!("{deep}/go.mod"), format!("{deep}/a_test.go"));
    assert_eq!(
        suites(&[("web/package.json", JEST), (&go, ""), (&test, "")]),
        ["web: npm test", &format!("{deep}: go test -v ./...")]
    );
    // Two tools in one folder.
    let both = [("go.mod", ""), ("a_test.go", ""), ("package.json", JEST), ("Makefile", "test:\n")];
    assert_eq!(suites(&both), ["go: go test -v ./...", "npm: npm test"]);

    let workspace = "[workspace]\nmembers = ['crates/*']\nexclude = ['apart']\n";
    let cargo = [
        ("Cargo.toml", workspace),
        ("crates/a/Cargo.toml", "[package]"),
        ("crates/a/src/lib.rs", TEST),
        ("apart/Cargo.toml", "[package]"),
        ("apart/tests/t.rs", TEST),
        ("fuzz/Cargo.toml", "[package.metadata]\ncargo-fuzz = true\n[workspace]\n"),
        ("fuzz/x.rs", TEST),
    ];
    let run = "cargo test --workspace --no-fail-fast";
    assert_eq!(suites(&cargo), [format!("cargo: {run}"), format!("apart: {run}")]);

    let maven = [
        ("pom.xml", "<modules><module>a</module><module>b/pom.xml</module></modules>"),
        ("a/pom.xml", ""),
        ("a/src/test/java/A.java", ""),
        ("b/pom.xml", ""),
        ("tools/pom.xml", ""),
        ("tools/src/test/java/B.java", ""),
    ];
    let run = "mvn -q -B --fail-at-end test";
    assert_eq!(suites(&maven), [format!("maven: {run}"), format!("tools: {run}")]);

    let gradle = [
        ("settings.gradle", ""),
        ("app/build.gradle", ""),
        ("app/src/test/java/A.java", ""),
        ("other/settings.gradle", ""),
        ("other/src/test/java/B.java", ""),
    ];
    assert_eq!(suites(&gradle).len(), 2);

    let work = [
        ("go.work", "go 1.22\nuse (\n\t./a\n)\n"),
        ("a/go.mod", ""),
        ("a/a_test.go", ""),
        ("b/go.mod", ""),
        ("b/b_test.go", ""),
    ];
    let off: Vec<_> =
        found(&work).suites.into_iter().map(|s| (s.name, s.environment.len())).collect();
    assert_eq!(off, [("a".to_owned(), 0), ("b".to_owned(), 1)]);
}

#[test]
fn members_of_a_workspace_of_packages_are_run_once_and_installed_at_its_root() {
    let root = |script: &str| {
        format!(
            "{{\"workspaces\":[\"packages/*\"],\"scripts\":{{\"test\":\"{script}\",\"all\":\"turbo run test\"}}}}"
        )
    };
    let with = |root: &str| {
        let member = "{\"scripts\":{\"test\":\"mocha\"},\"dependencies\":{\"x\":\"1\"}}";
        suites(&[
            ("package.json", root),
            ("package-lock.json", "{}"),
            ("packages/a/package.json", member),
            ("packages/b/package.json", "{}"),
            ("other/package.json", JEST),
        ])
    };
    let ci = "npm ci --no-audit --no-fund";
    let all = [format!("npm: {ci} && npm test"), "other: npm test".to_owned()];
    assert_eq!(with(&root("npm test --workspaces")), all);
    assert_eq!(with(&root("npm run lint && npm run all")), all);
    let own = format!("packages/a: {ci} && npm test");
    assert_eq!(
        with(&root("node --check a.js")),
        [all[0].clone(), "other: npm test".to_owned(), own.clone()]
    );
    assert_eq!(with(&root("")), ["other: npm test".to_owned(), own]);
}

#[test]
fn python_has_an_environment_of_its_own_where_it_says_what_it_needs() {
    let test = "import pytest\n";
    let setup = |files: &[(&str, &str)]| {
        let found = found(files).suites;
        let [suite] = &found[..] else { panic!("one suite: {found:?}") };
        assert_eq!(suite.command.first().map(String::as_str), Some("@tools@/bin/python"));
        let script = suite.setup.first().and_then(|setup| setup.command.last()).expect("a script");
        script.lines().last().unwrap_or_default().to_owned()
    };
    let pip = "python -m pip install -q";
    assert_eq!(
        setup(&[("requirements.txt", "a"), ("requirements-dev.txt", "b"), ("test_a.py", test)]),
        format!("{pip} -r 'requirements-dev.txt' -r 'requirements.txt' pytest")
    );
    let project = "[project]\nname = 'a'\n[project.optional-dependencies]\ntest = ['x']\ndocs = ['y']\n\
                   [dependency-groups]\ndev = ['it''s']\n";
    let project = project.replace("''", "\\'").replace("'it\\'s'", "\"it's\"");
    assert_eq!(
        setup(&[("pyproject.toml", &project), ("tests/test_a.py", test)]),
        format!(
            "{pip} -e '.[test]' 'it'\\''s' pytest || {{ {pip} 'it'\\''s' pytest && \
             {{ {pip} -e '.[test]' || {pip} '.[test]'; }}; }}"
        )
    );
    assert_eq!(
        setup(&[("setup.py", ""), ("tests/test_a.py", "import unittest")]),
        format!("{{ {pip} -e '.' || {pip} '.'; }}")
    );
    for (lock, install) in [
        ("uv.lock", "uv sync --locked --active"),
        ("poetry.lock", "poetry install --no-interaction --all-extras"),
        ("pdm.lock", "pdm install --frozen-lockfile -G :all"),
        ("Pipfile.lock", "pipenv sync --dev"),
    ] {
        assert_eq!(setup(&[(lock, ""), ("pyproject.toml", ""), ("test_a.py", test)]), install);
    }
}

/// What has pytest among other things is needed, whatever it is called; what is for tests alone comes
/// before what developers want besides.
#[test]
fn of_what_a_python_project_needs_that_for_tests_is_installed() {
    let installed = |files: &[(&str, &str)]| {
        let suite = found(files).suites.into_iter().next().expect("a suite");
        let script = suite.setup.first().and_then(|setup| setup.command.last()).expect("a script");
        let last = script.lines().last().unwrap_or_default();
        let first = last.split(" || ").next().unwrap_or_default();
        first.replace("python -m pip install -q ", "").trim_start_matches("{ ").to_owned()
    };
    let test = ("tests/test_a.py", "import unittest\n");
    let project = |text: &str| format!("[project]\nname = 'a'\n{text}");
    for (text, expected) in [
        (
            "[project.optional-dependencies]\nall = ['pytest', 'hypothesis']\ndocs = ['x']",
            "-e '.[all]' pytest",
        ),
        (
            "[project.optional-dependencies]\ntests = ['pytest']\ndev = ['pytest', 'mypy']",
            "-e '.[tests]' pytest",
        ),
        (
            "[project.optional-dependencies]\ntest = ['x']\ndev = ['pytest']",
            "-e '.[dev,test]' pytest",
        ),
        (
            "[dependency-groups]\ndev = [{ include-group = 'tests' }, 'ruff']\ntests = ['pytest']",
            "-e '.' 'pytest' pytest",
        ),
        ("[tool.tox.env_run_base]\ndeps = ['pytest', 'mock']", "-e '.' 'pytest' 'mock' pytest"),
    ] {
        assert_eq!(installed(&[("pyproject.toml", &project(text)), test]), expected);
    }
    let files =
        [("dev-requirements.txt", ""), ("requirements/tests.txt", ""), ("requirements.txt", "")];
    assert_eq!(
        installed(&[files[0], files[1], files[2], ("test_a.py", "import pytest\n")]),
        "-r 'requirements.txt' -r 'requirements/tests.txt' pytest"
    );
    let tox = "[testenv]\ndeps = -r odd.txt\nextras = unit: diagrams\n";
    let project = project("[project.optional-dependencies]\ndiagrams = ['railroad']");
    assert_eq!(
        installed(&[("pyproject.toml", &project), ("tox.ini", tox), ("odd.txt", "pytest"), test]),
        "-e '.[diagrams]' -r 'odd.txt' pytest"
    );
    let locked = "[dependency-groups]\ntests = ['pytest']\n";
    assert_eq!(
        installed(&[("pyproject.toml", locked), ("uv.lock", ""), test]),
        "uv sync --locked --active --group 'tests'"
    );
    let poetry = "[tool.poetry.group.test]\noptional = true\n[tool.poetry.group.docs]\n";
    assert_eq!(
        installed(&[("pyproject.toml", poetry), ("poetry.lock", ""), test]),
        "poetry install --no-interaction --all-extras --with test"
    );
}

/// The manager of the version that a package names, and no other text that could be a command.
#[test]
fn what_brings_a_manager_of_packages_is_what_the_package_names() {
    let brought = |named: &str, lock: &str| {
        let manifest =
            format!("{{\"scripts\":{{\"test\":\"jest\"}},\"packageManager\":\"{named}\"}}");
        let found = found(&[("package.json", &manifest), (lock, "")]).suites;
        found.into_iter().next().and_then(|suite| suite.brought_by).unwrap_or_default()
    };
    assert_eq!(brought("yarn@4.9.1+sha224.ab", "yarn.lock"), "@yarnpkg/cli-dist@4.9.1");
    assert_eq!(brought("yarn@1.22.19", "yarn.lock"), "yarn@1.22.19");
    assert_eq!(brought("pnpm@9.1.0-rc.1", "pnpm-lock.yaml"), "pnpm@9.1.0-rc.1");
    assert_eq!(brought("pnpm@https://example.org/x;y", "pnpm-lock.yaml"), "pnpm");
    assert_eq!(brought("npm@10.1.0", "bun.lock"), "bun");
    assert_eq!(brought("npm@10.1.0", "package-lock.json"), "");
}

/// Settings of cargo-nextest say that it runs the tests; it leaves out those in documentation.
#[test]
fn nextest_runs_the_tests_of_whoever_has_settings_for_it() {
    let settings = (".config/nextest.toml", "");
    let files = [("Cargo.toml", ""), ("src/lib.rs", TEST), settings];
    let nextest = "nextest: cargo nextest run --workspace --no-fail-fast";
    assert_eq!(suites(&files), [nextest]);
    let other = found(&files).suites.into_iter().find_map(|suite| suite.otherwise);
    assert_eq!(other.expect("a way without it").join(" "), "cargo test --workspace --no-fail-fast");
    let doc = ("src/a.rs", "/// ```\n/// a();\n/// ```\n");
    assert_eq!(
        suites(&[files[0], files[1], doc, settings]),
        [nextest, "cargo: cargo test --doc --workspace --no-fail-fast"]
    );
}

#[test]
fn nested_projects_of_python_are_suites_of_their_own() {
    let test = "import pytest\n";
    let found = found(&[
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("tests/test_a.py", test),
        ("tests/requirements.txt", ""),
        ("lib/pyproject.toml", ""),
        ("lib/tests/test_b.py", test),
        ("scripts/test_c.py", test),
    ]);
    let names: Vec<_> = found.suites.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["pytest", "lib"]);
    let root = found.suites.first().expect("a suite");
    assert_eq!(root.command.last().map(String::as_str), Some("--ignore=lib"));
}

#[test]
fn unittest_is_the_way_without_pytest_where_the_tests_allow_it() {
    let way = |files: &[(&str, &str)]| {
        found(files).suites.into_iter().find_map(|s| s.otherwise).map(|c| c.join(" "))
    };
    let unittest = "import unittest\n";
    let discover = "python3 -m unittest discover";
    assert_eq!(way(&[("test_a.py", unittest)]).as_deref(), Some(discover));
    assert_eq!(way(&[("tests/test_a.py", unittest)]), Some(format!("{discover} -s tests")));
    assert_eq!(
        way(&[("tests/test_a.py", unittest), ("tests/__init__.py", "")]),
        Some(format!("{discover} -s tests -t ."))
    );
    assert_eq!(way(&[("test_a.py", "import unittest\nimport pytest\n")]), None);
    assert_eq!(way(&[("test_a.py", "def test_x(): pass\n")]), None);
}

#[test]
fn tests_of_a_tool_that_is_not_known_are_not_taken_for_none() {
    let unknown = |files: &[(&str, &str)]| found(files).unknown;
    let exs = ("app/test/a_test.exs", "");
    assert_eq!(unknown(&[("app/mix.exs", ""), exs]), ["app/mix.exs"]);
    // Whatever else there is.
    assert_eq!(unknown(&[("app/mix.exs", ""), exs, ("package.json", JEST)]), ["app/mix.exs"]);
    assert_eq!(unknown(&[("a.sln", ""), ("A.Tests/B.cs", "")]), ["a.sln"]);
    assert_eq!(unknown(&[("composer.json", "{}"), ("tests/ATest.php", "")]), ["composer.json"]);
    assert!(unknown(&[("test/a.sh", ""), ("docs/Gemfile", "")]).is_empty());
    // A native part of what something else tests.
    let part = [("Cargo.toml", ""), ("src/lib.rs", TEST), ("c/meson.build", ""), ("c/test.c", "")];
    assert!(unknown(&part).is_empty());
}

#[test]
fn examples_and_fixtures_are_left_out_and_said_to_be() {
    let files = [("package.json", JEST), ("examples/a/package.json", JEST)];
    let both = found(&files);
    assert_eq!(both.suites.len(), 1);
    assert_eq!(both.aside, ["examples/a (npm)"]);
    assert!(both.unknown.is_empty());
    // Where there is nothing else they are not taken for nothing.
    let only = found(&files[1..]);
    assert_eq!((only.suites.len(), only.unknown.len()), (0, 1));
}

#[test]
fn a_tool_without_a_test_in_sight_is_asked_only_where_no_other_has_one() {
    let both = [("Cargo.toml", ""), ("src/lib.rs", ""), ("web/package.json", JEST)];
    assert_eq!(suites(&both), ["web: npm test"]);
    assert_eq!(suites(&both[..2]).len(), 1);
}
