//! A git repository made for one scenario.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// A repository in a temporary folder.
pub struct Repo {
    dir: TempDir,
}

impl Repo {
    /// An empty repository with the branch `main`.
    ///
    /// # Panics
    /// When git cannot be run.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("shop-").tempdir().expect("a temporary folder");
        let repo = Self { dir };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs git in it and returns what it printed.
    ///
    /// # Panics
    /// When git fails.
    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(["-c", "commit.gpgsign=false", "-c", "core.autocrlf=false"])
            .args(args)
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file; folders are made.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: &str) -> &Self {
        let full = self.path().join(path);
        std::fs::create_dir_all(full.parent().expect("a parent")).expect("a folder");
        std::fs::write(full, content).expect("the file is written");
        self
    }

    /// Commits everything and returns the id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A shop that is tested by a shell script and deployed to staging and production, where
    /// [`fixture-service`](crate) serves it. The first commit is made.
    #[must_use]
    pub fn shop() -> Self {
        let repo = Self::new();
        let service = crate::binary("fixture-service");
        let environment = |name: &str| {
            format!(
                r#"
[environments.{name}]
target = "directory"
build = [["sh", "./build.sh"]]
[environments.{name}.service]
command = ["{service}"]
[[environments.{name}.health]]
path = "/health"
successes = 2
interval_ms = 50
deadline_seconds = 3
"#,
                service = service.display()
            )
        };
        let settings = format!(
            "[tests.unit]\ncommand = [\"sh\", \"./test.sh\"]\ntimeout_seconds = 60\n{}{}\
             [environments.production.watch]\nseconds = 1\ninterval_ms = 50\n",
            environment("staging"),
            environment("production")
        );
        repo.write("pact.toml", &settings)
            .write("build.sh", "exit 0\n")
            .write("test.sh", "echo '1 passed'\n")
            .write("version", "one")
            .write("app.py", "def total(items):\n    return sum(items)\n")
            .write("README.md", "# Shop\n");
        repo.commit("Open the shop");
        repo
    }
}

impl Default for Repo {
    fn default() -> Self {
        Self::new()
    }
}
