//! Log lines on standard error: JSON for machines, text for people. Bodies, keys and header
//! values are never logged.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};
use crate::error::SidecarError;

/// Starts logging for the whole process; later calls change nothing.
///
/// # Errors
/// [`SidecarError::Config`] when the level is no level and no filter.
pub fn start(log: &Log) -> Result<(), SidecarError> {
    let refused = |_| ConfigError::Field {
        field: "log.level",
        found: log.level.clone(),
        rule: "use error, warn, info, debug or trace",
    };
    let filter = EnvFilter::try_new(&log.level).map_err(refused)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Only the first subscriber counts: tests and embedders may have set theirs.
    let _ = match log.format {
        LogFormat::Json => subscriber.json().try_init(),
        LogFormat::Text => subscriber.try_init(),
    };
    Ok(())
}
