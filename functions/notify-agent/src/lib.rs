//! The notify agent: Slack, e-mail and Jira.
