//! AWS Lambda on one machine: Runtime API, process pool, Invoke API, HTTP API events.
