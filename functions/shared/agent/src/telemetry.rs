//! Logs of a function: one JSON object per line on standard output, as CloudWatch wants it.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
};

/// Installs the subscriber once; the level comes from `RUST_LOG`, `info` without it.
pub fn init() {
    // Not `EnvFilter`: it brings an engine of regular expressions, for the fields of spans.
    let filter = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(LevelFilter::TRACE)
        .with_current_span(true)
        .with_span_list(false)
        .flatten_event(true)
        .with_writer(std::io::stdout)
        .finish()
        .with(filter);
    // A second call, in a test for example, keeps the first subscriber.
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}
