//! For tests: a second runner, which takes the verdict from its settings instead of running
//! anything.

use std::time::Duration;

use async_trait::async_trait;
use pact_agent::AgentError;
use pact_config::{
    Rule,
    form::{Form, Shape, required},
};
use pact_contract::settings::Instance;
use serde::Deserialize;
use serde_json::Value;

use super::runner::{
    End, Ended, Execution, Kind, Opened, Part, Planned, Progress, Run, Runner, Task,
};
use crate::{capture::Capture, collector::Collector, locations::Checkout, services::Services};

pub(crate) const KIND: Kind = Kind { name: "recorder", form, open };

#[derive(Deserialize)]
struct Settings {
    says: String,
}

fn form() -> Form {
    Form {
        about: "Says what it is told to.".to_owned(),
        fields: vec![required("says", "Output of the tests.", Shape::Text(Rule::Reason))],
        ..Form::default()
    }
}

struct Recorder(Settings);

fn open(instance: Option<&Instance>, _: &Services) -> Opened {
    let instance = instance.ok_or("it has to be told what it says")?;
    Ok(Box::new(Recorder(instance.parse().map_err(|e| format!("the settings: {e}"))?)))
}

#[async_trait]
impl Runner for Recorder {
    async fn plan(&self, _: &Task<'_>) -> Result<Planned, AgentError> {
        Ok(Planned::Work("said".into()))
    }

    async fn stop(&self, _: &Value) -> Result<(), AgentError> {
        Ok(())
    }

    async fn look(
        &self,
        task: &Task<'_>,
        _: &Value,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let mut capture = Capture::default();
        capture.push(self.0.says.as_bytes());
        collector.log(&self.0.says);
        let execution = Execution::Ran(Box::new(Run {
            tool: KIND.name.to_owned(),
            command: task.table.to_owned(),
            end: End::Exited(Some(0)),
            took: Duration::from_secs(1),
            captured: capture.finish(),
            checkout: Checkout::default(),
        }));
        let part = Part {
            name: task.table.to_owned(),
            execution,
            timeout: task.timeout,
            reports: Vec::new(),
            counts: None,
            notes: Vec::new(),
            unread: Vec::new(),
            tools: Vec::new(),
        };
        Ok(Progress::Ended(Ended { parts: vec![part], ..Ended::default() }))
    }
}
