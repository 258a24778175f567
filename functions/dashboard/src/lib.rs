//! The dashboard: JSON API and pages over the run store.
