//! A channel for tests alone: one file, and one line in the registry.

use async_trait::async_trait;
use pact_agent::secrets::Parameter;
use pact_config::{
    Rule,
    form::{Form, Shape, required},
};
use pact_contract::Capability;
use serde::Deserialize;
use serde_json::json;

use super::channel::{Channel, Work};
use crate::{
    config::Variable,
    delivery::{DeliveryOutcome, Interrupted},
    http,
};

static KEY: Parameter =
    Parameter { name: "pager-key", about: "key of the pager", variable: Some("PACT_PAGER_KEY") };
static ADDRESS: Variable = Variable { name: "PACT_PAGER_URL", about: "address of the pager" };
static CAPABILITY: Capability = Capability {
    action: "notify.page_oncall",
    description: "pages whoever is on call",
    required: &["run", "outcome"],
    optional: &["settings"],
};

#[derive(Deserialize)]
struct Settings {
    service: String,
}

pub(super) struct Pager;

#[async_trait]
impl Channel for Pager {
    fn kind(&self) -> &'static str {
        "pager"
    }

    fn title(&self) -> &'static str {
        "Pager"
    }

    fn capability(&self) -> &'static Capability {
        &CAPABILITY
    }

    fn form(&self) -> Form {
        let service = Rule::Pattern {
            pattern: "^[a-z]+$".to_owned(),
            wanted: "a service such as \"shop\"".to_owned(),
            max: 20,
        };
        Form {
            kind: self.kind().to_owned(),
            about: "Whoever is on call.".to_owned(),
            fields: vec![required("service", "What is paged about.", Shape::Text(service))],
            ..Form::default()
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        std::slice::from_ref(&KEY)
    }

    fn variables(&self) -> &'static [Variable] {
        std::slice::from_ref(&ADDRESS)
    }

    async fn send(&self, work: &Work<'_>) -> Result<DeliveryOutcome, Interrupted> {
        let Settings { service } = work.settings()?;
        let found = work.installed.get(KEY.name);
        let found = found.and_then(|key| Ok((work.installed.address(ADDRESS.name)?, key)));
        let (address, key) = match found {
            Ok(found) => found,
            Err(reason) => return Ok(DeliveryOutcome::Skipped(reason)),
        };
        work.delivery.claim().await?;
        let body = json!({ "service": service, "text": work.delivery.message.title });
        let request = work.client.get()?.post(address).bearer_auth(key).json(&body);
        let answer = http::send(work.delivery.call, self.title(), request).await?;
        if !answer.status.is_success() {
            return Ok(DeliveryOutcome::Refused(answer.excerpt()));
        }
        Ok(DeliveryOutcome::Sent {
            detail: format!("told who is on call for {service}"),
            reference: None,
            findings: Vec::new(),
        })
    }
}
