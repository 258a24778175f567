//! The dashboard as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_dashboard::serve().await
}
