//! `pactctl run`: one push through the whole pipeline.

pub(crate) mod follow;
pub(crate) mod report;
pub(crate) mod session;
pub(crate) mod summary;
pub(crate) mod waits;

use std::path::Path;

use pact_contract::{EnvironmentName, Repository, RunId, RunRequest, RunStatus, policy::JudgedBy};

use crate::{
    cli::RunArgs,
    client::{Accepted, Client, Start},
    commands::repos,
    document,
    failure::{Context as _, Exit, Failure},
    hints::data_option,
    repository::{self, Push},
    stack::options::Options,
    term,
};

use follow::{Followed, Progress};
use report::Report;
use session::Session;

/// Runs it. Nothing is created before the input is known to be good.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let push = repository::inspect(args)?;
    check_settings(&push, args.environment.as_deref())?;
    if let Some(said) = left_out(&push.uncommitted) {
        term::warning(&said);
    }
    let runtime = crate::runtime::start()?;
    runtime.block_on(drive(args, &push))
}

/// What is said of files that are not committed.
fn left_out(files: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    let names = files.iter().take(SHOWN).map(|name| term::plain(name)).collect::<Vec<_>>();
    let more = files.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let are = if files.len() == 1 { "is" } else { "are" };
    (!files.is_empty())
        .then(|| format!("{}{rest} {are} not committed, and no part of this run", names.join(", ")))
}

/// The settings of the commit, before anything is started for it.
fn check_settings(push: &Push, environment: Option<&str>) -> Result<(), Failure> {
    let settings = match &push.settings {
        Some((path, text)) => pact_config::parse(text, path).map_err(|errors| {
            Failure::usage(format!("the settings of {} are not valid\n{errors}", push.commit))
                .remedy("mend the file and commit it; `pactctl validate` checks it before")
        })?,
        None => pact_contract::settings::Settings::default(),
    };
    let Some(wanted) = environment else { return Ok(()) };
    if settings.environments.contains(wanted) || push.settings.is_none() && is_remote(push) {
        return Ok(());
    }
    let names: Vec<_> = settings.environments.names().map(EnvironmentName::as_str).collect();
    Err(Failure::usage(format!("the repository configures no environment {wanted:?}")).remedy(
        if names.is_empty() {
            "add [environments.staging] to its pact.toml".to_owned()
        } else {
            format!("it configures {}", names.join(" and "))
        },
    ))
}

fn is_remote(push: &Push) -> bool {
    !push.repository.url.starts_with("file:")
}

async fn drive(args: &RunArgs, push: &Push) -> Result<Exit, Failure> {
    let mut session = Session::open(&args.data.data, &args.stack()).await?;
    let interrupted = tokio::signal::ctrl_c();
    let outcome = tokio::select! {
        outcome = whole_run(args, push, &mut session) => Some(outcome),
        _ = interrupted => None,
    };
    let outcome = outcome.unwrap_or_else(|| {
        let (warning, hint) = left(session.is_joined(), &data_option(&args.data.data));
        term::warning(warning);
        term::hint(&hint);
        Ok(Exit::Interrupted)
    });
    session.close().await;
    outcome
}

/// What becomes of a run that is no longer waited for, and how it is come back to; `data` is the
/// option that finds it.
fn left(joined: bool, data: &str) -> (&'static str, String) {
    if joined {
        let hint = format!("`pactctl runs watch{data}` waits for its end; its page cancels it");
        ("interrupted; the run goes on in the stack that is up", hint)
    } else {
        let hint = format!("`pactctl up{data}` goes on with it");
        ("interrupted; the run is kept where it stands", hint)
    }
}

async fn whole_run(args: &RunArgs, push: &Push, session: &mut Session) -> Result<Exit, Failure> {
    let Repository { name, url, .. } = &push.repository;
    repos::register(&session.client, name.as_str(), url, !is_remote(push)).await?;
    let accepted = submit(args, push, &session.client).await?;
    if !args.json {
        let page = format!("/runs/{}", accepted.run_id);
        let by = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
        let link = session.client.sign_in_link(&by, &page).await;
        announce(push, &accepted, link.ok().as_deref());
    }
    let shown = Shown { json: args.json, data: &args.data.data };
    wait(session, &accepted.run_id, shown, &args.stack()).await
}

/// How the end of a run is shown.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// As one JSON document.
    pub json: bool,
    /// The data folder.
    pub data: &'a Path,
}

/// Follows a run to its end, over the end of whoever's stack it runs on, and says how it ended.
pub(crate) async fn wait(
    session: &mut Session,
    run_id: &RunId,
    shown: Shown<'_>,
    options: &Options,
) -> Result<Exit, Failure> {
    let mut progress = Progress::new(!shown.json, data_option(shown.data));
    let report = loop {
        match follow::follow(&session.client, run_id, &mut progress, session.is_joined()).await? {
            Followed::Ended(report) => break report,
            Followed::Lost => {
                tracing::info!("the stack went away; taking over");
                session.reopen(shown.data, options).await?;
            }
        }
    };
    progress.finish();
    print(shown, &report)?;
    session.wait_for_others(shown.json).await;
    Ok(exit_code(report.status))
}

/// Delivers the push. A push that was run before is run once more: whoever types the command
/// wants that.
async fn submit(args: &RunArgs, push: &Push, client: &Client) -> Result<Accepted, Failure> {
    let start = |rerun| client.start(push, Start { args, own: own_settings(args, push), rerun });
    let asks = args.template.is_some() || args.environment.is_some() || args.on_purpose.is_some();
    let accepted = if asks || own_settings(args, push) {
        start(false).await?
    } else {
        client.push(push).await?
    };
    let ended =
        accepted.status.as_deref().and_then(RunStatus::parse).is_some_and(RunStatus::is_final);
    if accepted.duplicate && ended {
        return start(true).await;
    }
    if accepted.duplicate {
        let run = client.store.run(&accepted.run_id).await.doing("read the run that goes on")?;
        if let Some(other) = run.and_then(|run| other(args, push, &run.request)) {
            return Err(Failure::usage(format!(
                "a run of this commit goes on already, {}, and {other}",
                accepted.run_id
            ))
            .remedy(format!(
                "`pactctl runs watch {}` waits for its end; its page cancels it",
                accepted.run_id
            )));
        }
    }
    Ok(accepted)
}

/// What was asked for that a run that goes on is not; none where it is the same.
fn other(args: &RunArgs, push: &Push, run: &RunRequest) -> Option<String> {
    let wanted = |option: &str, wanted: Option<&str>, has: Option<&str>| {
        let wanted = wanted.filter(|wanted| has != Some(*wanted))?;
        let has = has.map_or("none".to_owned(), |has| format!("{has:?}"));
        Some(format!("its {option} is {has}, not {wanted:?}"))
    };
    let environment = run.environment.as_ref().map(EnvironmentName::as_str);
    wanted("template", args.template.as_deref(), run.template.as_deref())
        .or_else(|| wanted("last environment", args.environment.as_deref(), environment))
        .or_else(|| {
            let base = push.base.as_deref().filter(|_| args.base.is_some());
            wanted("base", base, run.base.as_deref())
        })
        .or_else(|| {
            match (own_settings(args, push), run.policy.judged_by) {
                (true, JudgedBy::Base) => Some("it is judged as a push is, as with --as-pushed"),
                (false, JudgedBy::Own) => {
                    Some("it is judged by its own settings, without --as-pushed")
                }
                _ => None,
            }
            .map(str::to_owned)
        })
}

/// Whether the commit is judged by its own settings: on this machine its owner is its judge, unless
/// the run is to be as a push would be.
fn own_settings(args: &RunArgs, push: &Push) -> bool {
    !args.as_pushed && !is_remote(push)
}

fn announce(push: &Push, accepted: &Accepted, link: Option<&str>) {
    let short: String = push.commit.chars().take(10).collect();
    let message = push.message.as_deref().unwrap_or_default();
    term::note(&format!(
        "{} {} {short} {}",
        console::style(&push.repository.name).bold(),
        push.branch,
        console::style(term::plain(message)).dim()
    ));
    let again = if accepted.duplicate { " (already running: following it)" } else { "" };
    term::note(&format!("{} {}{again}", console::style("run").dim(), accepted.run_id));
    term::note(&format!("{} {}", console::style("see").dim(), accepted.url));
    if let Some(link) = link {
        term::note(&format!("{} {link}", console::style("sign in").dim()));
    }
}

/// Says how a run ended.
pub(crate) fn print(shown: Shown<'_>, report: &Report) -> Result<(), Failure> {
    if shown.json {
        document::print(report)?;
    } else {
        print!("{}", summary::text(report, &data_option(shown.data)));
    }
    Ok(())
}

/// The exit code that stands for a run's end.
pub(crate) fn exit_code(status: RunStatus) -> Exit {
    match status {
        RunStatus::Succeeded => Exit::Success,
        RunStatus::RolledBack => Exit::RolledBack,
        RunStatus::Queued | RunStatus::Running => Exit::Internal,
        RunStatus::Failed
        | RunStatus::Rejected
        | RunStatus::Held
        | RunStatus::RollbackFailed
        | RunStatus::Cancelled
        | RunStatus::TimedOut
        | RunStatus::Superseded => Exit::NotReleased,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_is_named_a_few_files_at_most() {
        let said = |names: &[&str]| {
            left_out(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), None);
        let one = said(&["a.py"]);
        assert_eq!(one.as_deref(), Some("a.py is not committed, and no part of this run"));
        let many = said(&["a", "b", "c", "d", "e"]);
        let all = "a, b, c and 2 more are not committed, and no part of this run";
        assert_eq!(many.as_deref(), Some(all));
    }

    #[test]
    fn an_interruption_says_what_becomes_of_the_run() {
        let (said, hint) = left(true, " --data x");
        assert!(said.contains("goes on") && hint.contains("runs watch --data x"), "{said} {hint}");
        let (said, hint) = left(false, "");
        assert!(said.contains("kept where it stands") && hint.contains("`pactctl up`"), "{hint}");
    }
}
