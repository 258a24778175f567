//! S3 of the local stack: a library's server over the folder `s3` of the data folder, a folder in
//! it for each bucket.

use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use local_lambda_host::Object;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    auth::{S3Auth, SecretKey},
    service::{S3Service, S3ServiceBuilder},
};

use crate::{
    credentials::Credentials,
    failure::{Context, Failure},
};

/// All buckets.
#[derive(Clone)]
pub(crate) struct Buckets {
    service: S3Service,
}

/// Secrets by access key.
struct Keys(Credentials);

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.secret(access_key) {
            Some(secret) => Ok(SecretKey::from(secret)),
            None => Err(S3Error::new(S3ErrorCode::InvalidAccessKeyId)),
        }
    }
}

impl Buckets {
    /// Opens the folder; the buckets that are named are made where they are not there.
    pub(crate) fn open(
        folder: &Path,
        buckets: &[String],
        credentials: Credentials,
    ) -> Result<Self, Failure> {
        for bucket in buckets {
            let path = folder.join(bucket);
            std::fs::create_dir_all(&path).doing(&format!("make {}", path.display()))?;
        }
        std::fs::create_dir_all(folder).doing(&format!("make {}", folder.display()))?;
        let files = s3s_fs::FileSystem::new(folder)
            .map_err(|error| Failure::internal(format!("cannot serve the buckets: {error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(Keys(credentials));
        Ok(Self { service: builder.build() })
    }

    /// Serves a request. The signature, in a header or in the address, is checked by the library.
    pub(crate) async fn serve(&self, request: Request) -> Response {
        let signed = request.headers().contains_key("authorization")
            || request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature="));
        if !signed {
            return (StatusCode::FORBIDDEN, "the request is not signed\n").into_response();
        }
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
        match self.service.call(request).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                Response::from_parts(parts, Body::new(body))
            }
            Err(error) => {
                tracing::error!(?error, "a bucket does not answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Reads objects for Lambda, which gets code from a bucket.
pub(crate) struct Objects {
    folder: PathBuf,
}

impl Objects {
    /// The objects of the buckets in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl local_lambda_host::Objects for Objects {
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str, most: u64) -> Object<'a> {
        Box::pin(async move {
            let inside = |text: &str| {
                let plain = |part| matches!(part, Component::Normal(_));
                !text.is_empty() && !text.contains('\0') && Path::new(text).components().all(plain)
            };
            if !inside(bucket) || bucket.contains('/') || !inside(key) {
                return Ok(None);
            }
            let path = self.folder.join(bucket).join(key);
            let read = tokio::task::spawn_blocking(move || read(&path, most)).await;
            read.map_err(io::Error::other)?
        })
    }
}

fn read(path: &Path, most: u64) -> io::Result<Option<bytes::Bytes>> {
    // An object is a file, and no link to one.
    match path.symlink_metadata() {
        Ok(found) if found.is_file() && found.len() <= most => {}
        Ok(found) if found.is_file() => {
            return Err(io::Error::other(format!("the object has more than {most} bytes")));
        }
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(Some(content.into()))
}
