//! Logs of a function: one JSON object per line on standard output, as CloudWatch wants it.

use tracing_subscriber::EnvFilter;

/// Installs the subscriber once; the level comes from `RUST_LOG`, `info` without it.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_current_span(true)
        .with_span_list(false)
        .flatten_event(true)
        .with_writer(std::io::stdout)
        .finish();
    // A second call, in a test for example, keeps the first subscriber.
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}
