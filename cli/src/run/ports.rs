//! Ports: the sidecars' must be free, the apps' are chosen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::plan::Plan;
use crate::error::CliError;

/// What a sidecar listens for, by the distance from its gateway's port.
const PURPOSES: [&str; 3] = ["clients", "peers", "administration"];

/// The ports of one run.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    /// Where each replica's app is to listen.
    pub(super) apps: Vec<u16>,
}

/// Checks the sidecars' ports and finds one for every app: below the range from which the system
/// takes ports for outgoing connections if possible, so that a restarted app finds it free.
///
/// # Errors
/// [`CliError::PortInUse`].
pub(super) fn reserve(plan: &Plan) -> Result<Ports, CliError> {
    let mut held = Vec::new();
    let mut apps = Vec::new();
    for replica in 0..plan.replicas() {
        let first = plan.port_of(replica);
        for (port, purpose) in (first..).zip(PURPOSES) {
            let listener = listen(port).map_err(|source| CliError::PortInUse {
                port,
                purpose,
                replica,
                source,
                suggestion: suggestion(plan),
            })?;
            held.push(listener);
        }
        let (listener, port) = app_port(first).map_err(|source| CliError::PortInUse {
            port: first + 3,
            purpose: "the app",
            replica,
            source,
            suggestion: suggestion(plan),
        })?;
        held.push(listener);
        apps.push(port);
    }
    Ok(Ports { apps })
}

fn app_port(first: u16) -> std::io::Result<(TcpListener, u16)> {
    let near = (first + 3..first + 10).find_map(|port| listen(port).ok().map(|held| (held, port)));
    if let Some(found) = near {
        return Ok(found);
    }
    let listener = listen(0)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    // An app may listen on all addresses, which fails if anybody does so on this port.
    TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

/// Another range that is likely free.
fn suggestion(plan: &Plan) -> u16 {
    if plan.port < 60_000 {
        plan.port + 1000
    } else {
        15_080
    }
}
