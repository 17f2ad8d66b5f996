//! The administration port: metrics, health and status. Read-only, since anyone may reach it.

mod report;
mod server;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::driver::Snapshot;
use crate::telemetry::Telemetry;

use server::{Page, Pages, json, page, plain, serve};

pub use report::Reporter;
pub use waiting::WaitingAdmin;

/// How long `/wait-for-drain` waits at most.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A driver that has not looked around for so long hangs.
const HANGS: Duration = Duration::from_secs(30);

/// The administration server.
pub struct Admin {
    /// Where the status comes from.
    pub reporter: Reporter,
    /// Metrics and observations.
    pub telemetry: Arc<Telemetry>,
    /// Where the replica stands.
    pub snapshot: watch::Receiver<Snapshot>,
}

impl Admin {
    /// Serves until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        serve(Arc::new(self), &listener).await;
    }

    fn metrics(&self) -> Page {
        match self.telemetry.metrics().to_text() {
            Ok(text) => page(StatusCode::OK, "text/plain; version=0.0.4", text),
            Err(error) => {
                let text = format!("the metrics cannot be written: {error}\n");
                plain(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }

    fn alive(&self) -> Page {
        let taken = self.snapshot.borrow().taken;
        if taken.is_some_and(|taken| taken.elapsed() > HANGS) {
            let text = "the driver hangs, perhaps in its disk; restart this sidecar\n";
            plain(StatusCode::SERVICE_UNAVAILABLE, text)
        } else {
            plain(StatusCode::OK, "alive\n")
        }
    }

    fn app_alive(&self) -> Page {
        match self.reporter.app_to_restart() {
            Some(cause) => plain(StatusCode::SERVICE_UNAVAILABLE, cause + "\n"),
            None => plain(StatusCode::OK, "alive\n"),
        }
    }

    fn ready(&self) -> Page {
        let (ready, reasons) = self.reporter.readiness(&self.snapshot.borrow());
        let (status, first) = if ready {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        };
        let lines: Vec<&str> = std::iter::once(first)
            .chain(reasons.iter().map(String::as_str))
            .collect();
        plain(status, lines.join("\n") + "\n")
    }

    fn status(&self) -> Page {
        let status = self
            .reporter
            .status(&self.snapshot.borrow(), &self.telemetry);
        json(&status)
    }

    /// Only observes: whoever takes the pod down asks here when nobody waits any more.
    async fn drained(&self) -> Page {
        let mut snapshot = self.snapshot.clone();
        let drained = snapshot.wait_for(|snapshot| snapshot.awaited == 0);
        let text = match tokio::time::timeout(DRAIN_TIMEOUT, drained).await {
            Ok(_) => "drained\n",
            Err(_) => {
                "clients still wait; their requests are accepted and will be answered to \
                       a retry with the same key\n"
            }
        };
        plain(StatusCode::OK, text)
    }
}

impl Pages for Admin {
    async fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/metrics" => Some(self.metrics()),
            "/livez" => Some(self.alive()),
            "/livez/app" => Some(self.app_alive()),
            "/readyz" => Some(self.ready()),
            "/status" => Some(self.status()),
            "/wait-for-drain" => Some(self.drained().await),
            _ => None,
        }
    }
}
