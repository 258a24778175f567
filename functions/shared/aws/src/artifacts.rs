//! The artifact store: S3 on AWS, a folder locally.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path, signer::Signer,
};
use pact_agent::{
    builds::{Access, SignedUrls},
    ports::{Artifacts, StoreError},
};
use url::Url;

use crate::{error::unavailable, http::Connections};

/// Longest key: S3 accepts 1024 bytes, the prefix included.
const MAX_KEY: usize = 800;
/// Seconds within which what was put counts as recent. Artifacts stay a week longer than runs.
const RECENT: i64 = 24 * 3_600;
/// Attempts after the first.
const RETRIES: usize = 3;
/// How long after the first attempt the last may begin. The state machine tries again too: what is
/// wrong has to be said while the function has time to say it.
const RETRYING: Duration = Duration::from_secs(20);

/// Artifacts in an object store, below a prefix.
pub struct ObjectArtifacts {
    store: Arc<dyn ObjectStore>,
    /// None for a folder, which has no addresses.
    signer: Option<Arc<dyn Signer>>,
    prefix: Path,
}

impl ObjectArtifacts {
    /// The store at `url`: `file:///folder`, which is made if it does not exist, or
    /// `s3://bucket/prefix`, which is not connected to yet.
    ///
    /// # Errors
    /// When the folder cannot be made, or the address is of another kind.
    pub(crate) fn open(url: &Url, connections: &Connections) -> Result<Self, StoreError> {
        let refused = |error: &dyn std::fmt::Display| {
            unavailable(format!("cannot open the artifact store {url}: {error}"))
        };
        if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| refused(&"not a path of a folder"))?;
            std::fs::create_dir_all(&folder).map_err(|error| refused(&error))?;
            let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| refused(&e))?;
            return Ok(Self { store: Arc::new(store), signer: None, prefix: Path::default() });
        }
        let prefix = Path::from_url_path(url.path()).map_err(|error| refused(&error))?;
        let retries =
            RetryConfig { max_retries: RETRIES, retry_timeout: RETRYING, ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env()
            .with_url(url.as_str())
            .with_http_connector(connections.clone())
            .with_retry(retries)
            .build()
            .map_err(|error| refused(&error))?;
        let store = Arc::new(store);
        Ok(Self { store: Arc::clone(&store) as _, signer: Some(store), prefix })
    }

    /// The folder of a bucket, where a server keeps its objects as files.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn folder(folder: &std::path::Path) -> Result<Self, StoreError> {
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| unavailable(format!("cannot open {}: {error}", folder.display())))?;
        Ok(Self { store: Arc::new(store), signer: None, prefix: Path::default() })
    }

    fn path(&self, key: &str) -> Result<Path, StoreError> {
        let path = checked(key)
            .and_then(|()| Path::parse(key).map_err(|error| error.to_string()))
            .map_err(|reason| unavailable(format!("not an artifact key: {reason}")))?;
        Ok(self.prefix.parts().chain(path.parts()).collect())
    }
}

/// A key is a relative path that means the same in a folder and in a bucket.
fn checked(key: &str) -> Result<(), String> {
    if key.len() > MAX_KEY {
        return Err(format!("{} bytes, more than {MAX_KEY}", key.len()));
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("an empty, '.' or '..' part".to_owned());
    }
    match key.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '\\' | '%' | '#' | '?')) {
        Some(c) => Err(format!("the character {c:?}")),
        None => Ok(()),
    }
}

#[async_trait]
impl Artifacts for ObjectArtifacts {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let path = self.path(key)?;
        match self.store.put(&path, PutPayload::from_bytes(content)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(StoreError::unavailable(format!("cannot write the artifact {key}"), error))
            }
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(key)?;
        let read = async { self.store.get(&path).await?.bytes().await };
        match read.await {
            Ok(content) => Ok(Some(content)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => {
                Err(StoreError::unavailable(format!("cannot read the artifact {key}"), error))
            }
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let path = self.path(key)?;
        match self.store.head(&path).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => {
                Err(StoreError::unavailable(format!("cannot look for the artifact {key}"), error))
            }
        }
    }

    async fn has_recent(&self, key: &str) -> Result<bool, StoreError> {
        let path = self.path(key)?;
        match self.store.head(&path).await {
            Ok(found) => {
                let age = Timestamp::now().as_second() - found.last_modified.timestamp();
                Ok(age < RECENT)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => {
                Err(StoreError::unavailable(format!("cannot look for the artifact {key}"), error))
            }
        }
    }
}

#[async_trait]
impl SignedUrls for ObjectArtifacts {
    async fn signed_url(
        &self,
        access: Access,
        key: &str,
        valid: Duration,
    ) -> Result<String, StoreError> {
        let Some(signer) = &self.signer else {
            return Err(unavailable("cannot sign an address: the artifact store is a folder"));
        };
        let method = match access {
            Access::Get => http::Method::GET,
            Access::Put => http::Method::PUT,
        };
        match signer.signed_url(method, &self.path(key)?, valid).await {
            Ok(url) => Ok(url.into()),
            Err(error) => {
                Err(StoreError::unavailable(format!("cannot sign an address for {key}"), error))
            }
        }
    }
}

/// Stands in where no artifact store is configured: every use says so.
pub(crate) struct UnconfiguredArtifacts;

pub(crate) fn unconfigured() -> StoreError {
    unavailable("no artifact store: PACT_ARTIFACTS_URL is not set")
}

#[async_trait]
impl Artifacts for UnconfiguredArtifacts {
    async fn put(&self, _: &str, _: Bytes) -> Result<(), StoreError> {
        Err(unconfigured())
    }
    async fn get(&self, _: &str) -> Result<Option<Bytes>, StoreError> {
        Err(unconfigured())
    }
    async fn has_recent(&self, _: &str) -> Result<bool, StoreError> {
        Err(unconfigured())
    }
    async fn size(&self, _: &str) -> Result<Option<u64>, StoreError> {
        Err(unconfigured())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_and_replaces_and_knows_what_it_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path().join("data of pact")).unwrap();
        let artifacts = ObjectArtifacts::open(&url, &Connections::default()).unwrap();
        let key = "runs/web-0123/stages/RunUnitTests.json";
        assert!(!artifacts.has_recent(key).await.unwrap());
        assert_eq!(artifacts.get(key).await.unwrap(), None);
        artifacts.put(key, Bytes::from_static(b"one")).await.unwrap();
        artifacts.put(key, Bytes::from_static(b"two")).await.unwrap();
        assert!(artifacts.has_recent(key).await.unwrap());
        assert_eq!(artifacts.get(key).await.unwrap().as_deref(), Some(b"two".as_slice()));
        let file = folder.path().join("data of pact").join(key);
        let old = std::time::SystemTime::now() - std::time::Duration::from_hours(25);
        std::fs::File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
        assert!(!artifacts.has_recent(key).await.unwrap(), "it would go before what is put now");
        assert!(artifacts.get(key).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_key_never_leaves_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path().join("inside")).unwrap();
        let artifacts = ObjectArtifacts::open(&url, &Connections::default()).unwrap();
        let long = "k".repeat(2_000);
        for key in
            ["", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\\b", "a%2e", "ä", &long]
        {
            let put = artifacts.put(key, Bytes::from_static(b"x")).await;
            assert!(put.is_err(), "{key:?}");
            assert!(artifacts.get(key).await.is_err(), "{key:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_bucket_with_a_prefix_is_opened_without_a_connection() {
        let url = Url::parse("s3://bucket/some/prefix").unwrap();
        let artifacts = ObjectArtifacts::open(&url, &Connections::default()).unwrap();
        assert_eq!(artifacts.path("a/b").unwrap().as_ref(), "some/prefix/a/b");
    }
}
