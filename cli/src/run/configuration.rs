//! The sidecars' configuration files.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use byzantine_resource::{DurationText, Spec, StateType, Transport};
use byzantine_sidecar::config::{
    App, AppState, Config, Consensus, Http, Listen, Log, LogFormat, ProofTransport, Proofs,
    StateKind, Storage,
};

use super::directory::RunDirectory;
use super::plan::Plan;
use super::ports::Ports;
use crate::error::CliError;
use crate::files;

/// Writes every replica's file anew, since options may have changed.
///
/// # Errors
/// [`CliError::Write`], or what the sidecar would refuse.
pub(super) fn write(plan: &Plan, run: &RunDirectory, ports: &Ports) -> Result<(), CliError> {
    for (replica, app_port) in ports.apps.iter().enumerate() {
        let config = configuration(plan, run, replica, *app_port);
        config
            .check()
            .map_err(byzantine_sidecar::SidecarError::from)?;
        let text = serde_json::to_vec_pretty(&config).expect("paths here are valid Unicode");
        files::write_atomically(&run.replica(replica).configuration(), &text)?;
    }
    Ok(())
}

fn configuration(plan: &Plan, run: &RunDirectory, replica: usize, app_port: u16) -> Config {
    let (directory, spec) = (run.replica(replica), &plan.service.spec);
    let first = plan.port_of(replica);
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let peer = |other: usize| local(plan.port_of(other) + 1).to_string();
    Config {
        replica: u8::try_from(replica).unwrap_or(u8::MAX),
        membership: run.membership_file(),
        keys: directory.keys(),
        data: directory.ledger(),
        listen: Listen {
            http: local(first),
            peer: local(first + 1),
            admin: local(first + 2),
        },
        peers: (0..plan.replicas()).map(peer).collect(),
        app: App {
            address: local(app_port).to_string(),
            instance_file: Some(directory.instance()),
            health_path: spec.app.health_path.clone(),
            timeout: duration(&spec.app.timeout),
            state: app_state(spec),
        },
        http: http(spec),
        consensus: consensus(spec),
        proofs: Proofs {
            transport: transport(spec),
        },
        storage: Storage {
            keep_bodies: duration(&spec.storage.ledger.keep_bodies),
        },
        log: Log {
            format: LogFormat::Text,
            level: plan.log_level.clone(),
        },
        enrolment: None,
    }
}

/// Every duration of a valid manifest is one.
fn duration(text: &DurationText) -> Duration {
    text.duration().unwrap_or_default()
}

fn app_state(spec: &Spec) -> AppState {
    let state = &spec.app.state;
    AppState {
        kind: match state.kind {
            StateType::None => StateKind::None,
            StateType::Memory => StateKind::Memory,
            StateType::Durable => StateKind::Durable,
        },
        applied_path: state.applied_path.clone(),
        snapshot_path: state.snapshot_path.clone(),
    }
}

fn http(spec: &Spec) -> Http {
    let http = &spec.http;
    Http {
        max_body_bytes: usize::try_from(http.max_body_bytes).unwrap_or(usize::MAX),
        key_retention: duration(&http.key_retention),
        drop_request_headers: http.drop_request_headers.clone(),
        drop_response_headers: http.drop_response_headers.clone(),
        covered_request_headers: http.covered_request_headers.clone(),
        unordered_paths: http.unordered_paths.clone(),
        cors_allow_origins: http.cors.allow_origins.clone(),
        ..Http::default()
    }
}

fn consensus(spec: &Spec) -> Consensus {
    let consensus = &spec.consensus;
    Consensus {
        request_timeout: duration(&consensus.request_timeout),
        view_change_timeout: duration(&consensus.view_change_timeout),
        checkpoint_interval: consensus.checkpoint_interval,
        clock_bound: duration(&consensus.clock_bound),
    }
}

fn transport(spec: &Spec) -> ProofTransport {
    match spec.proofs.transport {
        Transport::Auto => ProofTransport::Auto,
        Transport::Inline => ProofTransport::Inline,
        Transport::Link => ProofTransport::Link,
    }
}
