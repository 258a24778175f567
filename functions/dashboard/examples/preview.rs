//! Serves the dashboard over sample runs, to look at it: `cargo run -p pact-dashboard --example preview`.
//! One of the runs moves on while it is looked at.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_arguments,
    reason = "sample data, written by hand"
)]

mod support;

use jiff::Timestamp;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8088".to_owned());
    let mut samples = support::samples(Timestamp::now());
    samples.moving = true;
    samples.runs.extend(support::failed(Timestamp::now()));
    let listener = tokio::net::TcpListener::bind(&address).await?;
    axum::serve(
        listener,
        support::doors::signed_in(pact_dashboard::router(
            support::sources(samples),
            support::doors::doors(),
        )),
    )
    .await?;
    Ok(())
}
