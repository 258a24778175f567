//! The PACT Gateway: webhooks, trigger API, callbacks and approvals.
