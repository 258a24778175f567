//! `pactctl repos`: the registry of repositories.

use std::{
    io::{BufRead as _, IsTerminal as _, Read as _},
    path::Path,
};

use pact_contract::{
    RepositoryName,
    policy::{Floor, PolicyRecord},
    registry::{Allowed, RepositoryEntry},
    settings::{Approval, CodeSettings},
    statuses::{source_token_name, token_name, webhook_secret_name},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    cli::{AddRepositoryArgs, DataArgs, ReposCommand},
    client::Client,
    document,
    failure::{Context, Exit, Failure},
    run::session::Session,
    stack::options::Options,
    term,
};

/// How long a person is waited for where the floor asks for one, in minutes.
const APPROVAL_MINUTES: u32 = 60;
/// Longest token, in bytes: what a parameter of AWS holds.
const MAX_TOKEN: u64 = 4_096;

/// Carries the command out.
pub(crate) fn repos(command: ReposCommand) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        match command {
            ReposCommand::Add(args) => add(&args).await,
            ReposCommand::List { json, data } => list(json, &data).await,
            ReposCommand::Show { name, data } => {
                let path = format!("/v1/repositories/{name}");
                let entry = ask(&data, Method::GET, &path, None).await?;
                document::print(&entry)?;
                Ok(Exit::Success)
            }
            ReposCommand::Policy { name, accept, by, json, data } => {
                let path = format!("/v1/policies/{name}");
                let record = match accept {
                    None => ask(&data, Method::GET, &path, None).await?,
                    Some(run) => {
                        let body = json!({ "run_id": run, "by": by });
                        ask(&data, Method::POST, &path, Some(&body)).await?
                    }
                };
                show_rules(record, json)
            }
            ReposCommand::Pulls { name, allow, commit, by, json, data } => {
                let path = format!("/v1/pulls/{name}");
                match allow.zip(commit) {
                    None => show_pulls(ask(&data, Method::GET, &path, None).await?, json),
                    Some((number, commit)) => {
                        let body = json!({ "number": number, "commit": commit, "by": by });
                        let run = ask(&data, Method::POST, &path, Some(&body)).await?;
                        show_allowed(&run, json)
                    }
                }
            }
            ReposCommand::Token { name, fetch, remove, data } => {
                let parameter = match fetch {
                    true => source_token_name(&name),
                    false => token_name(&name),
                };
                token(&name, &parameter, remove, &data.data)
            }
            ReposCommand::Rotate(args) => super::rotate::rotate(&args).await,
            ReposCommand::Remove { name, data } => {
                let path = format!("/v1/repositories/{name}");
                ask(&data, Method::DELETE, &path, None).await?;
                let secrets = [token_name, source_token_name, webhook_secret_name];
                let secrets = secrets.map(|parameter| parameter(&name));
                for secret in secrets.into_iter().chain([super::rotate::pending_name(&name)]) {
                    crate::data::put_parameter(&data.data, &secret, None)?;
                }
                println!("removed {name}: its pushes are refused from now on");
                Ok(Exit::Success)
            }
        }
    })
}

async fn add(args: &AddRepositoryArgs) -> Result<Exit, Failure> {
    let mut floor = match &args.floor {
        Some(path) => floor_of(path)?,
        None => Floor::default(),
    };
    for (environment, people) in &args.approvals {
        let approval = Approval { people: *people, ..Approval::within(APPROVAL_MINUTES) };
        floor.approval.insert(environment.clone(), approval);
    }
    let mut body = json!({
        "name": args.name,
        "url": args.url,
        "branches": args.branches,
        "floor": floor,
        "forks": args.forks,
        "replace": args.replace,
        "by": args.by,
    });
    if let (Some(branch), Some(map)) = (&args.default_branch, body.as_object_mut()) {
        map.insert("default_branch".to_owned(), json!(branch));
    }
    if let (Some(host), Some(map)) = (&args.host, body.as_object_mut()) {
        map.insert("host".to_owned(), json!(host));
    }
    if let (true, Some(map)) = (args.statuses, body.as_object_mut()) {
        map.insert("statuses".to_owned(), json!(true));
        map.insert("statuses_api".to_owned(), json!(args.statuses_api));
    }
    let entry = ask(&args.data, Method::POST, "/v1/repositories", Some(&body)).await?;
    let entry = entry_of(entry)?;
    println!("{} is run from {}", entry.name, term::plain(&entry.url));
    if let Some(statuses) = &entry.statuses {
        println!("its commits show what became of them by {}", statuses.api);
        term::hint(&format!("`pactctl repos token {}` keeps the token for it", entry.name));
    }
    Ok(Exit::Success)
}

/// Keeps a token of a repository, or forgets it.
fn token(
    name: &RepositoryName,
    parameter: &str,
    remove: bool,
    data: &Path,
) -> Result<Exit, Failure> {
    if remove {
        crate::data::put_parameter(data, parameter, None)?;
        println!("the token of {name} is forgotten");
        return Ok(Exit::Success);
    }
    let mut text = String::new();
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        term::note("paste the token, then Enter");
    }
    let mut input = stdin.lock().take(MAX_TOKEN);
    input.read_line(&mut text).doing("read the token from standard input")?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Failure::usage("standard input has no token in its first line"));
    }
    crate::data::put_parameter(data, parameter, Some(token))?;
    println!("the token of {name} is kept, as the parameter {parameter}");
    Ok(Exit::Success)
}

/// What a file in the form of `pact.toml` asks for.
fn floor_of(path: &Path) -> Result<Floor, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let settings = pact_config::parse(&text, &path.display().to_string())
        .map_err(|errors| Failure::usage(format!("the floor is not valid\n{errors}")))?;
    Ok(Floor {
        template: settings.template,
        checks: settings.checks,
        gate: settings.gate,
        code: (settings.code != CodeSettings::default()).then_some(settings.code),
        approval: settings
            .environments
            .iter()
            .filter_map(|one| Some((one.name.clone(), one.settings.approval.clone()?)))
            .collect(),
    })
}

async fn list(as_json: bool, data: &DataArgs) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct Listed {
        repositories: Vec<RepositoryEntry>,
    }
    let answer = ask(data, Method::GET, "/v1/repositories", None).await?;
    if as_json {
        document::print(&answer)?;
        return Ok(Exit::Success);
    }
    let listed: Listed = serde_json::from_value(answer).doing("understand the list")?;
    if listed.repositories.is_empty() {
        term::note("no repository is registered");
        term::hint("`pactctl repos add NAME ADDRESS` registers one, `pactctl run PATH` the folder");
    }
    for entry in listed.repositories {
        let also = entry.local.map(|local| format!(" and {local}")).unwrap_or_default();
        println!("{}  {}{}", entry.name, term::plain(&entry.url), term::plain(&also));
    }
    Ok(Exit::Success)
}

/// The pull requests of forks, one a line.
fn show_pulls(answer: Value, as_json: bool) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct Pull {
        number: Option<u64>,
        commit: String,
        message: Option<String>,
        author: Option<String>,
        allowed: Option<Allowed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        pulls: Vec<Pull>,
    }
    if as_json {
        document::print(&answer)?;
        return Ok(Exit::Success);
    }
    let listed: Listed = serde_json::from_value(answer).doing("understand the list")?;
    if listed.pulls.is_empty() {
        term::note("no pull request of a fork is known");
    }
    for pull in listed.pulls {
        let stands = match &pull.allowed {
            Some(word) => format!("may run, by {}", term::plain(&word.by)),
            None => "waits".to_owned(),
        };
        let [message, author] =
            [pull.message, pull.author].map(|text| term::plain(&text.unwrap_or_default()));
        println!("#{}  {}  {stands}  {message} ({author})", pull.number.unwrap_or(0), pull.commit);
    }
    Ok(Exit::Success)
}

/// The run of a pull request that may run now.
fn show_allowed(run: &Value, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        document::print(run)?;
    } else {
        let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default();
        println!("it runs as {}: {}", text("run_id"), text("url"));
    }
    Ok(Exit::Success)
}

/// Says which rules count, since when and by whose word.
fn show_rules(answer: Value, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        document::print(&answer)?;
        return Ok(Exit::Success);
    }
    let record: PolicyRecord =
        serde_json::from_value(answer).doing("understand the gateway's answer")?;
    let file = record.path.as_deref().unwrap_or("the defaults: there is no file");
    let branch = term::plain(&record.branch);
    println!("{} of {} on {branch}, judged by {}", term::plain(file), record.commit, record.run_id);
    if let Some(by) = &record.agreed_by {
        println!("{} agreed on {} to:", term::plain(by), record.at);
        for sentence in &record.loosened {
            println!("  {}", term::plain(sentence));
        }
    }
    if let Some(text) = &record.text {
        println!("\n{}", term::plain(text.trim_end()));
    }
    Ok(Exit::Success)
}

fn entry_of(value: Value) -> Result<RepositoryEntry, Failure> {
    serde_json::from_value(value).doing("understand the gateway's answer")
}

/// Asks the gateway of the stack that is up, or of one that is started for it.
pub(super) async fn ask(
    data: &DataArgs,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let session = Session::open(&data.data, &Options::default()).await?;
    let answer = session.client.api(method, path, body).await;
    session.close().await;
    answer
}

/// Registers what is run on this machine by its owner; a folder beside what is registered.
pub(crate) async fn register(
    client: &Client,
    name: &str,
    url: &str,
    is_folder: bool,
) -> Result<(), Failure> {
    let known = client.api(Method::GET, &format!("/v1/repositories/{name}"), None).await;
    let known: Option<RepositoryEntry> = known.ok().and_then(|entry| entry_of(entry).ok());
    if known.is_some_and(|entry| entry.is_at(url)) {
        return Ok(());
    }
    let body = json!({ "name": name, "url": url, "local": is_folder, "by": "pactctl run" });
    client.api(Method::POST, "/v1/repositories", Some(&body)).await.map(drop)
}
