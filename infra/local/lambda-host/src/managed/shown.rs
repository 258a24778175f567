//! Functions as the API shows them.

use super::{
    alias,
    record::{Record, State, Update, Version},
    store::Managed,
};
use crate::{
    error::RequestError,
    name::{LATEST, qualified},
};
use serde_json::{Map, Value, json};

impl Managed {
    /// `GetFunctionConfiguration`, of a version or of that which an alias leads to.
    pub(crate) fn configuration(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<Value, RequestError> {
        self.read(name, |record| {
            let version = self.version_of(record, qualifier)?;
            Ok(configuration(record, version, qualified(self.arn(name), qualifier)))
        })
    }

    /// `GetFunction`.
    pub(crate) fn described(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<Value, RequestError> {
        self.read(name, |record| {
            let version = self.version_of(record, qualifier)?;
            let location = url::Url::from_file_path(self.codes.zip(&version.code));
            let location = location.map(String::from).unwrap_or_default();
            let arn = qualified(self.arn(name), qualifier);
            let mut shown = json!({
                "Configuration": configuration(record, version, arn),
                // It lies on this machine and in no bucket.
                "Code": {"RepositoryType": "S3", "Location": location},
            });
            if let (false, Some(fields)) = (record.tags.is_empty(), shown.as_object_mut()) {
                fields.insert("Tags".to_owned(), json!(record.tags));
            }
            Ok(shown)
        })
    }

    /// `ListVersionsByFunction`, all of them.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<Value>, RequestError> {
        self.read(name, |record| {
            let all = std::iter::once(&record.latest).chain(&record.versions);
            Ok(all.map(|version| self.of_version(record, version)).collect())
        })
    }

    /// A version as it is answered to whoever made or changed it.
    pub(super) fn shown(&self, record: &Record, version: &str) -> Result<Value, RequestError> {
        let found = record.version(version);
        let found = found.ok_or_else(|| self.not_found(&record.name, Some(version)))?;
        let arn = self.arn(&record.name);
        let arn = if version == LATEST { arn } else { format!("{arn}:{version}") };
        Ok(configuration(record, found, arn))
    }

    fn of_version(&self, record: &Record, version: &Version) -> Value {
        let arn = format!("{}:{}", self.arn(&record.name), version.version);
        configuration(record, version, arn)
    }

    fn version_of<'r>(
        &self,
        record: &'r Record,
        qualifier: Option<&str>,
    ) -> Result<&'r Version, RequestError> {
        let version = match qualifier {
            None => Some(LATEST),
            Some(version) if alias::is_version(version) => Some(version),
            Some(name) => record.aliases.get(name).map(|alias| alias.version.as_str()),
        };
        version
            .and_then(|version| record.version(version))
            .ok_or_else(|| self.not_found(&record.name, qualifier))
    }
}

fn configuration(record: &Record, version: &Version, arn: String) -> Value {
    let config = &version.config;
    let modified = version.modified.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string();
    let mut shown = json!({
        "FunctionName": record.name,
        "FunctionArn": arn,
        "Runtime": config.runtime,
        "Role": config.role,
        "Handler": config.handler,
        "CodeSize": version.code.size,
        "Description": config.description,
        "Timeout": config.timeout,
        "MemorySize": config.memory,
        "LastModified": modified,
        "CodeSha256": version.code.sha256,
        "Version": version.version,
        "RevisionId": version.revision,
        "State": format!("{:?}", version.state),
        "LastUpdateStatus": format!("{:?}", version.update),
        "PackageType": "Zip",
        "Architectures": [config.architecture],
        "EphemeralStorage": {"Size": config.ephemeral},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    });
    let Value::Object(fields) = &mut shown else { return shown };
    let mut log = Map::new();
    log.insert("LogFormat".to_owned(), json!("Text"));
    log.insert("LogGroup".to_owned(), json!(format!("/aws/lambda/{}", record.name)));
    fields.insert("LoggingConfig".to_owned(), Value::Object(log));
    for (name, value) in &config.shown {
        fields.insert(name.clone(), value.clone());
    }
    if !config.env.is_empty() {
        fields.insert("Environment".to_owned(), json!({"Variables": config.env}));
    }
    if let Some(reason) = &version.reason {
        fields.insert("LastUpdateStatusReason".to_owned(), json!(reason));
        fields.insert("LastUpdateStatusReasonCode".to_owned(), json!("InvalidZipFileException"));
        if version.state == State::Failed {
            fields.insert("StateReason".to_owned(), json!(reason));
            fields.insert("StateReasonCode".to_owned(), json!("InvalidZipFileException"));
        }
    } else if version.state == State::Pending {
        fields.insert("StateReason".to_owned(), json!("The function is being created."));
        fields.insert("StateReasonCode".to_owned(), json!("Creating"));
    } else if version.update == Update::InProgress {
        fields.insert("LastUpdateStatusReason".to_owned(), json!("The function is being updated."));
    }
    shown
}
