//! The run store for commands that read, whether a stack is up or not.

use std::path::Path;

use pact_agent::ports::{RunQuery, RunReader};
use pact_aws::DynamoStore;
use pact_contract::RunId;

use crate::{
    client::{self, Client},
    data::{Opened, Secrets},
    failure::{Context, Failure},
    hints::data_option,
    run::report::Report,
    stack::{Definition, Store, open_data, options::Options},
};

/// The run store, of a stack that is up or opened for this command.
pub(super) struct Reader {
    pub(super) store: DynamoStore,
    own: Option<Store>,
    endpoint: String,
    secrets: Secrets,
    /// The options that find a run again.
    pub(super) options: String,
}

impl Reader {
    pub(super) async fn open(data: &Path) -> Result<Self, Failure> {
        if !data.is_dir() {
            return Err(Failure::usage(format!("there is no data folder {}", data.display()))
                .remedy("`pactctl run` makes one; --data DIR names another"));
        }
        let options = data_option(data);
        let root = data.canonicalize().doing("read the data folder")?;
        if let Some(client) = Client::attach(&root).await {
            let endpoint = client.endpoints.aws.clone();
            let secrets = Secrets::read(&root)
                .ok_or_else(|| Failure::internal("the stack's secrets are gone"))?;
            return Ok(Self { store: client.store, own: None, endpoint, secrets, options });
        }
        let Opened::Owned(folder) = open_data(data)? else {
            return Err(Failure::usage("a stack is starting or stopping on this data folder")
                .remedy("try again in a moment"));
        };
        let definition = Definition::load(&folder, &Options::default())?;
        let own = Store::open(&folder, &definition.stack.tables).await?;
        let secrets = folder.secrets()?;
        let store = client::store(&own.endpoint, &secrets, &definition.run_table()?).await;
        Ok(Self { store, endpoint: own.endpoint.clone(), own: Some(own), secrets, options })
    }

    pub(super) async fn close(self) {
        if let Some(own) = self.own {
            own.close().await;
        }
    }

    /// Whether a stack is up.
    pub(super) fn is_up(&self) -> bool {
        self.own.is_none()
    }

    /// SDK settings for the stack.
    pub(super) async fn sdk(&self) -> aws_config::SdkConfig {
        client::sdk_config(&self.endpoint, &self.secrets).await
    }

    pub(super) async fn latest(&self, run_id: Option<RunId>) -> Result<RunId, Failure> {
        if let Some(run_id) = run_id {
            return Ok(run_id);
        }
        let query = RunQuery { limit: 1, ..RunQuery::default() };
        let page = self.store.latest_runs(&query).await.doing("list the runs")?;
        page.runs
            .first()
            .map(|r| r.request.run_id.clone())
            .ok_or_else(|| Failure::usage("nothing has run yet").remedy("start with `pactctl run`"))
    }
}

/// What is known of a run, the latest without one.
pub(super) async fn read_report(reader: &Reader, run_id: Option<RunId>) -> Result<Report, Failure> {
    let run_id = reader.latest(run_id).await?;
    Report::read(&reader.store, &run_id, &reader.options).await
}
