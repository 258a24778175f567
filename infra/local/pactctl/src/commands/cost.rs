//! `pactctl runs cost`: what a run would cost on AWS.

use std::{fmt::Write, path::Path};

use crate::{
    cost::{Bill, Measured, invocations},
    document,
    failure::{Context, Exit, Failure},
    run::{report::Report, session::Session},
    stack,
};

/// Carries out the command for a known run.
pub(super) async fn cost(data: &Path, run: &Report, json: bool) -> Result<Exit, Failure> {
    let run_id = run.run_id.as_str();
    let root = data.canonicalize().doing("read the data folder")?;
    // The history is Step Functions': it is asked of the stack that is up, or of one for this.
    let session = Session::open(data, &stack::options::Options::default()).await?;
    let events = session.client.history(&run.execution_arn).await;
    session.close().await;
    let measured = Measured {
        events: events?,
        invocations: invocations(&root.join("logs"), run_id),
        table: stack::usage_of(&root, run_id),
        builds: local_codebuild::spent(&root.join("codebuild"), ("PACT_RUN", run_id)),
    };
    let bill = measured.bill(run_id);
    if json {
        document::print(&bill)?;
    } else {
        print!("{}", text(&bill).doing("write the bill")?);
    }
    Ok(Exit::Success)
}

fn text(bill: &Bill) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "{}, at the prices of us-east-1 without free tier, in USD:\n", bill.run_id)?;
    for part in &bill.parts {
        let digits = match part.amount {
            whole if whole.fract() == 0.0 => 0,
            amount if amount >= 0.01 => 2,
            _ => 6,
        };
        writeln!(
            out,
            "  {:<16} {:>12.digits$} {:<12} × {:.9} = {:.6}",
            part.part, part.amount, part.unit, part.price_usd, part.usd
        )?;
    }
    writeln!(
        out,
        "\n  orchestration, all but the time in functions and builds: {:.6}",
        bill.orchestration_usd
    )?;
    writeln!(
        out,
        "  the run:                                                 {:.6}",
        bill.total_usd
    )?;
    writeln!(
        out,
        "\nTime in functions and builds is that of this machine; on AWS a build takes about half a minute \
         more to have its environment, and each minute that has begun is paid. Not in it: requests to the artifact bucket, \
         storage, and what lies outside of the run: the requests to a function that was deployed, \
         those of health and watch among them."
    )?;
    Ok(out)
}
