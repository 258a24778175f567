//! `pactctl doctor`: whether this machine and this repository have what a run needs.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use console::style;
use serde::Serialize;
use serde_json::json;

use crate::{
    client::Client,
    document,
    failure::{Exit, Failure},
    term,
};

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// As it should be.
    Well,
    /// A run goes on without it, and says what it did not do.
    Lacking,
    /// A run does not work.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Look {
    name: &'static str,
    standing: Standing,
    said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Look {
    fn well(name: &'static str, said: impl Into<String>) -> Self {
        Self { name, standing: Standing::Well, said: said.into(), remedy: None }
    }

    fn lacking(name: &'static str, said: impl Into<String>, remedy: &'static str) -> Self {
        Self { name, standing: Standing::Lacking, said: said.into(), remedy: Some(remedy) }
    }

    fn broken(name: &'static str, said: impl Into<String>, remedy: &'static str) -> Self {
        Self { name, standing: Standing::Broken, said: said.into(), remedy: Some(remedy) }
    }
}

/// Looks at everything. Nothing is written or started.
pub(crate) fn doctor(path: &Path, data: &Path, json: bool) -> Result<Exit, Failure> {
    let mut all = vec![repository(path), settings(path), tests(path), stack(data)?];
    all.extend([8787, 4566].map(port));
    all.extend([namespaces(), landlock(), advisories()]);
    let broken = all.iter().any(|look| look.standing == Standing::Broken);
    if json {
        let document = json!({ "ready": !broken, "looks": all });
        document::print(&document)?;
    } else {
        for look in &all {
            let mark = match look.standing {
                Standing::Well => style("✓").green(),
                Standing::Lacking => style("–").yellow(),
                Standing::Broken => style("✗").red(),
            };
            println!("{mark} {:<14} {}", look.name, term::plain(&look.said));
            if let Some(remedy) = look.remedy {
                println!("  {:<14} {} {remedy}", "", style("→").cyan());
            }
        }
    }
    Ok(if broken { Exit::NotReleased } else { Exit::Success })
}

fn repository(path: &Path) -> Look {
    const NAME: &str = "repository";
    match gix::discover(path) {
        Ok(repo) if repo.head_id().is_ok() => {
            Look::well(NAME, format!("{} has a commit to push", path.display()))
        }
        Ok(_) => Look::broken(NAME, "it has no commit yet", "commit something first"),
        Err(_) => Look::broken(
            NAME,
            format!("{} is not a git repository", path.display()),
            "name the folder of one, or make one with `git init`",
        ),
    }
}

fn settings(path: &Path) -> Look {
    const NAME: &str = "settings";
    let Some(name) = pact_config::FILE_NAMES.iter().find(|name| path.join(name).exists()) else {
        return Look::lacking(
            NAME,
            "there is no pact.toml: every setting has its default, and nothing is deployed",
            "`pactctl init` writes one from what it finds",
        );
    };
    let faults = match std::fs::read_to_string(path.join(name)) {
        Ok(text) => pact_config::parse(&text, name).err().map(|errors| errors.to_string()),
        Err(error) => Some(format!("cannot read {name}: {error}")),
    };
    match faults {
        None => Look::well(NAME, format!("{name} is valid")),
        Some(faults) => Look::broken(
            NAME,
            faults.lines().next().unwrap_or_default(),
            "`pactctl validate` lists every fault",
        ),
    }
}

fn tests(path: &Path) -> Look {
    const NAME: &str = "tests";
    let (suites, unknown) = pact_test_agent::detected(path);
    let program =
        |suite: &pact_test_agent::Detected| suite.command.first().cloned().unwrap_or_default();
    if let Some(suite) = suites.iter().find(|suite| !on_path(&program(suite))) {
        return Look::lacking(
            NAME,
            format!("{} is needed, and {} is not on the PATH", suite.tool, program(suite)),
            "install it: tests that cannot run are not checked, which holds a release that needs them",
        );
    }
    if !unknown.is_empty() || suites.is_empty() {
        let what = match unknown.first() {
            Some(file) => format!("how they are run is not known for {file}"),
            None => "none are found that are known how to run".to_owned(),
        };
        return Look::lacking(
            NAME,
            what,
            "set command in [tests.unit], or name them in [[tests.suites]] of pact.toml",
        );
    }
    let shown =
        suites.iter().map(|suite| format!("{}, by `{}`", suite.name, suite.command.join(" ")));
    Look::well(NAME, shown.collect::<Vec<_>>().join("; "))
}

/// Whether a program of this name can be found.
fn on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    program.contains('/') || std::env::split_paths(&folders).any(|dir| dir.join(program).is_file())
}

fn stack(data: &Path) -> Result<Look, Failure> {
    const NAME: &str = "data";
    let Ok(root) = data.canonicalize() else {
        return Ok(Look::well(NAME, format!("{} is made by the first run", data.display())));
    };
    let up = crate::runtime::start()?.block_on(Client::attach(&root)).is_some();
    let said = if up { "a stack is up on it: runs join that" } else { "no stack is up on it" };
    let writable = std::fs::metadata(&root).is_ok_and(|m| !m.permissions().readonly());
    Ok(if writable {
        Look::well(NAME, format!("{}: {said}", data.display()))
    } else {
        Look::broken(
            NAME,
            format!("{} cannot be written to", data.display()),
            "name another with --data",
        )
    })
}

fn port(port: u16) -> Look {
    const NAME: &str = "port";
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Look::well(NAME, format!("{port} is free for `pactctl up`")),
        Err(error) => Look::lacking(
            NAME,
            format!("{port} is not free: {error}"),
            "`pactctl up` takes others: --port and --aws-port; `pactctl run` takes any",
        ),
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn namespaces() -> Look {
    const NAME: &str = "namespaces";
    let none = read("/proc/sys/user/max_user_namespaces").is_none_or(|n| n == "0");
    let restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    if none {
        return Look::lacking(
            NAME,
            "this kernel gives no user namespaces: builds cannot be kept apart from the machine, nor services \
             from the data folder",
            "set user.max_user_namespaces above 0",
        );
    }
    if restricted.as_deref() == Some("1") {
        return Look::lacking(
            NAME,
            "AppArmor keeps user namespaces from programs without a profile",
            "set kernel.apparmor_restrict_unprivileged_userns to 0, or give pactctl a profile",
        );
    }
    Look::well(NAME, "builds and services can have namespaces of their own")
}

fn landlock() -> Look {
    const NAME: &str = "landlock";
    match read("/sys/kernel/security/lsm") {
        Some(all) if all.split(',').any(|name| name == "landlock") => {
            Look::well(NAME, "what builds may open can be bounded")
        }
        Some(_) => Look::lacking(
            NAME,
            "this kernel runs without Landlock",
            "add landlock to the kernel's lsm= parameter",
        ),
        None => Look::lacking(
            NAME,
            "not known: /sys/kernel/security is not to be read here",
            "look at it outside of a container",
        ),
    }
}

fn advisories() -> Look {
    const NAME: &str = "advisories";
    let Some(path) = std::env::var_os("PACT_ADVISORIES").map(PathBuf::from) else {
        return Look::lacking(
            NAME,
            "PACT_ADVISORIES is not set: advisories come from the OSV API, where that can be reached",
            "`pactctl advisories update` makes an index for machines without a network",
        );
    };
    if path.exists() {
        Look::well(NAME, format!("from {}", path.display()))
    } else {
        Look::broken(
            NAME,
            format!("{} is not there", path.display()),
            "make it with `pactctl advisories update`, or unset PACT_ADVISORIES",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_a_remedy() {
        let folder = std::env::temp_dir().join(format!("pact-doctor-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        for look in [repository(&folder), settings(&folder), tests(&folder)] {
            assert_ne!(look.standing, Standing::Well, "{look:?}");
            assert!(look.remedy.is_some(), "{look:?}");
        }
        std::fs::write(folder.join("pact.toml"), "tempalte = 1\n").expect("a file");
        let look = settings(&folder);
        assert_eq!(look.standing, Standing::Broken);
        assert!(look.said.contains("tempalte"), "{look:?}");
        std::fs::remove_dir_all(&folder).expect("removed");
        let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let number = taken.local_addr().expect("an address").port();
        assert_eq!(port(number).standing, Standing::Lacking);
        assert!(on_path("sh") && !on_path("no-such-program-at-all"));
    }
}
