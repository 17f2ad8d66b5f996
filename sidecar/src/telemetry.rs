//! Metrics and observations.
