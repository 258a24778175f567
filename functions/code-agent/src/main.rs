//! The code agent as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_code_agent::serve().await
}
