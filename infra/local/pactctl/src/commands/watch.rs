//! `pactctl runs watch`: follows a run that goes on, and says how one ended that has.

use pact_contract::RunId;

use super::reader::{Reader, read_report};
use crate::{
    client::Client,
    failure::{Context, Exit, Failure},
    hints::data_option,
    run::{
        Shown, exit_code,
        follow::{self, Followed, Progress},
        print,
        report::Report,
    },
};

/// Carries out the command.
pub(super) async fn watch(run_id: Option<RunId>, shown: Shown<'_>) -> Result<Exit, Failure> {
    // Whatever is up may be seen to end between two looks: what is kept says what is true.
    let reader = Reader::open(shown.data).await?;
    let report = read_report(&reader, run_id).await;
    reader.close().await;
    let report = report?;
    if report.status.is_final() {
        return said(shown, &report);
    }
    let run_id = report.run_id.clone();
    let nobody = || {
        Failure::usage(format!(
            "the run {run_id} has not ended, and no stack is up that it goes on in"
        ))
        .remedy("`pactctl up` starts one and goes on with the runs that wait")
    };
    let root = shown.data.canonicalize().doing("read the data folder")?;
    let client = Client::attach(&root).await.ok_or_else(nobody)?;
    let mut progress = Progress::new(!shown.json, data_option(shown.data));
    let followed = follow::follow(&client, &run_id, &mut progress, true).await;
    progress.finish();
    match followed? {
        Followed::Ended(report) => said(shown, &report),
        Followed::Lost => Err(nobody()),
    }
}

fn said(shown: Shown<'_>, report: &Report) -> Result<Exit, Failure> {
    print(shown, report)?;
    Ok(exit_code(report.status))
}
