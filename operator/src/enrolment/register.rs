//! Decides about enrolments, keeps what was decided, and tells who waits for it.

use std::time::{Duration, Instant};

use byzantine_proof::ServiceName;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use prometheus::IntCounterVec;
use tokio::sync::{Mutex, watch};

use super::GENESIS;
use super::application::Application;
use super::identity::{Identity, identify};
use super::limits::Budget;
use super::membership::{self, MEMBERSHIP_KEY, check_owner, membership_of};
use super::pins::{Pinned, Pins, key_changed};
use super::refusal::{Reason, Refusal};
use crate::crd::ByzantineService;
use crate::names;

/// How often a write is tried that others come before. Each try that fails means that another
/// enrolment has succeeded, so more than there are replicas are never needed.
const MAX_ATTEMPTS: usize = 40;

/// Events at once, and a second: whoever is refused ten thousand times fills no database.
const EVENT_BURST: u32 = 20;
const EVENTS_PER_SECOND: f64 = 0.2;

/// What became of an enrolment that was not refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// All are in: the membership's text.
    Complete(String),
    /// These are missing.
    Pinned { missing: Vec<u8> },
}

/// Keeps the enrolments of all services.
pub(super) struct Register {
    client: Client,
    results: IntCounterVec,
    recorder: Recorder,
    events: Mutex<Budget>,
    /// Counts memberships that were completed here.
    completed: watch::Sender<u64>,
}

impl Register {
    pub(super) fn new(client: Client, results: IntCounterVec, recorder: Recorder) -> Self {
        Self {
            client,
            results,
            recorder,
            events: Mutex::new(Budget::new(EVENT_BURST, EVENTS_PER_SECOND)),
            completed: watch::Sender::new(0),
        }
    }

    /// Decides about an enrolment and records what was decided.
    pub(super) async fn enrol(&self, token: Option<&str>, body: &[u8]) -> Result<Receipt, Refusal> {
        let application = Application::parse(body);
        let decided = match &application {
            Ok(application) => self.decide(token, application).await,
            Err(refusal) => Err(refusal.clone()),
        };
        let result = match &decided {
            Ok(Receipt::Complete(_)) => "complete",
            Ok(Receipt::Pinned { .. }) => "pinned",
            Err(refusal) => refusal.reason.name(),
        };
        self.results.with_label_values(&[result]).inc();
        if let (Ok(application), Err(refusal)) = (&application, &decided) {
            self.record(application, refusal).await;
        }
        decided
    }

    async fn decide(
        &self,
        token: Option<&str>,
        application: &Application,
    ) -> Result<Receipt, Refusal> {
        let missing = "send the pod's projected token as Authorization: Bearer";
        let token = token.ok_or_else(|| Refusal::new(Reason::TokenRefused, missing))?;
        let Identity { service, pod } = identify(&self.client, token, application).await?;
        let name = membership::service_name(&service)?;
        if name != application.service {
            let asked = &application.service;
            let detail = format!("the service is {name}, not {asked}; restart the sidecar");
            return Err(Refusal::new(Reason::UnknownReplica, detail));
        }
        application.check_possession(&pod)?;
        if let Some(text) = self.settled(&service, application).await? {
            return Ok(Receipt::Complete(text));
        }
        let pins = self.pin(&service, application).await?;
        match pins.members(service.spec.replica_count())? {
            Err(missing) => Ok(Receipt::Pinned { missing }),
            Ok(members) => {
                let membership = membership::complete(&service, members)?;
                let map = membership::config_map(&service, &membership);
                self.complete(&service, &map, application).await
            }
        }
    }

    fn maps(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The membership if it is made already; whoever asks must be the member that it names.
    async fn settled(
        &self,
        service: &ByzantineService,
        application: &Application,
    ) -> Result<Option<String>, Refusal> {
        let name = names::epoch_config_map(&service.name_any(), GENESIS);
        let map = self.maps(&service.namespace_name()).get_opt(&name).await?;
        let Some(map) = map else { return Ok(None) };
        check_owner(service, &map)?;
        let membership = membership_of(&map)?;
        let member = &application.member;
        if membership.member(member.id) != Some(member) {
            return Err(key_changed(member.id));
        }
        Ok(Some(membership.to_text()))
    }

    /// Pins the keys: read, decide, write only what was read.
    async fn pin(
        &self,
        service: &ByzantineService,
        application: &Application,
    ) -> Result<Pins, Refusal> {
        let incarnation = incarnation(service, application);
        for _ in 0..MAX_ATTEMPTS {
            let (mut pins, version) = self.pins(service).await?;
            if pins.pin(&application.member, incarnation)? == Pinned::Already
                || self.write(service, &pins, version).await?
            {
                return Ok(pins);
            }
        }
        Err(Refusal::new(
            Reason::Busy,
            "too many enrol at once; it is tried again",
        ))
    }

    /// The pins, and the version of the object that holds them, if there is one.
    async fn pins(&self, service: &ByzantineService) -> Result<(Pins, Option<String>), Refusal> {
        let name = names::enrolment_config_map(&service.name_any());
        let map = self.maps(&service.namespace_name()).get_opt(&name).await?;
        let Some(map) = map else {
            return Ok((Pins::default(), None));
        };
        check_owner(service, &map)?;
        Ok((Pins::of(&map), map.resource_version()))
    }

    /// Writes the pins unless somebody else has written since; false if so.
    async fn write(
        &self,
        service: &ByzantineService,
        pins: &Pins,
        version: Option<String>,
    ) -> Result<bool, Refusal> {
        let name = names::enrolment_config_map(&service.name_any());
        let mut map = ConfigMap {
            metadata: membership::owned(service, name.clone()),
            data: Some(pins.data()),
            ..ConfigMap::default()
        };
        let (maps, parameters) = (self.maps(&service.namespace_name()), parameters());
        let known = version.is_some();
        map.metadata.resource_version = version;
        let written = if known {
            maps.replace(&name, &parameters, &map).await
        } else {
            maps.create(&parameters, &map).await
        };
        unless_raced(written)
    }

    /// Writes the membership, once for all; whoever comes second finds the same.
    async fn complete(
        &self,
        service: &ByzantineService,
        map: &ConfigMap,
        application: &Application,
    ) -> Result<Receipt, Refusal> {
        let maps = self.maps(&service.namespace_name());
        if unless_raced(maps.create(&parameters(), map).await)? {
            let name = map.name_any();
            tracing::info!(name, "all replicas are enrolled: the membership is made");
        }
        self.completed.send_modify(|count| *count += 1);
        let gone = || Refusal::new(Reason::Unavailable, "the membership was deleted meanwhile");
        let settled = self.settled(service, application).await?;
        Ok(Receipt::Complete(settled.ok_or_else(gone)?))
    }

    /// The membership of a service, waiting for it at most that long.
    pub(super) async fn membership(
        &self,
        service: &ServiceName,
        wait: Duration,
    ) -> Result<Option<String>, Refusal> {
        let deadline = tokio::time::Instant::now() + wait;
        let mut completed = self.completed.subscribe();
        let maps = self.maps(service.namespace());
        let name = names::epoch_config_map(service.name(), GENESIS);
        loop {
            let map = maps.get_opt(&name).await?;
            if let Some(map) = map {
                let text = map.data.and_then(|mut data| data.remove(MEMBERSHIP_KEY));
                return Ok(text);
            }
            let next = tokio::time::timeout_at(deadline, completed.changed()).await;
            if !matches!(next, Ok(Ok(()))) {
                return Ok(None);
            }
        }
    }

    /// Writes an Event on the service for which somebody asked, if there is one.
    async fn record(&self, application: &Application, refusal: &Refusal) {
        let (reason, detail) = (refusal.reason, refusal.detail.as_str());
        let (service, replica) = (&application.service, application.member.id);
        tracing::warn!(%service, %replica, %reason, detail, "an enrolment is refused");
        let room = self.events.lock().await.take(Instant::now());
        if !refusal.reason.is_suspicious() || !room {
            return;
        }
        if let Err(error) = self.publish(application, refusal).await {
            tracing::warn!(%error, "cannot write the Event of a refused enrolment");
        }
    }

    async fn publish(
        &self,
        application: &Application,
        refusal: &Refusal,
    ) -> Result<(), kube::Error> {
        let (name, namespace) = (application.service.name(), application.service.namespace());
        let services: Api<ByzantineService> = Api::namespaced(self.client.clone(), namespace);
        let Some(service) = services.get_opt(name).await? else {
            return Ok(());
        };
        let event = Event {
            type_: EventType::Warning,
            reason: refusal.reason.name().to_owned(),
            note: Some(format!(
                "enrolment as replica {} refused: {}",
                application.member.id, refusal.detail
            )),
            action: "Enrol".to_owned(),
            secondary: None,
        };
        self.recorder
            .publish(&event, &service.object_ref(&()))
            .await
    }
}

/// How often the replica's volume was given up.
fn incarnation(service: &ByzantineService, application: &Application) -> u64 {
    let ordinal = u32::from(application.member.id.0);
    let mut overrides = service.spec.overrides.iter();
    let own = overrides.find(|one| one.ordinal == ordinal);
    own.map_or(1, |one| one.incarnation)
}

fn parameters() -> PostParams {
    PostParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// False when somebody else was first.
fn unless_raced<T>(written: Result<T, kube::Error>) -> Result<bool, Refusal> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
