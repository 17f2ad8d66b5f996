//! Looks at a service whenever something of it changed, and from time to time.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::controller::{Action as Again, Config};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::action::Note;
use crate::cluster::Cluster;
use crate::crd::ByzantineService;
use crate::enrolment::Authority;
use crate::error::OperatorError;
use crate::metrics::Metrics;
use crate::names;
use crate::plan::plan;
use crate::reconcile::carry_out;
use crate::settings::Settings;

/// Changes that come in quick succession are one look.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The most services that are looked at at the same time.
const CONCURRENCY: u16 = 16;

/// How soon it is looked again after others came first.
const AFTER_CONFLICT: Duration = Duration::from_millis(500);

/// How soon it is looked again after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What every look needs.
pub struct Context {
    /// The API server and the sidecars.
    pub cluster: Cluster,
    /// Writes Events.
    pub recorder: Recorder,
    /// The operator's own numbers.
    pub metrics: Metrics,
    /// Vouches for the enrolment server.
    pub authority: Authority,
    /// The name of the operator's own objects.
    pub operator: String,
    /// The namespace in which the operator runs.
    pub namespace: String,
    /// The sidecar image of services that name none.
    pub sidecar_image: String,
}

impl Context {
    fn settings(&self) -> Settings {
        Settings {
            sidecar_image: self.sidecar_image.clone(),
            operator: self.operator.clone(),
            namespace: self.namespace.clone(),
            authority: self.authority.ca_pem(),
        }
    }
}

/// Looks after the services of a namespace, or of all, until told to stop; what was begun is
/// finished first.
pub async fn run(
    client: Client,
    namespace: Option<&str>,
    context: Arc<Context>,
    mut stop: watch::Receiver<bool>,
) {
    let services: Api<ByzantineService> = api(&client, namespace);
    let controller = Controller::new(services, watcher::Config::default()).with_config(
        Config::default()
            .debounce(DEBOUNCE)
            .concurrency(CONCURRENCY),
    );
    let controller = watch_owned(controller, &client, namespace);
    let controller = controller.graceful_shutdown_on(async move {
        let _ = stop.wait_for(|stop| *stop).await;
    });
    let looks = controller.run(look, after_failure, context);
    looks.for_each(|_| std::future::ready(())).await;
}

fn watch_owned(
    controller: Controller<ByzantineService>,
    client: &Client,
    namespace: Option<&str>,
) -> Controller<ByzantineService> {
    let controller = watching::<Pod>(controller, client, namespace);
    let controller = watching::<StatefulSet>(controller, client, namespace);
    let controller = watching::<ConfigMap>(controller, client, namespace);
    let controller = watching::<Service>(controller, client, namespace);
    let controller = watching::<PersistentVolumeClaim>(controller, client, namespace);
    let controller = watching::<ControllerRevision>(controller, client, namespace);
    let controller = watching::<NetworkPolicy>(controller, client, namespace);
    watching::<PodDisruptionBudget>(controller, client, namespace)
}

/// Everything that bears the service's label, whoever owns it.
fn watching<K>(
    controller: Controller<ByzantineService>,
    client: &Client,
    namespace: Option<&str>,
) -> Controller<ByzantineService>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let labelled = watcher::Config::default().labels(names::SERVICE_LABEL);
    controller.watches(api::<K>(client, namespace), labelled, |object: K| {
        let service = object.labels().get(names::SERVICE_LABEL)?;
        let reference = ObjectRef::new(service);
        Some(reference.within(object.namespace().as_deref()?))
    })
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// One look at one service.
async fn look(
    service: Arc<ByzantineService>,
    context: Arc<Context>,
) -> Result<Again, OperatorError> {
    let (began, name) = (Instant::now(), service.name_any());
    let outcome = look_at(&service.namespace_name(), &name, &context).await;
    let result = match &outcome {
        Ok(_) => "ok",
        Err(error) if error.is_conflict() => "conflict",
        Err(_) => "error",
    };
    context.metrics.looked(result, began.elapsed());
    outcome
}

async fn look_at(namespace: &str, name: &str, context: &Context) -> Result<Again, OperatorError> {
    let observed = context
        .cluster
        .observe(namespace, name, context.settings())
        .await?;
    let Some(observed) = observed else {
        return Ok(Again::await_change());
    };
    let plan = plan(&observed);
    carry_out(&context.cluster, namespace, name, &plan).await?;
    for note in &plan.notes {
        publish(context, &observed.service, note).await;
    }
    Ok(Again::requeue(Duration::from_secs(plan.again)))
}

/// An Event that cannot be written is no reason to stop.
async fn publish(context: &Context, service: &ByzantineService, note: &Note) {
    let event = Event {
        type_: if note.warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: note.reason.clone(),
        note: Some(note.message.clone()),
        action: note.action.to_owned(),
        secondary: None,
    };
    let reference = service.object_ref(&());
    tracing::info!(service = %service.name_any(), reason = %note.reason, message = %note.message);
    if let Err(error) = context.recorder.publish(&event, &reference).await {
        tracing::warn!(%error, reason = %note.reason, "cannot write an Event");
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn after_failure(
    service: Arc<ByzantineService>,
    error: &OperatorError,
    _context: Arc<Context>,
) -> Again {
    if error.is_conflict() {
        tracing::debug!(service = %service.name_any(), %error, "others came first");
        return Again::requeue(AFTER_CONFLICT);
    }
    tracing::warn!(service = %service.name_any(), %error, "will try again");
    Again::requeue(AFTER_FAILURE)
}
