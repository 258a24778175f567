//! `pactctl up`: the stack stays up until Ctrl-C.

use std::{collections::HashMap, time::Duration};

use console::style;
use pact_agent::ports::{RunQuery, RunReader as _};
use pact_contract::{RunId, RunRecord, RunStatus, cause::cause};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::UpArgs,
    client::Client,
    data::{Endpoints, Opened, Secrets},
    failure::{Context, Exit, Failure},
    stack::{Ports, Stack, open_data},
    term,
};

/// Keeps the stack up.
pub(crate) fn up(args: &UpArgs) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(serve(args))
}

async fn serve(args: &UpArgs) -> Result<Exit, Failure> {
    let people = args.provider.people().map_err(|faults| {
        Failure::usage(format!("nobody could sign in: {faults}"))
            .remedy("`pactctl up --help` has the options that these variables are")
    })?;
    let ports = Ports::bind(args.port, args.aws_port).await?;
    let Opened::Owned(folder) = open_data(&args.data.data)? else {
        return Err(already_up(args));
    };
    let stack = Stack::start(folder, ports, &args.stack()).await?;
    let mut terminated = signal(SignalKind::terminate()).doing("listen for signals")?;
    println!("dashboard     {}", style(&stack.endpoints.api).cyan().bold());
    match link(&stack).await {
        Ok(link) => println!("sign in       {link}"),
        Err(failure) => term::warning(&format!("no link to sign in by: {failure}")),
    }
    if let Some(people) = people {
        let (provider, api) = (people.provider(), &stack.endpoints.api);
        println!("sign in with  {provider}, which sends back to {api}{}", pact_gateway::CALLBACK);
    }
    for path in pact_gateway::webhook_paths() {
        println!("webhooks      {}{path}", stack.endpoints.api);
    }
    println!("AWS endpoint  {}", stack.endpoints.aws);
    println!("data          {}", stack.root().display());
    println!("secrets       {}", stack.root().join("secrets.json").display());
    if stack.running() > 0 {
        println!("{} interrupted runs go on", stack.running());
    }
    term::note("Ctrl-C stops the stack; runs that are going on are kept for the next start");
    let client = client(&stack).await?;
    tokio::select! {
        () = tell(&client) => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    let running = stack.running();
    stack.shutdown().await;
    if running > 0 {
        term::note(&format!("{running} runs are kept where they stand"));
    }
    Ok(Exit::Success)
}

/// Signs a browser in, once; `pactctl sign-in` makes further ones.
async fn link(stack: &Stack) -> Result<String, Failure> {
    let by = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    client(stack).await?.sign_in_link(&by, "/").await
}

async fn client(stack: &Stack) -> Result<Client, Failure> {
    let secrets = Secrets::read(stack.root())
        .ok_or_else(|| Failure::internal("the data folder has no secrets"))?;
    Client::new(stack.endpoints.clone(), secrets).await
}

/// Says a line of each push that comes, and one of how it ended, for as long as the stack is up.
async fn tell(client: &Client) {
    const PAUSE: Duration = Duration::from_secs(1);
    const LATEST: usize = 20;
    let mut told: Option<HashMap<RunId, RunStatus>> = None;
    loop {
        let query = RunQuery { limit: LATEST, ..RunQuery::default() };
        match client.store.latest_runs(&query).await {
            Ok(page) => {
                let mut now = HashMap::new();
                for run in page.runs.iter().rev() {
                    let before = told.as_ref().map(|told| told.get(&run.request.run_id));
                    // What had ended before the stack was up is no news.
                    let news = match before {
                        None => !run.status.is_final(),
                        Some(before) => before != Some(&run.status),
                    };
                    if news {
                        println!("{}", news_of(run));
                    }
                    now.insert(run.request.run_id.clone(), run.status);
                }
                told = Some(now);
            }
            Err(error) => tracing::debug!(%error, "the store does not answer"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// `rejected  web-shop-1 acme/web-shop main: Secrets: …`.
fn news_of(run: &RunRecord) -> String {
    let request = &run.request;
    let said = match cause(run, &[]) {
        Some(cause) => cause.sentence,
        None => request.message.clone().unwrap_or_else(|| "(no message)".to_owned()),
    };
    format!(
        "{} {} {} {}: {}",
        term::run_style(run.status).apply_to(format!("{:<13}", run.status.as_str())),
        style(&request.run_id).dim(),
        request.repository.name,
        term::plain(&request.branch),
        term::plain(&said)
    )
}

fn already_up(args: &UpArgs) -> Failure {
    let root = args.data.data.canonicalize().unwrap_or_else(|_| args.data.data.clone());
    let at = Endpoints::read(&root).map(|e| format!(" at {} (process {})", e.api, e.pid));
    Failure::usage(format!("a stack is up on {} already{}", root.display(), at.unwrap_or_default()))
        .remedy("use it, end it, or choose another folder with --data DIR")
}

#[cfg(test)]
mod tests {
    use pact_contract::testing::failed_runs;

    use super::*;

    #[test]
    fn a_line_says_what_came_and_one_how_it_ended() {
        let mut run = failed_runs(jiff::Timestamp::UNIX_EPOCH).remove(0).run;
        let line = |run: &RunRecord| console::strip_ansi_codes(&news_of(run)).into_owned();
        let ended = line(&run);
        assert!(ended.contains("acme/web-shop main: Unit tests: "), "{ended}");
        run.status = RunStatus::Running;
        run.outcome = None;
        run.request.message = Some("odd\u{1b}[2J".to_owned());
        let begun = line(&run);
        assert!(begun.starts_with("running ") && begun.contains("main: odd"), "{begun}");
        assert!(!begun.contains('\u{1b}'), "{begun:?}");
    }
}
