//! `pactctl rollback`: an environment returns to an earlier release, because a person says so.

use console::style;
use pact_agent::ports::{EnvironmentView, RunReader};
use pact_aws::DynamoStore;
use pact_contract::{EnvironmentName, RepositoryName};
use reqwest::Method;
use serde_json::json;

use crate::{
    cli::RollbackArgs,
    client::Accepted,
    failure::{Context, Exit, Failure},
    run::{self, Shown, session::Session},
    stack::options::Options,
    term,
};

/// Carries the command out.
pub(crate) fn rollback(args: &RollbackArgs) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        let options = Options::default();
        let mut session = Session::open(&args.data.data, &options).await?;
        let outcome = whole(args, &mut session, &options).await;
        session.close().await;
        outcome
    })
}

async fn whole(
    args: &RollbackArgs,
    session: &mut Session,
    options: &Options,
) -> Result<Exit, Failure> {
    let repository = match &args.repository {
        Some(name) => name.clone(),
        None => only_one(&session.client.store, &args.environment).await?,
    };
    one(args, (&repository, &args.environment), session, options).await
}

/// Returns an environment, with all its waves that have the release.
async fn one(
    args: &RollbackArgs,
    (repository, environment): (&RepositoryName, &EnvironmentName),
    session: &mut Session,
    options: &Options,
) -> Result<Exit, Failure> {
    let mut body = json!({
        "repository": repository,
        "environment": environment,
        "by": args.by,
        "reason": args.reason,
    });
    if let (Some(to), Some(fields)) = (&args.to, body.as_object_mut()) {
        fields.insert("to".to_owned(), json!(to));
    }
    let answer = session.client.api(Method::POST, "/v1/rollbacks", Some(&body)).await?;
    let accepted: Accepted =
        serde_json::from_value(answer).doing("understand the gateway's answer")?;
    if !args.json {
        let again = if accepted.duplicate { " (already going on: following it)" } else { "" };
        term::note(&format!("{} {}{again}", style("run").dim(), accepted.run_id));
        term::note(&format!("{} {}", style("see").dim(), accepted.url));
    }
    let shown = Shown { json: args.json, data: &args.data.data };
    run::wait(session, &accepted.run_id, shown, options).await
}

/// The only repository that has such an environment.
pub(super) async fn only_one(
    store: &DynamoStore,
    environment: &EnvironmentName,
) -> Result<RepositoryName, Failure> {
    let all = store.environments().await.doing("list the environments")?;
    let mut named: Vec<RepositoryName> = all
        .items
        .into_iter()
        .filter(|view| view.key.environment == *environment || wave_of(view) == Some(environment))
        .map(|view| view.key.repository)
        .collect();
    named.sort();
    named.dedup();
    match (named.pop(), named.is_empty()) {
        (None, _) => Err(Failure::usage(format!("nothing was deployed to {environment} yet"))
            .remedy("`pactctl runs list` shows what was run")),
        (Some(name), true) => Ok(name),
        (Some(name), false) => {
            let names: Vec<String> =
                named.into_iter().chain([name]).map(|name| name.to_string()).collect();
            Err(Failure::usage(format!("several repositories have an environment {environment}"))
                .remedy(format!("name one with --repository: {}", names.join(", "))))
        }
    }
}

/// The whole of which an environment is one region or account.
pub(super) fn wave_of(view: &EnvironmentView) -> Option<&EnvironmentName> {
    view.record.wave_of()
}
