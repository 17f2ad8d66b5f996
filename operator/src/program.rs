//! What the process does from its start to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::controller::{self, Context};
use crate::enrolment::{self, Authority, AuthorityError, EnrolmentContext};
use crate::environment::Environment;
use crate::error::OperatorError;
use crate::health::{self, Health};
use crate::lease::Holder;
use crate::metrics::Metrics;
use crate::names;

/// The port for metrics and health.
const HEALTH_PORT: u16 = 8080;

/// How often it is tried to begin.
const BEGIN_PERIOD: Duration = Duration::from_secs(2);

/// Runs the operator until it is told to stop.
///
/// # Errors
/// [`OperatorError`] when it cannot begin.
pub async fn run(environment: Environment) -> Result<(), OperatorError> {
    let (metrics, ready) = (Metrics::new()?, Arc::new(AtomicBool::new(false)));
    let health = Health {
        metrics: metrics.clone(),
        ready: Arc::clone(&ready),
    };
    tokio::spawn(health::serve(health, listen(HEALTH_PORT).await?));
    let client = Client::try_default()
        .await
        .map_err(|source| OperatorError::Cluster {
            what: "find the API server".to_owned(),
            source,
        })?;
    let stop = stop_on_signal()?;
    let mut stopped = stop.clone();
    let authority = tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        authority = authority(&client, &environment) => authority?,
    };
    let context = Context {
        cluster: Cluster::new(client.clone()),
        recorder: recorder(&client, &environment),
        metrics: metrics.clone(),
        authority,
        operator: environment.name.clone(),
        namespace: environment.namespace.clone(),
        sidecar_image: environment.sidecar_image.clone(),
    };
    enrol(&client, &context).await?;
    ready.store(true, Ordering::Release);
    take_turns(&client, &environment, &Arc::new(context), stop).await
}

/// Acts whenever it holds the lease. Whoever has lost it stops where he is and stands in line
/// again; sidecars enrol all the while.
async fn take_turns(
    client: &Client,
    environment: &Environment,
    context: &Arc<Context>,
    stop: watch::Receiver<bool>,
) -> Result<(), OperatorError> {
    loop {
        let mut holder = Holder::new(client.clone(), environment);
        let mut stopped = stop.clone();
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            () = holder.acquire() => {}
        }
        tracing::info!("holding the lease; looking after services");
        context.metrics.set_leader(true);
        let led = lead(client, environment, context, holder, stop.clone()).await;
        context.metrics.set_leader(false);
        match led {
            Err(lost @ OperatorError::LeaseLost { .. }) => tracing::warn!("{lost}"),
            ended => return ended,
        }
    }
}

/// Acts while the lease is held.
async fn lead(
    client: &Client,
    environment: &Environment,
    context: &Arc<Context>,
    holder: Holder,
    stop: watch::Receiver<bool>,
) -> Result<(), OperatorError> {
    let (finished, all_finished) = watch::channel(false);
    let namespaces = &environment.watch_namespaces;
    let watched: Vec<Option<&str>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().map(|name| Some(name.as_str())).collect()
    };
    let looks = watched.into_iter().map(|namespace| {
        controller::run(client.clone(), namespace, Arc::clone(context), stop.clone())
    });
    let looks = async {
        join_all(looks).await;
        // The lease is released only when nothing is being written any more.
        finished.send_replace(true);
    };
    let keep = holder.keep(all_finished);
    tokio::pin!(keep, looks);
    tokio::select! {
        lost = &mut keep => lost,
        () = &mut looks => keep.await,
    }
}

async fn enrol(client: &Client, context: &Context) -> Result<(), OperatorError> {
    let server = EnrolmentContext {
        client: client.clone(),
        authority: context.authority.clone(),
        results: context.metrics.enrolments.clone(),
        recorder: context.recorder.clone(),
    };
    tokio::spawn(enrolment::serve(
        server,
        listen(names::ENROLMENT_PORT).await?,
    ));
    Ok(())
}

/// Waits for an API server that does not answer yet: ending would only begin again.
async fn authority(client: &Client, environment: &Environment) -> Result<Authority, OperatorError> {
    let (name, namespace) = (&environment.name, &environment.namespace);
    let names = Authority::service_names(name, namespace, &environment.cluster_domain);
    let mut period = tokio::time::interval(BEGIN_PERIOD);
    loop {
        period.tick().await;
        let loaded = Authority::load_or_create(client.clone(), namespace, name, names.clone());
        match loaded.await {
            Err(error @ AuthorityError::Cluster { .. }) => {
                tracing::warn!(%error, "cannot begin yet");
            }
            loaded => return Ok(loaded?),
        }
    }
}

fn recorder(client: &Client, environment: &Environment) -> Recorder {
    let reporter = Reporter {
        controller: names::FIELD_MANAGER.to_owned(),
        instance: Some(environment.identity.clone()),
    };
    Recorder::new(client.clone(), reporter)
}

async fn listen(port: u16) -> Result<TcpListener, OperatorError> {
    let listener = TcpListener::bind(("0.0.0.0", port)).await;
    listener.map_err(|source| OperatorError::Listen { port, source })
}

/// Becomes true at SIGTERM or SIGINT.
fn stop_on_signal() -> Result<watch::Receiver<bool>, OperatorError> {
    let failed = |source| OperatorError::Signals { source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop; finishing what was begun");
        sender.send_replace(true);
        sender.closed().await;
    });
    Ok(receiver)
}
