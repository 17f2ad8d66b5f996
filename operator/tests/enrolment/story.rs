//! From four empty volumes to one membership, and what may come in between.

use byzantine_operator::enrolment::{MEMBERSHIP_KEY, membership_of};
use byzantine_proof::ReplicaId;
use byzantine_sidecar::status::EnrolmentState;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::replica::{Replica, enrol_all, send};
use crate::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_that_enrol_at_once_learn_one_membership() {
    let service = Service::start().await;
    let replicas: Vec<Replica> = (0..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    let all = enrol_all(&replicas).await;
    for (number, credentials) in (0..4).zip(&all) {
        assert_eq!(credentials.membership, all[0].membership);
        let own = credentials.keys.member(ReplicaId(number));
        assert_eq!(credentials.membership.member(ReplicaId(number)), Some(&own));
        assert!(credentials.confirmed);
    }
    let map = service.api.get(&service.map_path("epoch-0")).unwrap();
    assert_eq!(map["immutable"], true);
    assert_eq!(
        map["metadata"]["ownerReferences"][0]["kind"],
        "ByzantineService"
    );
    let map: ConfigMap = serde_json::from_value(map).unwrap();
    assert_eq!(membership_of(&map).unwrap(), all[0].membership);
    assert!(service.count("complete") >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_missing_is_told_and_waited_for() {
    let service = Service::start().await;
    let first = Replica::new(&service, 0);
    let waiting = first.enrol_until(EnrolmentState::Waiting).await;
    assert!(waiting.contains("replica 1, 2, 3"), "{waiting}");
    assert!(service.api.get(&service.map_path("epoch-0")).is_none());
    let (path, pins) = (service.map_path("enrolment"), "replica-0");
    let pinned = service.api.get(&path).unwrap()["data"][pins].clone();
    assert!(pinned.as_str().unwrap().contains("votePublicKey"));
    let others: Vec<Replica> = (1..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    tokio::join!(
        first.enrol(),
        others[0].enrol(),
        others[1].enrol(),
        others[2].enrol()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_needs_no_operator_any_more() {
    let mut service = Service::start().await;
    let replicas: Vec<Replica> = (0..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    enrol_all(&replicas).await;
    service.stop_operator().await;
    let credentials = replicas[2].enrol().await;
    assert!(!credentials.confirmed);
    assert_eq!(credentials.membership.n(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_away_is_waited_for() {
    let mut service = Service::start().await;
    let replica = Replica::new(&service, 0);
    service.stop_operator().await;
    let why = replica.enrol_until(EnrolmentState::Unreachable).await;
    assert!(why.contains("is it running?"), "{why}");
    let authority = std::fs::read(service.ca_file()).unwrap();
    service.start_operator().await;
    // The same authority, on another port.
    assert_eq!(std::fs::read(service.ca_file()).unwrap(), authority);
    let again = Replica::new(&service, 0);
    again.enrol_until(EnrolmentState::Waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_made_anew_on_retained_volumes_gets_its_membership_back() {
    let service = Service::start().await;
    let replicas: Vec<Replica> = (0..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    enrol_all(&replicas).await;
    let text = |service: &Service| {
        let map = service.api.get(&service.map_path("epoch-0"));
        map.unwrap()["data"][MEMBERSHIP_KEY].clone()
    };
    let before = text(&service);
    for map in ["epoch-0", "enrolment"] {
        service.api.delete(&service.map_path(map));
    }
    service.apply(&json!({"app": {"image": "wallet:dev"}}));
    let again: Vec<Replica> = (0..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    let known = enrol_all(&again).await;
    assert!(known.iter().all(|credentials| !credentials.confirmed));
    let [a, b, c, d] = known;
    tokio::join!(
        again[0].affirm(a),
        again[1].affirm(b),
        again[2].affirm(c),
        again[3].affirm(d)
    );
    assert_eq!(text(&service), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_is_for_everybody_and_waits_as_long_as_asked() {
    let service = Service::start().await;
    let get = "GET /v1/memberships/bank/wallet?epoch=0&wait=0 HTTP/1.1";
    assert_eq!(send(&service, get, "").await.0, 204);
    let replicas: Vec<Replica> = (0..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    let waiting = "GET /v1/memberships/bank/wallet?epoch=0&wait=25 HTTP/1.1";
    let (answer, _) = tokio::join!(send(&service, waiting, ""), enrol_all(&replicas));
    assert_eq!(answer.0, 200);
    let text = answer.1.as_str().unwrap().to_owned();
    assert!(text.starts_with("byzantine-membership/v1\n"), "{text}");
    assert_eq!(send(&service, get, "").await.0, 200);
}
