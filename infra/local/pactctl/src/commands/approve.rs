//! `pactctl approve`: answers what a run asks a person.

use crate::{
    cli::ApproveArgs,
    client::Client,
    failure::{Context, Exit, Failure},
    term,
};
use pact_agent::ports::{ApprovalRecord, RunQuery, RunReader};
use pact_contract::{RunId, RunStatus};

/// Answers the open question of a run.
pub(crate) fn approve(args: &ApproveArgs) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(answer(args))
}

async fn answer(args: &ApproveArgs) -> Result<Exit, Failure> {
    let nobody = || {
        Failure::usage(format!("no stack is up on {}", args.data.data.display()))
            .remedy("`pactctl up` starts one and goes on with the runs that wait")
    };
    let root = args.data.data.canonicalize().map_err(|_| nobody())?;
    let client = Client::attach(&root).await.ok_or_else(nobody)?;
    let question = open_question(&client, args.run_id.as_ref()).await?;
    let approved = !args.reject;
    client.answer(&question.callback, approved, &args.by, args.reason.as_deref()).await?;
    let now = client.store.approvals(&question.run_id).await.doing("read the approvals")?;
    let waits = now.items.iter().find(|a| a.callback == question.callback && a.answer.is_none());
    if let Some(ApprovalRecord { agreed, people, .. }) = waits {
        let names: Vec<_> = agreed.iter().map(|agreed| agreed.by.as_str()).collect();
        println!(
            "{} of {people} people agreed ({}); whoever is next answers by a token or sign-in of their own",
            agreed.len(),
            term::plain(&names.join(", "))
        );
        return Ok(Exit::Success);
    }
    let said = if approved { "approved" } else { "rejected" };
    println!("{said}: {}", term::plain(&question.question));
    Ok(Exit::Success)
}

/// The question of the run, or of the only run that asks one.
async fn open_question(client: &Client, run_id: Option<&RunId>) -> Result<ApprovalRecord, Failure> {
    let runs = match run_id {
        Some(id) => vec![id.clone()],
        None => {
            let query = RunQuery { status: Some(RunStatus::Running), ..RunQuery::default() };
            let page = client.store.latest_runs(&query).await.doing("list the runs")?;
            page.runs.into_iter().map(|r| r.request.run_id).collect()
        }
    };
    let mut open = Vec::new();
    for id in &runs {
        let all = client.store.approvals(id).await.doing("read the approvals")?;
        open.extend(all.items.into_iter().filter(|a| a.answer.is_none()));
    }
    match open.len() {
        0 => Err(match run_id {
            Some(id) => Failure::usage(format!("{id} waits for no answer"))
                .remedy("`pactctl runs show` says what it does; `pactctl approve` alone finds the run that waits"),
            None => Failure::usage("no run waits for an answer"),
        }),
        1 => open.pop().ok_or_else(|| Failure::internal("the question is gone")),
        _ => {
            let ids: Vec<_> = open.iter().map(|a| a.run_id.as_str()).collect();
            Err(Failure::usage("several runs wait for an answer")
                .remedy(format!("name one of {}", ids.join(", "))))
        }
    }
}
