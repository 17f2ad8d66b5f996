//! Signals: the first asks for a graceful stop, the second stops at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::SidecarError;

/// The exit code of a process that was stopped at once, as shells report SIGINT.
const STOPPED_AT_ONCE: i32 = 130;

/// SIGINT and SIGTERM of this process.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over from now on.
    ///
    /// # Errors
    /// [`SidecarError::Thread`] when the system refuses.
    pub fn new() -> Result<Self, SidecarError> {
        let failed = |source| SidecarError::Thread { source };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Resolves at the first signal; a second one then ends the process without ceremony.
    pub async fn first(mut self) {
        let name = self.next().await;
        tracing::info!(
            signal = name,
            "stopping once everything accepted is answered; signal again to stop at once"
        );
        tokio::spawn(async move {
            let name = self.next().await;
            tracing::warn!(signal = name, "stopping at once");
            std::process::exit(STOPPED_AT_ONCE);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
