//! One story: a service, its users, its cluster and its operators, all from one seed.

use byzantine_operator::action::Plan;
use byzantine_operator::crd::{ByzantineService, ByzantineServiceSpec};
use byzantine_operator::names;
use byzantine_operator::object::{Existing, Kind};
use byzantine_operator::observed::Observed;
use byzantine_operator::plan::plan;
use byzantine_operator::reconcile::carry_out;
use byzantine_operator::settings::Settings;
use byzantine_resource::{
    AppRollout, Application, DurationText, Http, OnFailure, ReplicaOverride, Spec,
};
use futures_util::FutureExt as _;
use serde_json::json;

use crate::cluster::{Inner, ScriptedServer, State};
use crate::kubelet::{self, NAME, REPLICAS};
use crate::random::Random;

/// Looks while everything goes wrong.
const TROUBLED: usize = 60;

/// Looks after which peace must have come.
const PATIENCE: usize = 600;

pub(crate) struct Story {
    seed: u64,
    random: Random,
    server: ScriptedServer,
    now: i64,
    looks: usize,
    /// The plan of an operator that fell asleep before doing it.
    asleep: Option<Plan>,
}

pub(crate) struct Ended {
    pub(crate) looks: usize,
    pub(crate) replacements: usize,
}

impl Story {
    pub(crate) fn new(seed: u64) -> Self {
        let mut service = ByzantineService::new(
            NAME,
            ByzantineServiceSpec(Spec::new(Application::new("v:1"))),
        );
        service.metadata.namespace = Some("default".to_owned());
        service.metadata.uid = Some("the-service".to_owned());
        service.metadata.resource_version = Some("1".to_owned());
        service.spec.0.rollout.timeout = DurationText::new("60s");
        Self {
            seed,
            random: Random::new(seed),
            server: ScriptedServer::new(service),
            now: 1_000_000,
            looks: 0,
            asleep: None,
        }
    }

    /// Tells it to its end.
    pub(crate) fn told(mut self) -> Ended {
        for _ in 0..TROUBLED {
            self.trouble();
            self.now += i64::try_from(self.random.below(8)).unwrap();
            self.step();
            self.troubled_look();
        }
        self.server.with(|inner| settle(inner, self.seed));
        for _ in 0..PATIENCE {
            self.now += 1;
            self.step();
            self.server.with(obey);
            if self.is_at_peace() {
                return Ended {
                    looks: self.looks,
                    replacements: self.server.with(|inner| inner.replacements),
                };
            }
        }
        let status = self.server.with(|inner| inner.state.service.status.clone());
        panic!("seed {} does not come to rest: {status:#?}", self.seed);
    }

    fn step(&mut self) {
        let random = &mut self.random;
        self.server.with(|inner| kubelet::step(inner, random));
    }

    /// Old reads, crashes between writes, and operators that wake up.
    fn troubled_look(&mut self) {
        let observed = self.observe(true);
        let plan = plan(&observed);
        if self.random.one_in(5) {
            let writes = self.random.below(6);
            self.server.with(|inner| inner.writes_left = Some(writes));
        }
        if self.random.one_in(10) {
            let sleeper = self.asleep.replace(plan);
            if let Some(old) = sleeper {
                self.carry_out(&old);
            }
        } else {
            self.carry_out(&plan);
        }
        self.server.with(|inner| inner.writes_left = None);
    }

    /// Whether one more look finds nothing to do, and everything is as the user wants it.
    fn is_at_peace(&mut self) -> bool {
        let plan = plan(&self.observe(false));
        let quiet = plan.actions.is_empty();
        self.carry_out(&plan);
        quiet && self.server.with(|inner| is_as_wanted(inner))
    }

    fn carry_out(&mut self, plan: &Plan) {
        self.looks += 1;
        // Whatever fails is seen by the next look.
        let _ = carry_out(&self.server, "default", NAME, plan)
            .now_or_never()
            .expect("the scripted server never waits");
    }

    fn observe(&mut self, stale: bool) -> Observed {
        let mut age = || {
            if stale && self.random.one_in(3) {
                self.random.below(5)
            } else {
                0
            }
        };
        let (ages, age_of_service) = ([age(), age(), age()], age());
        self.server.with(|inner| {
            let kinds = |state: &State, of: &dyn Fn(Kind) -> bool| {
                let chosen = state.objects.iter().filter(|((kind, _), _)| of(*kind));
                let owned = chosen.map(|(key, object)| (key.clone(), Existing::clone(object)));
                owned.collect::<Vec<_>>()
            };
            let is_set = |kind| kind == Kind::StatefulSet || kind == Kind::ControllerRevision;
            let mut objects = kinds(inner.aged(ages[0]), &|kind| kind == Kind::Pod);
            objects.extend(kinds(inner.aged(ages[1]), &is_set));
            let rest = |kind| kind != Kind::Pod && !is_set(kind);
            objects.extend(kinds(inner.aged(ages[2]), &rest));
            Observed {
                service: inner.aged(age_of_service).service.clone(),
                now: self.now,
                objects: objects.into_iter().collect(),
                reports: kubelet::reports(inner),
                zones: std::collections::BTreeMap::new(),
                settings: Settings {
                    sidecar_image: "sidecar:1".to_owned(),
                    operator: "byzantine-operator".to_owned(),
                    namespace: "byzantine-system".to_owned(),
                    authority: "a certificate".to_owned(),
                },
            }
        })
    }

    fn trouble(&mut self) {
        let random = &mut self.random;
        self.server.with(|inner| {
            if random.one_in(6) {
                change_mind(inner, random);
            }
            if random.one_in(10) {
                let ordinal = u32::try_from(random.below(4)).unwrap();
                inner.remove(Kind::Pod, &names::pod(NAME, ordinal));
            }
            if random.one_in(10) {
                meddle(inner, random);
            }
            if random.one_in(60) && inner.lost.is_empty() {
                lose(inner, random);
            }
        });
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stopped: BYZANTINE_SEED={} tells it again", self.seed);
        }
    }
}

/// A user edits the spec.
fn change_mind(inner: &mut Inner, random: &mut Random) {
    let choice = random.below(9);
    let number = random.below(4);
    inner.edit(|service| {
        let spec = &mut service.spec.0;
        match choice {
            0 | 1 => {
                let cpu = json!({"cpu": format!("{}m", 10 * (number + 1))});
                spec.app.resources.insert("requests".to_owned(), cpu);
            }
            2 | 3 => spec.app.image = format!("v:{number}"),
            4 => spec.app.image = format!("broken:{number}"),
            5 => {
                spec.rollout.app = match spec.rollout.app {
                    AppRollout::Switch => AppRollout::Rolling,
                    AppRollout::Rolling => AppRollout::Switch,
                }
            }
            6 => spec.paused = !spec.paused,
            7 => spec.http.max_body_bytes = 1000 + u64::try_from(number).unwrap(),
            _ => {
                spec.rollout.on_failure = match spec.rollout.on_failure {
                    OnFailure::Rollback => OnFailure::Pause,
                    OnFailure::Pause => OnFailure::Rollback,
                }
            }
        }
    });
}

/// Somebody deletes or edits what is the operator's.
fn meddle(inner: &mut Inner, random: &mut Random) {
    let kinds = [
        Kind::Service,
        Kind::StatefulSet,
        Kind::PodDisruptionBudget,
        Kind::NetworkPolicy,
        Kind::ConfigMap,
    ];
    let owned = inner.state.objects.keys();
    let names: Vec<(Kind, String)> = owned
        .filter(|(kind, name)| kinds.contains(kind) && !name.contains("-epoch-"))
        .cloned()
        .collect();
    let Some((kind, name)) = random.pick(&names).cloned() else {
        return;
    };
    if random.one_in(2) {
        inner.remove(kind, &name);
    } else {
        let mut body = inner.object(kind, &name).unwrap().body.clone();
        body["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("somebody");
        body["spec"]["selector"] = json!({"somebody": "else"});
        inner.put(kind, &name, body);
    }
}

/// A ledger volume and its pod are gone.
fn lose(inner: &mut Inner, random: &mut Random) {
    let ordinal = u32::try_from(random.below(4)).unwrap();
    let claim = names::ledger_claim(NAME, ordinal);
    let pinned = inner
        .state
        .service
        .status
        .as_ref()
        .is_some_and(|s| s.membership.is_some());
    let Some(existing) = inner
        .object(Kind::PersistentVolumeClaim, &claim)
        .filter(|_| pinned)
    else {
        return;
    };
    let made_for = existing
        .annotation(names::INCARNATION_ANNOTATION)
        .unwrap()
        .parse()
        .unwrap();
    inner.lost.insert(ordinal, made_for);
    inner.remove(Kind::PersistentVolumeClaim, &claim);
    inner.remove(Kind::Pod, &names::pod(NAME, ordinal));
    // Long ago, as far as old reads go.
    for _ in 0..6 {
        inner.changing();
    }
}

/// The treatment of HTTP that the service began with, which a user has to put back.
fn agreed_http(inner: &Inner) -> Http {
    let status = inner.state.service.status.as_ref();
    if status.is_none_or(|status| status.app.revision.is_empty()) {
        return Http::default();
    }
    let revisions = inner.state.objects.iter();
    let of_first = revisions.filter(|((kind, _), kept)| {
        *kind == Kind::ControllerRevision && kept.label(names::REPLICA_LABEL) == Some("0")
    });
    let newest = of_first.max_by_key(|(_, kept)| kept.body["revision"].as_i64());
    let newest = newest.map(|(_, kept)| kept.body["data"]["http"].clone());
    serde_json::from_value(newest.unwrap_or_default()).unwrap()
}

/// The user is told that a change of HTTP is held back, and puts the old value back.
fn obey(inner: &mut Inner) {
    let http = agreed_http(inner);
    if inner.state.service.spec.http != http {
        inner.edit(|service| service.spec.0.http = http);
    }
}

/// The user wants something that works, gives lost keys up, and stays with it.
fn settle(inner: &mut Inner, seed: u64) {
    let lost = inner.lost.clone();
    inner.edit(|service| {
        let spec = &mut service.spec.0;
        spec.paused = false;
        spec.app.image = format!("final:{seed}");
        spec.rollout.app = AppRollout::Rolling;
        spec.rollout.on_failure = OnFailure::Rollback;
        spec.rollout.timeout = DurationText::new("10m");
        for (ordinal, incarnation) in lost {
            let image = format!("own:{seed}");
            spec.overrides.push(ReplicaOverride {
                ordinal,
                image: Some(image),
                command: Vec::new(),
                args: Vec::new(),
                env: Vec::new(),
                node_selector: std::collections::BTreeMap::new(),
                incarnation: incarnation + 1,
            });
        }
    });
}

fn is_as_wanted(inner: &Inner) -> bool {
    let status = inner.state.service.status.as_ref();
    let reason = |kind: &str, reason: &str| {
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        conditions.any(|condition| condition.type_ == kind && condition.reason == reason)
    };
    let seed = inner
        .state
        .service
        .spec
        .app
        .image
        .trim_start_matches("final:");
    let runs = |ordinal: u32| {
        let pod = inner.object(Kind::Pod, &names::pod(NAME, ordinal));
        let image = pod.map(kubelet::app_image).unwrap_or_default();
        let own = format!("own:{seed}");
        kubelet::is_well(inner, ordinal) && (image == own || image == format!("final:{seed}"))
    };
    let complete = Observed::names(&inner.state.service);
    let missing = complete
        .iter()
        .any(|key| !key.1.ends_with("-enrolment") && !inner.state.objects.contains_key(key));
    (0..REPLICAS).all(runs)
        && !missing
        && inner.disturbed.is_none()
        && reason("Progressing", "UpToDate")
        && reason("Ready", "Serving")
}
