//! The API server and the sidecars: reads everything that a plan rests on, and writes what it says.
//!
//! Reads are consistent: lists and gets without a resource version, never from a cache.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::action::Action;
use crate::crd::{ByzantineService, Status};
use crate::error::OperatorError;
use crate::names;
use crate::object::{Existing, Kind, Object};
use crate::observed::{Objects, Observed};
use crate::pod::PodView;
use crate::reconcile::Target;
use crate::report::Report;
use crate::settings::Settings;
use crate::sidecars::Sidecars;

/// A node's zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The most nodes whose zones are remembered.
const MAX_ZONES: usize = 10_000;

/// The API server and the sidecars.
pub struct Cluster {
    client: Client,
    sidecars: Sidecars,
    zones: Mutex<BTreeMap<String, String>>,
}

impl Cluster {
    /// Speaks to that API server.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            sidecars: Sidecars::default(),
            zones: Mutex::default(),
        }
    }

    /// Everything about a service; nothing, if there is none of that name.
    ///
    /// # Errors
    /// [`OperatorError::Cluster`].
    pub async fn observe(
        &self,
        namespace: &str,
        name: &str,
        settings: Settings,
    ) -> Result<Option<Observed>, OperatorError> {
        let services: Api<ByzantineService> = Api::namespaced(self.client.clone(), namespace);
        let service = services.get_opt(name).await;
        let Some(service) = service.map_err(|source| failed(format!("read {name}"), source))?
        else {
            return Ok(None);
        };
        let mut observed = Observed {
            objects: self.objects(namespace, &service).await?,
            service,
            now: Timestamp::now().as_second(),
            reports: BTreeMap::new(),
            zones: BTreeMap::new(),
            settings,
        };
        let pods = observed.pods();
        observed.reports = self.reports(&pods).await;
        observed.zones = self.zones(&pods).await;
        Ok(Some(observed))
    }

    async fn objects(
        &self,
        namespace: &str,
        service: &ByzantineService,
    ) -> Result<Objects, OperatorError> {
        let name = service.name_any();
        let kinds = Kind::APPLIED.into_iter().chain([Kind::Pod]);
        let lists = kinds.map(|kind| self.labelled(namespace, kind, &name));
        let mut objects: Objects = try_join_all(lists).await?.into_iter().flatten().collect();
        let missing = Observed::names(service);
        let missing = missing.into_iter().filter(|key| !objects.contains_key(key));
        let found = missing.map(|(kind, name)| self.named(namespace, kind, name));
        let found = try_join_all(found.collect::<Vec<_>>()).await?;
        objects.extend(found.into_iter().flatten());
        Ok(objects)
    }

    async fn labelled(
        &self,
        namespace: &str,
        kind: Kind,
        service: &str,
    ) -> Result<Vec<((Kind, String), Existing)>, OperatorError> {
        let selector = ListParams::default().labels(&format!("{}={service}", names::SERVICE_LABEL));
        let list = self.api(namespace, kind).list(&selector).await;
        let list = list.map_err(|source| failed(format!("list {kind}s of {service}"), source))?;
        let keyed = list.items.into_iter().map(|object| keyed(kind, object));
        Ok(keyed.collect())
    }

    async fn named(
        &self,
        namespace: &str,
        kind: Kind,
        name: String,
    ) -> Result<Option<((Kind, String), Existing)>, OperatorError> {
        let object = self.api(namespace, kind).get_opt(&name).await;
        let object = object.map_err(|source| failed(format!("read {kind} {name}"), source))?;
        Ok(object.map(|object| keyed(kind, object)))
    }

    fn api(&self, namespace: &str, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.resource())
    }

    async fn reports(&self, pods: &BTreeMap<u32, PodView>) -> BTreeMap<u32, Report> {
        let asked = pods.iter().filter_map(|(ordinal, pod)| {
            let address = pod.address.as_ref().filter(|_| !pod.going)?;
            Some(async move { (*ordinal, self.sidecars.report(address).await) })
        });
        let answers = join_all(asked).await.into_iter();
        answers
            .filter_map(|(ordinal, report)| Some((ordinal, report?)))
            .collect()
    }

    /// The zones of the pods' nodes. Where the operator may not read nodes, none are known.
    async fn zones(&self, pods: &BTreeMap<u32, PodView>) -> BTreeMap<String, String> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let mut zones = BTreeMap::new();
        for name in pods.values().filter_map(|pod| pod.node.as_ref()) {
            let known = self.known_zones().get(name).cloned();
            let zone = match known {
                Some(zone) => zone,
                None => match nodes.get_metadata(name).await {
                    Ok(node) => node.labels().get(ZONE_LABEL).cloned().unwrap_or_default(),
                    Err(_) => continue,
                },
            };
            let mut known = self.known_zones();
            if known.len() < MAX_ZONES {
                known.insert(name.clone(), zone.clone());
            }
            zones.insert(name.clone(), zone);
        }
        zones.retain(|_, zone| !zone.is_empty());
        zones
    }

    fn known_zones(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.zones
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn apply(
        &self,
        namespace: &str,
        object: &Object,
        uid: Option<&String>,
    ) -> Result<(), OperatorError> {
        let mut body = object.body.clone();
        // Whoever deleted it since must not find it made anew: that is for the next plan.
        if let Some(uid) = uid {
            body["metadata"]["uid"] = json!(uid);
        }
        let parameters = PatchParams::apply(names::FIELD_MANAGER).force();
        let api = self.api(namespace, object.kind);
        let applied = api
            .patch(&object.name, &parameters, &Patch::Apply(&body))
            .await;
        let applied = if uid.is_some() && is_left_behind(object, &applied) {
            let ours = PatchParams {
                field_manager: Some(names::FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            api.patch(&object.name, &ours, &Patch::Merge(&body)).await
        } else {
            applied
        };
        let what = || format!("apply {} {}", object.kind, object.name);
        applied.map(drop).map_err(|source| failed(what(), source))
    }

    async fn delete(
        &self,
        namespace: &str,
        kind: Kind,
        name: &str,
        uid: &str,
    ) -> Result<(), OperatorError> {
        let only = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        };
        let parameters = DeleteParams::background().preconditions(only);
        let deleted = self.api(namespace, kind).delete(name, &parameters).await;
        let what = || format!("delete {kind} {name}");
        deleted.map(drop).map_err(|source| failed(what(), source))
    }

    async fn write_status(
        &self,
        namespace: &str,
        name: &str,
        status: &Status,
        resource_version: &str,
    ) -> Result<(), OperatorError> {
        let services: Api<ByzantineService> = Api::namespaced(self.client.clone(), namespace);
        let metadata = json!({"name": name, "resourceVersion": resource_version});
        let mut body = json!({"metadata": metadata, "status": status});
        body["apiVersion"] = json!(byzantine_resource::API_VERSION);
        body["kind"] = json!(byzantine_resource::KIND);
        let parameters = PatchParams::apply(names::FIELD_MANAGER).force();
        let written = services
            .patch_status(name, &parameters, &Patch::Apply(&body))
            .await;
        let what = || format!("write the status of {name}");
        written.map(drop).map_err(|source| failed(what(), source))
    }
}

impl Target for Cluster {
    async fn perform(
        &self,
        namespace: &str,
        service: &str,
        action: &Action,
    ) -> Result<(), OperatorError> {
        match action {
            Action::Apply { object, uid } => self.apply(namespace, object, uid.as_ref()).await,
            Action::Delete { kind, name, uid } => self.delete(namespace, *kind, name, uid).await,
            Action::WriteStatus {
                status,
                resource_version,
            } => {
                self.write_status(namespace, service, status, resource_version)
                    .await
            }
        }
    }
}

/// What others put into a list stays there when ours is applied, and may not go with it.
fn is_left_behind(object: &Object, applied: &Result<DynamicObject, kube::Error>) -> bool {
    match applied {
        Ok(now) => serde_json::to_value(now).is_ok_and(|now| !object.is_in(&now)),
        Err(kube::Error::Api(status)) => status.is_invalid(),
        Err(_) => false,
    }
}

/// The items of a list do not say what they are; here they do.
fn keyed(kind: Kind, object: DynamicObject) -> ((Kind, String), Existing) {
    let (name, resource) = (object.name_any(), kind.resource());
    let mut body = serde_json::to_value(object).expect("an object from the API server is JSON");
    body["apiVersion"] = json!(resource.api_version);
    body["kind"] = json!(resource.kind);
    ((kind, name), Existing { body })
}

fn failed(what: String, source: kube::Error) -> OperatorError {
    OperatorError::Cluster { what, source }
}
