//! The security agent as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_security_agent::serve().await
}
