//! Making, changing and deleting functions.

use super::{
    record::{Code, Record, State, Update, Version, revision},
    rules::{self, Change},
    store::{Entry, Managed, check_revision, check_settled, needed, not_written},
    versions,
};
use crate::{error::RequestError, name::LATEST, sync::lock};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fs, io, sync::Arc};

/// The longest name of a function.
const MAX_NAME: usize = 64;
/// The largest zip in a request, and the largest from a bucket, in bytes.
const MAX_ZIP: usize = 50 << 20;
const MAX_OBJECT: u64 = 250 << 20;

/// Where code comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Source {
    zip_file: Option<String>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    image_uri: Option<String>,
}

/// `CreateFunction`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NewFunction {
    pub(crate) function_name: String,
    code: Source,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(flatten)]
    change: Change,
}

/// `UpdateFunctionCode`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CodeChange {
    #[serde(flatten)]
    source: Source,
    architectures: Option<Vec<String>>,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
}

impl Managed {
    /// `CreateFunction`.
    pub(crate) async fn create(self: &Arc<Self>, new: NewFunction) -> Result<Value, RequestError> {
        let NewFunction { function_name: name, code, publish, tags, change } = new;
        let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if name.is_empty() || name.len() > MAX_NAME || !letters {
            return Err(RequestError::Validation {
                value: name.chars().filter(|c| !c.is_control()).take(256).collect(),
                parameter: "functionName",
                constraint: "Member must satisfy regular expression pattern: [a-zA-Z0-9-_]+ and \
                             have length less than or equal to 64",
            });
        }
        let config = change.create()?;
        check_machine(&config.architecture)?;
        self.runtimes.program(&config, std::path::Path::new("/"))?;
        let code = self.take(code).await?;
        let mut record = Record::new(&name, config, code);
        record.tags = tags;
        let version = if publish { versions::publish(&mut record, None) } else { LATEST.into() };
        let shown = self.shown(&record, &version)?;
        {
            let mut state = lock(&self.state);
            if state.functions.contains_key(&name) || state.unreadable.contains(&name) {
                return Err(RequestError::conflict(format!("Function already exist: {name}")));
            }
            self.check_storage(
                &state.functions.values().map(|e| &e.record).collect::<Vec<_>>(),
                &record.latest.code,
            )?;
            record.write(&self.path(&name)).map_err(not_written)?;
            state.functions.insert(name.clone(), Entry::new(record));
        }
        self.settle_later(&name);
        Ok(shown)
    }

    /// `UpdateFunctionCode`.
    pub(crate) async fn update_code(
        self: &Arc<Self>,
        name: &str,
        change: CodeChange,
    ) -> Result<Value, RequestError> {
        let CodeChange { source, architectures, publish, dry_run, revision_id } = change;
        let arn = self.arn(name);
        let check = |record: &Record| {
            check_revision(revision_id.as_deref(), &record.latest.revision, "GetFunction")?;
            check_settled(&record.latest, &arn)
        };
        self.read(name, check)?;
        let architecture = architectures.as_deref().map(rules::architecture).transpose()?;
        if let Some(architecture) = &architecture {
            check_machine(architecture)?;
        }
        let code = self.take(source).await?;
        {
            let state = lock(&self.state);
            let records: Vec<_> = state.functions.values().map(|entry| &entry.record).collect();
            self.check_storage(&records, &code)?;
        }
        let apply = |record: &mut Record| {
            check(record)?;
            let latest = &mut record.latest;
            if latest.state == State::Active && latest.code != code {
                latest.serving = Some(std::mem::replace(&mut latest.code, code.clone()));
            }
            latest.code = code.clone();
            if let Some(architecture) = architecture {
                latest.config.architecture = architecture;
            }
            begin(latest);
            let version = match publish {
                true => versions::publish(record, None),
                false => LATEST.to_owned(),
            };
            self.shown(record, &version)
        };
        if dry_run {
            return self.read(name, |record| apply(&mut record.clone()));
        }
        let shown = self.change(name, apply)?;
        self.settle_later(name);
        Ok(shown)
    }

    /// `UpdateFunctionConfiguration`.
    pub(crate) fn update_configuration(
        self: &Arc<Self>,
        name: &str,
        (change, revision_id): (Change, Option<String>),
    ) -> Result<Value, RequestError> {
        let arn = self.arn(name);
        let shown = self.change(name, |record| {
            check_revision(revision_id.as_deref(), &record.latest.revision, "GetFunction")?;
            check_settled(&record.latest, &arn)?;
            let config = change.apply(&record.latest.config)?;
            self.runtimes.program(&config, std::path::Path::new("/"))?;
            record.latest.config = config;
            begin(&mut record.latest);
            self.shown(record, LATEST)
        })?;
        self.settle_later(name);
        Ok(shown)
    }

    /// `DeleteFunction`: a version of it, or all of it.
    pub(crate) fn delete(&self, name: &str, version: Option<&str>) -> Result<(), RequestError> {
        if let Some(version) = version {
            self.delete_version(name, version)?;
            self.let_go(name, version);
        } else {
            let mut state = lock(&self.state);
            if !state.functions.contains_key(name) {
                return Err(self.not_found(name, None));
            }
            match fs::remove_file(self.path(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(not_written(error));
                }
                _ => {}
            }
            let gone = state.functions.remove(name);
            for old in gone.iter().flat_map(|entry| entry.running.values()) {
                state.retired.push(Arc::downgrade(old));
            }
            drop(state);
            for old in gone.iter().flat_map(|entry| entry.running.values()) {
                old.retire();
            }
        }
        self.tidy();
        Ok(())
    }

    /// Does what is pending in the background.
    fn settle_later(self: &Arc<Self>, name: &str) {
        let (managed, name) = (Arc::clone(self), name.to_owned());
        tokio::task::spawn_blocking(move || managed.settle(&name));
    }

    /// Removes code that no version has.
    fn tidy(&self) {
        // Held, so that no code is removed that is just being taken.
        let state = lock(&self.state);
        let needed = needed(state.functions.values().map(|entry| &entry.record));
        if let Err(error) = self.codes.keep_only(&|folder| needed.contains(folder)) {
            tracing::warn!(%error, "code that nobody has cannot be removed");
        }
    }

    /// Gets code, checks it and keeps it.
    async fn take(self: &Arc<Self>, source: Source) -> Result<Code, RequestError> {
        if source.image_uri.is_some() {
            return Err(RequestError::invalid("Images are not run by this host: give a zip"));
        }
        let zip = match (source.zip_file, source.s3_bucket, source.s3_key) {
            (Some(text), None, None) => {
                if text.len() / 4 * 3 > MAX_ZIP {
                    return Err(RequestError::TooLarge { limit: MAX_ZIP });
                }
                let invalid = |_| RequestError::invalid("ZipFile is not base64");
                BASE64.decode(text).map_err(invalid)?.into()
            }
            (None, Some(bucket), Some(key)) => {
                if source.s3_object_version.is_some() {
                    let what = "The buckets of this host have no versions of objects";
                    return Err(RequestError::invalid(what));
                }
                self.object(&bucket, &key).await?
            }
            _ => {
                return Err(RequestError::invalid(
                    "Please provide a source for function code: ZipFile, or S3Bucket and S3Key",
                ));
            }
        };
        let managed = Arc::clone(self);
        let kept = tokio::task::spawn_blocking(move || managed.codes.keep(&zip)).await;
        kept.map_err(|error| RequestError::Service(error.to_string()))?
    }

    async fn object(&self, bucket: &str, key: &str) -> Result<bytes::Bytes, RequestError> {
        let Some(objects) = &self.store.objects else {
            return Err(RequestError::invalid("This host has no buckets: give a ZipFile"));
        };
        let found = objects.get(bucket, key, MAX_OBJECT).await.map_err(|error| {
            RequestError::invalid(format!(
                "Error occurred while GetObject. S3 Error Message: {error}"
            ))
        })?;
        found.ok_or_else(|| {
            RequestError::invalid(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The \
                 specified key does not exist.",
            )
        })
    }

    /// Whether there is room for code that is kept already, and counts from now.
    fn check_storage(&self, records: &[&Record], new: &Code) -> Result<(), RequestError> {
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        for code in records.iter().flat_map(|record| record.codes()).chain([new]) {
            sizes.insert(&code.folder, code.size);
        }
        if sizes.values().sum::<u64>() <= self.store.max_storage {
            return Ok(());
        }
        Err(RequestError::Refused {
            code: "CodeStorageExceededException",
            status: 400,
            message: "Code storage limit exceeded.".to_owned(),
        })
    }
}

/// An update goes on.
fn begin(latest: &mut Version) {
    latest.update = Update::InProgress;
    latest.reason = None;
    latest.modified = Timestamp::now();
    latest.revision = revision();
}

/// Code of another architecture would only fail when it is invoked, and less clearly.
fn check_machine(architecture: &str) -> Result<(), RequestError> {
    let own = rules::own_architecture();
    if architecture == own {
        return Ok(());
    }
    Err(RequestError::invalid(format!(
        "This machine runs {own}, not {architecture}: give Architectures [\"{own}\"]"
    )))
}
