//! The monitor agent: health, metrics and anomalies.
