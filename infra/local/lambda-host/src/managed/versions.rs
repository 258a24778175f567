//! Published versions.

use super::{
    alias,
    record::{Record, State, Update, Version, revision},
    rules,
    store::{Managed, check_revision, check_settled},
};
use crate::{error::RequestError, name::LATEST};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// `PublishVersion`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Publish {
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

/// Publishes what `$LATEST` is, unless the version before is the same already.
pub(super) fn publish(record: &mut Record, description: Option<String>) -> String {
    let latest = &record.latest;
    let same = record.versions.last().filter(|last| is_same(last, latest));
    if let Some(last) = same {
        return last.version.clone();
    }
    let mut version = latest.clone();
    version.version = record.next.to_string();
    version.revision = revision();
    version.serving = None;
    version.modified = Timestamp::now();
    if let Some(description) = description {
        version.config.description = description;
    }
    // It can be invoked as soon as its code is there.
    if version.update == Update::InProgress {
        version.state = State::Pending;
    }
    let number = version.version.clone();
    record.next += 1;
    record.versions.push(version);
    number
}

/// The same code, run in the same way.
fn is_same(published: &Version, latest: &Version) -> bool {
    let mut config = published.config.clone();
    config.description.clone_from(&latest.config.description);
    published.code == latest.code && config == latest.config
}

impl Managed {
    /// `PublishVersion`.
    pub(crate) fn publish(&self, name: &str, wanted: Publish) -> Result<Value, RequestError> {
        let Publish { code_sha256, description, revision_id } = wanted;
        let description = description.filter(|text| !text.is_empty());
        if let Some(description) = &description {
            rules::check_description(description)?;
        }
        let arn = self.arn(name);
        self.change(name, |record| {
            check_settled(&record.latest, &arn)?;
            check_revision(revision_id.as_deref(), &record.latest.revision, "GetFunction")?;
            let current = &record.latest.code.sha256;
            if let Some(wanted) = code_sha256.filter(|wanted| wanted != current) {
                return Err(RequestError::invalid(format!(
                    "CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST \
                     ({current}). Please try again with the CodeSHA256 in $LATEST."
                )));
            }
            let version = publish(record, description);
            self.shown(record, &version)
        })
    }

    /// Deletes a version that no alias leads to.
    pub(super) fn delete_version(&self, name: &str, version: &str) -> Result<(), RequestError> {
        if version == LATEST {
            return Err(RequestError::invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        if !alias::is_version(version) {
            return Err(RequestError::invalid(
                "Deletion of an alias is an operation of its own: DeleteAlias",
            ));
        }
        self.change(name, |record| {
            let leads = record
                .aliases
                .iter()
                .find(|(_, alias)| alias.version == version || alias.weights.contains_key(version));
            if let Some((alias, _)) = leads {
                return Err(RequestError::conflict(format!(
                    "Version {version} is referenced by alias {alias}. To delete this version, \
                     update or delete the alias."
                )));
            }
            // What is not there is deleted already.
            record.versions.retain(|known| known.version != version);
            Ok(())
        })
    }
}
