//! CodeBuild of the local stack: the template's build projects, on this machine.

use std::{
    ffi::OsString,
    num::NonZero,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use local_codebuild::{CodeBuild, Limits, Options, Project};
use local_template::BuildProject;

use super::view;
use crate::{
    client::{ACCOUNT, REGION},
    data::DataFolder,
    failure::{Context, Failure},
};

/// How long the processes of a build have to end by themselves.
const GRACE: Duration = Duration::from_secs(2);
/// Variables with the machine's proxy, the most telling first.
const PROXIES: &[&str] = &["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Opens the folder of the builds; the projects are those of the template, and `sandbox` is the
/// command that a build runs in.
///
/// # Errors
/// The folder cannot be used.
pub(crate) fn open(
    data: &DataFolder,
    projects: &[BuildProject],
    sandbox: Vec<OsString>,
) -> Result<CodeBuild, Failure> {
    let environment =
        view::environment(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let home = home.filter(|home| home != Path::new("/")).unwrap_or_else(|| "/home/build".into());
    let folder = data.join("codebuild");
    let proxy = PROXIES.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    let view = view::view(&environment, &home, &[&data.root], Vec::new());
    let options = Options {
        data_dir: folder.clone(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        sandbox,
        view,
        limits: Limits::default(),
        environment,
        upstream_proxy: proxy,
        concurrency: std::thread::available_parallelism().map_or(2, NonZero::get).max(2),
        grace: GRACE,
    };
    let host = CodeBuild::open(options).doing("open the folder of builds")?;
    // What builds wrote is theirs and their repositories'.
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&folder, private).doing("close the folder of builds to others")?;
    for project in projects {
        host.put_project(self::project(project));
    }
    Ok(host)
}

/// What builds run in here, in place of the image that is described: this machine.
fn machine() -> String {
    const ABOUT: &str = "/etc/os-release";
    let text = std::fs::read_to_string(ABOUT).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    match name.map(|name| name.trim_matches(['"', '\''])).filter(|name| !name.is_empty()) {
        Some(name) => format!("this machine ({name})"),
        None => "this machine".to_owned(),
    }
}

fn project(described: &BuildProject) -> Project {
    let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
    let default = Project::new(&described.name, REGION, ACCOUNT);
    Project {
        arn: described.arn.clone(),
        image: machine(),
        compute_type: described.compute_type.clone(),
        buildspec: described.buildspec.clone(),
        environment: described.environment.clone(),
        timeout: minutes(described.timeout_minutes),
        queued_timeout: minutes(described.queued_timeout_minutes),
        concurrent_builds: described.concurrent_builds.and_then(|n| usize::try_from(n).ok()),
        log_group: described.log_group.clone().unwrap_or(default.log_group.clone()),
        ..default
    }
}
