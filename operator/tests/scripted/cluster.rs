//! The scripted API server: objects in memory, with UIDs, versions and preconditions; and what it
//! is watched for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use byzantine_operator::action::Action;
use byzantine_operator::crd::{ByzantineService, Status};
use byzantine_operator::error::OperatorError;
use byzantine_operator::names;
use byzantine_operator::object::{Existing, Kind, Object};
use byzantine_operator::reconcile::Target;
use serde_json::{Value, json};

/// What a write says that never happened.
const CRASHED: OperatorError = OperatorError::LeaseLost { why: "it crashed" };

/// States that a read may still return.
const REMEMBERED: usize = 4;

/// Objects by kind and name, and the service; cheap to remember.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<(Kind, String), Arc<Existing>>,
    pub(crate) service: ByzantineService,
}

pub(crate) struct Inner {
    pub(crate) state: State,
    past: Vec<State>,
    clock: u64,
    /// The replica whose pod the operator deleted and that has not been well since.
    pub(crate) disturbed: Option<u32>,
    /// Pods that the operator deleted.
    pub(crate) replacements: usize,
    /// Writes until the operator crashes.
    pub(crate) writes_left: Option<usize>,
    /// Ledger volumes that were lost, by ordinal, with the incarnation they were made for.
    pub(crate) lost: BTreeMap<u32, u64>,
}

pub(crate) struct ScriptedServer(pub(crate) Mutex<Inner>);

impl ScriptedServer {
    pub(crate) fn new(service: ByzantineService) -> Self {
        let objects = BTreeMap::new();
        Self(Mutex::new(Inner {
            state: State { objects, service },
            past: Vec::new(),
            clock: 100,
            disturbed: None,
            replacements: 0,
            writes_left: None,
            lost: BTreeMap::new(),
        }))
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

impl Inner {
    /// A state of at most `age` changes ago.
    pub(crate) fn aged(&self, age: usize) -> &State {
        let place = self.past.len().checked_sub(age);
        place
            .and_then(|place| self.past.get(place))
            .unwrap_or(&self.state)
    }

    /// Remembers the state before a change, and counts the change.
    pub(crate) fn changing(&mut self) -> u64 {
        self.past.push(self.state.clone());
        if self.past.len() > REMEMBERED {
            self.past.remove(0);
        }
        self.clock += 1;
        self.clock
    }

    /// Creates or changes an object as somebody else.
    pub(crate) fn put(&mut self, kind: Kind, name: &str, mut body: Value) {
        let version = self.changing();
        let old = self.state.objects.get(&(kind, name.to_owned()));
        let uid = old.map_or_else(|| format!("uid-{version}"), |old| old.uid().to_owned());
        body["metadata"]["name"] = json!(name);
        body["metadata"]["uid"] = json!(uid);
        body["metadata"]["resourceVersion"] = json!(version.to_string());
        self.state
            .objects
            .insert((kind, name.to_owned()), Arc::new(Existing { body }));
    }

    pub(crate) fn remove(&mut self, kind: Kind, name: &str) {
        self.changing();
        self.state.objects.remove(&(kind, name.to_owned()));
    }

    pub(crate) fn object(&self, kind: Kind, name: &str) -> Option<&Existing> {
        let found = self.state.objects.get(&(kind, name.to_owned()));
        found.map(AsRef::as_ref)
    }

    /// The user's hand.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut ByzantineService)) {
        let version = self.changing();
        let service = &mut self.state.service;
        edit(service);
        service.metadata.resource_version = Some(version.to_string());
        let generation = service.metadata.generation.unwrap_or_default() + 1;
        service.metadata.generation = Some(generation);
    }

    fn apply(&mut self, object: &Object, uid: Option<&String>) -> Result<(), OperatorError> {
        let existing = self.object(object.kind, &object.name).cloned();
        if let Some(uid) = uid {
            let same = existing
                .as_ref()
                .is_some_and(|existing| existing.uid() == uid);
            if !same {
                return Err(conflict());
            }
        }
        if existing.is_none() {
            self.check_volume(object);
        }
        let mut body = object.body.clone();
        if let Some(existing) = &existing {
            assert!(
                is_ours(existing),
                "not ours: {} {}",
                object.kind,
                object.name
            );
            body["status"] = existing.body["status"].clone();
        }
        self.put(object.kind, &object.name, body);
        Ok(())
    }

    /// The volume of a lost key comes back only if the user gave the key up.
    fn check_volume(&self, object: &Object) {
        let ordinal = object.body["metadata"]["labels"][names::REPLICA_LABEL].as_str();
        let ordinal = ordinal.and_then(|ordinal| ordinal.parse::<u32>().ok());
        let lost = ordinal.and_then(|ordinal| self.lost.get(&ordinal));
        let of_ledger =
            object.kind == Kind::PersistentVolumeClaim && object.name.ends_with("-ledger");
        let made_for = &object.body["metadata"]["annotations"][names::INCARNATION_ANNOTATION];
        let made_for = made_for.as_str().and_then(|text| text.parse::<u64>().ok());
        let silent = lost.is_some_and(|lost| made_for <= Some(*lost));
        assert!(
            !(of_ledger && silent),
            "{} was replaced silently",
            object.name
        );
    }

    fn delete(&mut self, kind: Kind, name: &str, uid: &str) -> Result<(), OperatorError> {
        let existing = self
            .object(kind, name)
            .filter(|existing| existing.uid() == uid);
        let Some(existing) = existing.cloned() else {
            return Err(conflict());
        };
        if kind != Kind::Pod {
            self.remove(kind, name);
            return Ok(());
        }
        let ordinal = existing
            .label(names::REPLICA_LABEL)
            .unwrap()
            .parse::<u32>()
            .unwrap();
        if let Some(other) = self.disturbed {
            assert!(
                other == ordinal,
                "acted on {ordinal} while {other} was not back"
            );
        }
        (self.disturbed, self.replacements) = (Some(ordinal), self.replacements + 1);
        let mut body = existing.body;
        body["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        self.put(kind, name, body);
        Ok(())
    }

    fn write_status(&mut self, status: &Status, version: &str) -> Result<(), OperatorError> {
        let current = self
            .state
            .service
            .metadata
            .resource_version
            .clone()
            .unwrap_or_default();
        if current != version {
            return Err(conflict());
        }
        let version = self.changing();
        self.state.service.status = Some(status.clone());
        self.state.service.metadata.resource_version = Some(version.to_string());
        Ok(())
    }
}

impl Target for ScriptedServer {
    async fn perform(&self, _: &str, _: &str, action: &Action) -> Result<(), OperatorError> {
        self.with(|inner| {
            if let Some(left) = inner.writes_left.as_mut() {
                *left = left.checked_sub(1).ok_or(CRASHED)?;
            }
            match action {
                Action::Apply { object, uid } => inner.apply(object, uid.as_ref()),
                Action::Delete { kind, name, uid } => inner.delete(*kind, name, uid),
                Action::WriteStatus {
                    status,
                    resource_version,
                } => inner.write_status(status, resource_version),
            }
        })
    }
}

fn is_ours(existing: &Existing) -> bool {
    existing.controller() == Some("the-service") || existing.label(names::SERVICE_LABEL).is_some()
}

fn conflict() -> OperatorError {
    let status = kube::core::Status::failure("others came first", "Conflict").with_code(409);
    OperatorError::Cluster {
        what: "write".to_owned(),
        source: kube::Error::Api(status.boxed()),
    }
}
