//! One whole sidecar.
