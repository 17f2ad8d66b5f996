//! Everything that a plan rests on: what the API server and the sidecars said, and the time.

use std::collections::{BTreeMap, BTreeSet};

use byzantine_resource::StateType;
use kube::ResourceExt as _;

use crate::crd::ByzantineService;
use crate::facts::Facts;
use crate::membership::Pinned;
use crate::names;
use crate::object::{Existing, Kind};
use crate::pod::PodView;
use crate::report::Report;
use crate::settings::Settings;

/// Objects by kind and name.
pub type Objects = BTreeMap<(Kind, String), Existing>;

/// Everything that a plan rests on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource.
    pub service: ByzantineService,
    /// Seconds since 1970.
    pub now: i64,
    /// The objects that bear the service's label, and those that have the names of its objects.
    pub objects: Objects,
    /// What the sidecars say, by ordinal; absent where none answered.
    pub reports: BTreeMap<u32, Report>,
    /// The zones of nodes, as far as known.
    pub zones: BTreeMap<String, String>,
    /// The operator's own.
    pub settings: Settings,
}

impl Observed {
    /// An object.
    pub fn object(&self, kind: Kind, name: &str) -> Option<&Existing> {
        self.objects.get(&(kind, name.to_owned()))
    }

    /// All objects of a kind.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Existing> {
        let objects = self.objects.iter().filter(move |((of, _), _)| *of == kind);
        objects.map(|(_, existing)| existing)
    }

    /// Whether the object is the service's own.
    pub fn owns(&self, existing: &Existing) -> bool {
        existing.controller() == self.service.uid().as_deref()
    }

    /// The pods by ordinal, but only those that the replica's own `StatefulSet` made.
    pub fn pods(&self) -> BTreeMap<u32, PodView> {
        let name = self.service.name_any();
        let pod = |ordinal: u32| {
            let set = self.object(Kind::StatefulSet, &names::replica(&name, ordinal))?;
            let pod = self.object(Kind::Pod, &names::pod(&name, ordinal))?;
            (pod.controller() == Some(set.uid())).then(|| (ordinal, PodView::of(pod)))
        };
        (0..self.service.spec.replica_count())
            .filter_map(pod)
            .collect()
    }

    /// What the reports amount to.
    pub fn facts(&self) -> Facts<'_> {
        let spec = &self.service.spec;
        Facts::new(
            &self.reports,
            spec.fault_tolerance,
            spec.consensus.checkpoint_interval,
        )
    }

    /// Whose keys are pinned.
    pub fn pinned(&self) -> Pinned {
        Pinned::of(self)
    }

    /// The names that the service's objects have, whether or not they exist.
    pub fn names(service: &ByzantineService) -> BTreeSet<(Kind, String)> {
        let name = service.name_any();
        let mut names = BTreeSet::from([
            (Kind::ConfigMap, names::config_map(&name)),
            (Kind::ConfigMap, names::epoch_config_map(&name, 0)),
            (Kind::ConfigMap, names::enrolment_config_map(&name)),
            (Kind::Service, name.clone()),
            (Kind::PodDisruptionBudget, name.clone()),
            (Kind::NetworkPolicy, name.clone()),
        ]);
        for ordinal in 0..service.spec.replica_count() {
            let replica = names::replica(&name, ordinal);
            names.insert((Kind::Service, replica.clone()));
            names.insert((Kind::StatefulSet, replica));
            let claim = |name| (Kind::PersistentVolumeClaim, name);
            names.insert(claim(names::ledger_claim(&name, ordinal)));
            if service.spec.app.state.kind == StateType::Durable {
                names.insert(claim(names::app_claim(&name, ordinal)));
            }
        }
        names
    }
}
