//! For tests: a second source, which counts instead of asking.

use async_trait::async_trait;
use pact_agent::AgentError;
use pact_config::form::{Form, Shape, required};
use pact_contract::{actions::Metrics, settings::Instance};
use serde::Deserialize;

use super::source::{Kind, Measured, MetricSource, Opened, Surroundings, Watcher, Window};

pub(crate) const KIND: Kind = Kind { name: "counter", form, open };

#[derive(Deserialize)]
struct Settings {
    per_second: u64,
}

fn form() -> Form {
    Form {
        about: "So many requests a second.".to_owned(),
        fields: vec![required("per_second", "How many.", Shape::Integer { min: 1, max: 9 })],
        ..Form::default()
    }
}

struct Counter(Settings);

fn open(instance: &Instance, _: &Surroundings) -> Opened {
    let settings: Settings = instance.parse().map_err(|e| format!("the settings: {e}"))?;
    Ok(Box::new(Counter(settings)))
}

#[async_trait]
impl MetricSource for Counter {
    async fn measure(
        &self,
        window: &Window<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, AgentError> {
        let mut length = window.length;
        loop {
            let requests = length.as_secs() * self.0.per_second;
            let mut metrics = Metrics { requests, ..Metrics::default() };
            match watcher.end(&mut metrics) {
                Some(more) => length += more,
                None => return Ok(Measured::Metrics(metrics)),
            }
        }
    }
}
