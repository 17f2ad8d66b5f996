//! The administration port of a replica that is not a member yet: alive, started, not ready.

use std::sync::Arc;

use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::server::{Page, Pages, json, page, plain, serve};
use crate::status::{EnrolmentStatus, Status};

/// Speaks for a replica that is not a member yet.
pub struct WaitingAdmin {
    /// `<name>.<namespace>.<domain>`: what it wants to be a member of.
    pub service: String,
    /// As which replica.
    pub replica: u8,
    /// How that goes.
    pub progress: watch::Receiver<EnrolmentStatus>,
}

impl WaitingAdmin {
    /// Serves until it is dropped; the port stays open for what comes then.
    pub async fn serve(self, listener: &TcpListener) {
        serve(Arc::new(self), listener).await;
    }

    fn status(&self) -> Status {
        let enrolment = self.progress.borrow().clone();
        Status {
            service: self.service.clone(),
            replica: self.replica,
            reasons: vec![enrolment.detail.clone()],
            enrolment: Some(enrolment),
            ..Status::default()
        }
    }

    fn not_ready(&self) -> Page {
        let detail = self.progress.borrow().detail.clone();
        let text = format!("not ready\n{detail}\n");
        plain(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

impl Pages for WaitingAdmin {
    async fn page(&self, path: &str) -> Option<Page> {
        match path {
            // Nothing is measured yet.
            "/metrics" => Some(page(StatusCode::OK, "text/plain; version=0.0.4", "")),
            // The app is not this replica's concern yet, and nobody waits for an answer.
            "/livez" | "/livez/app" => Some(plain(StatusCode::OK, "alive\n")),
            "/readyz" => Some(self.not_ready()),
            "/status" => Some(json(&self.status())),
            "/wait-for-drain" => Some(plain(StatusCode::OK, "drained\n")),
            _ => None,
        }
    }
}
