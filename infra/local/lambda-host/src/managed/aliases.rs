//! Operations on aliases.

use super::{
    alias,
    record::{Alias, Record, revision},
    rules,
    store::{Managed, check_revision},
};
use crate::{error::RequestError, sync::lock};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `CreateAlias` and `UpdateAlias`: what is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AliasChange {
    pub(crate) name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<Routing>,
    revision_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Routing {
    #[serde(default)]
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

impl Managed {
    /// `CreateAlias`.
    pub(crate) fn create_alias(
        &self,
        function: &str,
        change: AliasChange,
    ) -> Result<Value, RequestError> {
        let name = change.name.clone().unwrap_or_default();
        alias::check_name(&name)?;
        let version = change
            .function_version
            .clone()
            .ok_or_else(|| RequestError::invalid("FunctionVersion is mandatory for an alias"))?;
        let (arn, alias_arn) = (self.arn(function), self.alias_arn(function, &name));
        self.change(function, |record| {
            if record.aliases.contains_key(&name) {
                return Err(RequestError::conflict(format!("Alias already exists: {alias_arn}")));
            }
            let (description, weights) = (String::new(), BTreeMap::new());
            let alias = Alias { version, description, weights, revision: revision() };
            let alias = applied(alias, change)?;
            alias::check(record, &alias, &arn)?;
            record.aliases.insert(name.clone(), alias);
            shown(record, &name, alias_arn)
        })
    }

    /// `UpdateAlias`.
    pub(crate) fn update_alias(
        &self,
        function: &str,
        name: &str,
        change: AliasChange,
    ) -> Result<Value, RequestError> {
        let (arn, alias_arn) = (self.arn(function), self.alias_arn(function, name));
        self.change(function, |record| {
            let found = record.aliases.get(name).cloned();
            let found = found.ok_or_else(|| cannot_find(&alias_arn))?;
            check_revision(change.revision_id.as_deref(), &found.revision, "GetAlias")?;
            let alias = applied(found, change)?;
            alias::check(record, &alias, &arn)?;
            record.aliases.insert(name.to_owned(), alias);
            shown(record, name, alias_arn)
        })
    }

    /// `GetAlias`.
    pub(crate) fn alias(&self, function: &str, name: &str) -> Result<Value, RequestError> {
        let arn = self.alias_arn(function, name);
        self.read(function, |record| shown(record, name, arn))
    }

    /// `ListAliases`, all of them: those that lead to `version`, where one is given.
    pub(crate) fn aliases(
        &self,
        function: &str,
        version: Option<&str>,
    ) -> Result<Vec<Value>, RequestError> {
        self.read(function, |record| {
            let leads = |alias: &Alias| {
                version.is_none_or(|v| alias.version == v || alias.weights.contains_key(v))
            };
            let names = record.aliases.iter().filter(|(_, alias)| leads(alias)).map(|(n, _)| n);
            names.map(|name| shown(record, name, self.alias_arn(function, name))).collect()
        })
    }

    /// `DeleteAlias`: with its address. What is not there is deleted already.
    pub(crate) fn delete_alias(&self, function: &str, name: &str) -> Result<(), RequestError> {
        self.change(function, |record| {
            record.aliases.remove(name);
            record.urls.remove(name);
            record.policy.retain(|statement| statement.qualifier != name);
            Ok(())
        })?;
        if let Some(entry) = lock(&self.state).functions.get_mut(function) {
            entry.urls.remove(name);
        }
        Ok(())
    }

    fn alias_arn(&self, function: &str, name: &str) -> String {
        format!("{}:{name}", self.arn(function))
    }
}

fn applied(mut alias: Alias, change: AliasChange) -> Result<Alias, RequestError> {
    if let Some(version) = change.function_version {
        alias.version = version;
    }
    if let Some(description) = change.description {
        rules::check_description(&description)?;
        alias.description = description;
    }
    // An empty one takes the weights away.
    if let Some(routing) = change.routing_config {
        alias.weights = routing.additional_version_weights.unwrap_or_default();
    }
    alias.revision = revision();
    Ok(alias)
}

fn cannot_find(arn: &str) -> RequestError {
    RequestError::missing(format!("Cannot find alias arn: {arn}"))
}

fn shown(record: &Record, name: &str, arn: String) -> Result<Value, RequestError> {
    let alias = record.aliases.get(name).ok_or_else(|| cannot_find(&arn))?;
    let mut shown = json!({
        "AliasArn": arn,
        "Name": name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    });
    if let (false, Some(fields)) = (alias.weights.is_empty(), shown.as_object_mut()) {
        let routing = json!({"AdditionalVersionWeights": alias.weights});
        fields.insert("RoutingConfig".to_owned(), routing);
    }
    Ok(shown)
}
