//! The administration port: metrics, health and status, read-only.
