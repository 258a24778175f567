//! Adapters of the agent ports to AWS: DynamoDB, object storage, Step Functions, CodeBuild,
//! CloudWatch Logs, Lambda, Parameter Store.
//!
//! The same program runs on AWS and locally: where a service is, is left to the SDK's own
//! variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SFN`, …).
//! Nothing is connected to before it is used.

mod artifacts;
mod builds;
mod config;
mod error;
mod executions;
mod http;
mod logs;
mod motor;
mod parameters;
mod sdk;
mod services;
mod store;

pub use artifacts::ObjectArtifacts;
pub use builds::CodeBuild;
pub use config::{Config, ConfigError};
pub use executions::SfnExecutions;
pub use logs::Logs;
pub use motor::LambdaMotor;
pub use parameters::ParameterStore;
pub use services::Services;
pub use store::{DynamoStore, RETENTION, SealKey};
