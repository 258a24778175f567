//! The reverse proxy that releases are served behind: a process of its own, of this program, which
//! outlives the stack that started it.
//!
//! Its folder is `proxy/` of the data folder. A stack starts it and starts it again when it was
//! killed; the one that finds it up uses it. `pactctl down` ends it with all that it serves.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use local_proxy::{ANNOUNCEMENT, Announcement, OBSERVER, ServiceView, Shutdown};
use serde::Deserialize;
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::Instant,
};

use super::program::own_program;
use crate::{
    client::http_client,
    failure::{Context, Failure},
};

/// Time between two looks at it.
const LOOK: Duration = Duration::from_secs(1);
/// How long it may take until it answers.
const STARTS: Duration = Duration::from_secs(20);
/// How long all services may take to end.
const ENDS: Duration = Duration::from_secs(60);
/// What it may see of this program's environment: it starts programs of commits.
const INHERITED: [&str; 4] = ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE"];

/// Its folder.
fn folder(root: &Path) -> PathBuf {
    root.join("proxy")
}

/// The file that says how it is reached.
pub(super) fn announcement(root: &Path) -> PathBuf {
    folder(root).join(ANNOUNCEMENT)
}

/// The file that says how it is asked what clients got.
pub(super) fn observer(root: &Path) -> PathBuf {
    folder(root).join(OBSERVER)
}

/// The proxy of a data folder.
struct Proxy {
    folder: PathBuf,
    http: reqwest::Client,
    /// What this process started; it is waited for when it ends.
    child: Option<Child>,
}

impl Proxy {
    fn of(root: &Path) -> Result<Self, Failure> {
        Ok(Self { folder: folder(root), http: http_client()?, child: None })
    }

    fn announced(&self) -> Option<Announcement> {
        Announcement::read(&self.folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "how the reverse proxy is reached cannot be read");
            None
        })
    }

    async fn is_up(&self) -> bool {
        let Some(Announcement { url, token, .. }) = self.announced() else { return false };
        let asked = self.http.get(format!("{url}/v1/health")).bearer_auth(token);
        let answered = asked.timeout(Duration::from_secs(5)).send().await;
        answered.is_ok_and(|answer| answer.status().is_success())
    }

    /// Starts it, unless it is up. One that is up, but does not answer, ends the second at once.
    fn start(&mut self) -> Result<(), Failure> {
        if let Some(child) = &mut self.child
            && child.try_wait().doing("look at the reverse proxy")?.is_none()
        {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).doing("make the folder of the reverse proxy")?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .doing("open the log of the reverse proxy")?;
        let inherited = INHERITED.iter().filter_map(|n| Some((*n, std::env::var_os(n)?)));
        let child = Command::new(own_program()?)
            .arg("proxy")
            .arg(&self.folder)
            .env_clear()
            .envs(inherited)
            .stdin(Stdio::null())
            .stdout(log.try_clone().doing("open the log of the reverse proxy")?)
            .stderr(log)
            .kill_on_drop(false)
            .spawn()
            .doing("start the reverse proxy")?;
        self.child = Some(child);
        Ok(())
    }

    async fn services(&self) -> Result<Vec<ServiceView>, Failure> {
        #[derive(Deserialize)]
        struct List {
            services: Vec<ServiceView>,
        }
        let Some(Announcement { url, token, .. }) = self.announced() else { return Ok(Vec::new()) };
        let answer = self.http.get(format!("{url}/v1/services")).bearer_auth(token).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let list: List = answer
            .doing("ask the reverse proxy for its services")?
            .json()
            .await
            .doing("read the services of the reverse proxy")?;
        Ok(list.services)
    }

    async fn shut_down(&self, stop: bool) -> Result<(), Failure> {
        let Some(Announcement { url, token, .. }) = self.announced() else { return Ok(()) };
        let asked = self.http.post(format!("{url}/v1/shutdown")).bearer_auth(token);
        let answer = asked.timeout(ENDS).json(&Shutdown { stop }).send().await;
        answer
            .and_then(reqwest::Response::error_for_status)
            .doing("end the reverse proxy and its services")?;
        Ok(())
    }
}

/// Sees to it that it is up, as long as the stack is.
pub(super) fn keep_up(servers: &mut JoinSet<()>, root: &Path) -> Result<(), Failure> {
    let mut proxy = Proxy::of(root)?;
    servers.spawn(async move {
        loop {
            if !proxy.is_up().await
                && let Err(failure) = proxy.start()
            {
                tracing::error!(%failure, "releases with a service cannot be deployed");
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(())
}

/// The stack stops: what serves something goes on, and nothing else.
pub(super) async fn leave(root: &Path) {
    let left = async {
        let proxy = Proxy::of(root)?;
        if proxy.services().await?.iter().all(|service| service.instances.is_empty()) {
            proxy.shut_down(true).await?;
        }
        Ok::<_, Failure>(())
    };
    if let Err(failure) = left.await {
        // It ends by itself when nobody asks for anything.
        tracing::debug!(%failure, "the reverse proxy goes on");
    }
}

/// A release that was stopped.
pub(crate) struct Stopped {
    /// Its name.
    pub(crate) release: String,
    /// Its process.
    pub(crate) pid: u32,
}

/// Ends the proxy of a data folder with all that it serves; says what that was.
///
/// # Errors
/// It cannot be started, to find what one before left, or what it serves does not end.
pub(crate) async fn down(root: &Path) -> Result<Vec<Stopped>, Failure> {
    let mut proxy = Proxy::of(root)?;
    if !proxy.folder.is_dir() {
        return Ok(Vec::new());
    }
    let until = Instant::now() + STARTS;
    while !proxy.is_up().await {
        proxy.start()?;
        if Instant::now() > until {
            return Err(Failure::internal("the reverse proxy does not answer").remedy(format!(
                "see {} for why, and end its process by hand",
                proxy.folder.join("log").display()
            )));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let services = proxy.services().await?;
    proxy.shut_down(true).await?;
    let instances = services.into_iter().flat_map(|service| service.instances);
    Ok(instances
        .filter_map(|(id, instance)| {
            let release = instance.labels.get("release").cloned().unwrap_or(id);
            Some(Stopped { release, pid: instance.pid? })
        })
        .collect())
}
