//! Step Functions on one machine: parse, validate, execute; durable history; the AWS JSON API.
