//! The dashboard as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    pact_dashboard::serve().await
}
