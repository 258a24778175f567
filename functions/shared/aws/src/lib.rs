//! Adapters of the agent ports to AWS: DynamoDB, object storage, Step Functions.
