//! What was built for the targets: taken in as hostile input, and kept by its digest.

use bytes::Bytes;
use pact_agent::{AgentError, built, bundle};
use pact_contract::{Finding, Severity, actions::BuiltRelease, codes};

use super::runner::{Built, Release, Task};
use crate::capture::last_lines;

/// Time-out of a build command without one, in seconds.
pub(crate) const BUILD_SECONDS: u64 = 600;

/// Largest bundle of a release, in bytes.
pub(super) const BYTES: u64 = 512 << 20;
/// Longest list of its files, in bytes.
const LIST: usize = 16 << 20;

/// It was not built well. `output`: what was written meanwhile.
pub(super) fn failed(message: String, remedy: &str, output: &str) -> Built {
    let finding = Finding::new(codes::BUILD_FAILED, Severity::High, message)
        .remedy(remedy)
        .evidence(last_lines(output, 20, 2_000));
    Built::Failed(Box::new(finding))
}

/// What came of keeping a bundle.
pub(super) enum Kept {
    Is(Box<BuiltRelease>),
    /// It is refused, for this reason.
    Not(String),
}

/// Keeps a bundle where nobody else can write: by its digest.
///
/// # Errors
/// Those of the store.
pub(super) async fn keep(
    task: &Task<'_>,
    release: &Release,
    content: Bytes,
) -> Result<Kept, AgentError> {
    let copy = content.clone();
    let read = tokio::task::spawn_blocking(move || (built::digest(&copy), bundle::names(&copy)))
        .await
        .map_err(|e| AgentError::internal("reading what was built stopped").caused_by(e))?;
    let (digest, names) = match read {
        (digest, Ok(names)) => (digest, names),
        (_, Err(error)) => {
            return Ok(Kept::Not(format!("what was built is refused: {}", error.message)));
        }
    };
    let folder = format!("runs/{}/releases", task.call.scope());
    let kept = BuiltRelease {
        commands: release.id.clone(),
        key: format!("{folder}/{digest}.tar.gz"),
        bytes: content.len() as u64,
        files: names.len() as u64,
        list_key: format!("{folder}/{digest}.files.txt"),
        digest,
        serves: release.serves.clone(),
    };
    let mut list = String::new();
    for name in &names {
        if list.len() + name.len() >= LIST {
            break;
        }
        list.push_str(name);
        list.push('\n');
    }
    task.artifacts.put(&kept.key, content).await?;
    task.artifacts.put(&kept.list_key, list.into()).await?;
    Ok(Kept::Is(Box::new(kept)))
}
