//! Who is refused, with which words, and that it is recorded.

use byzantine_sidecar::status::EnrolmentState;
use serde_json::{Value, json};

use crate::api_server::Token;
use crate::replica::{Replica, application, enrol_all, post, send};
use crate::service::Service;

/// That it is refused with this status and reason, counted, and told in an Event.
async fn refused(service: &Service, token: &str, body: &Value, status: u16, reason: &str) {
    let before = service.count(reason);
    let (found, problem) = post(service, token, body).await;
    assert_eq!(
        (found, &problem["reason"]),
        (status, &json!(reason)),
        "{problem}"
    );
    assert_eq!(service.count(reason), before + 1);
    let events = service.api.events();
    assert!(
        events.iter().any(|(found, _)| found == reason),
        "{events:?}"
    );
    assert!(service.api.get(&service.map_path("epoch-0")).is_none());
}

fn own(service: &Service, replica: u8, seed: u8) -> (String, Value) {
    let token = service.token(replica);
    let body = application(replica, &token.uid, seed);
    (service.api.issue(token), body)
}

#[tokio::test]
async fn tokens_for_others_and_expired_ones() {
    let service = Service::start().await;
    let (_, body) = own(&service, 1, 10);
    let of_pod = service.token(1);
    let elsewhere = service.api.issue(Token {
        audience: "https://kubernetes.default.svc",
        ..of_pod.clone()
    });
    refused(&service, &elsewhere, &body, 401, "TokenRefused").await;
    let expired = service.api.issue(Token {
        expired: true,
        ..of_pod
    });
    refused(&service, &expired, &body, 401, "TokenRefused").await;
    refused(&service, "made.up.token", &body, 401, "TokenRefused").await;
    let length = body.to_string().len();
    let head = format!("POST /v1/enrolments HTTP/1.1\r\ncontent-length: {length}");
    assert_eq!(send(&service, &head, &body.to_string()).await.0, 401);
    assert!(service.api.get(&service.map_path("enrolment")).is_none());
}

#[tokio::test]
async fn another_pods_token() {
    let service = Service::start().await;
    let (_, body) = own(&service, 1, 10);
    let other_pod = service.api.issue(service.token(2));
    refused(&service, &other_pod, &body, 403, "ForeignPod").await;
    let other_namespace = service.api.issue(Token {
        namespace: "thieves".to_owned(),
        ..service.token(1)
    });
    refused(&service, &other_namespace, &body, 403, "ForeignPod").await;
}

#[tokio::test]
async fn pods_that_are_gone_or_that_the_operator_did_not_make() {
    let service = Service::start().await;
    let (old, body) = own(&service, 1, 10);
    service.restart_pod(1);
    refused(&service, &old, &body, 403, "ForeignPod").await;
    // A pod of the right name that no StatefulSet made.
    let path = service.pod_path(2);
    service
        .api
        .put(&path, json!({"metadata": {"namespace": "bank"}}));
    let (token, body) = own(&service, 2, 20);
    refused(&service, &token, &body, 403, "ForeignPod").await;
}

#[tokio::test]
async fn keys_that_nobody_has_shown_to_hold() {
    let service = Service::start().await;
    let (token, good) = own(&service, 1, 10);
    // What another pod has signed, sent again.
    let replayed = application(1, "uid-of-another-pod", 10);
    refused(&service, &token, &replayed, 403, "NoPossession").await;
    let mut stolen = good.clone();
    stolen["votePublicKey"] = application(1, "x", 50)["votePublicKey"].clone();
    refused(&service, &token, &stolen, 403, "NoPossession").await;
    assert_eq!(post(&service, &token, &good).await.0, 202);
    // Again, it changes nothing.
    assert_eq!(post(&service, &token, &good).await.0, 202);
}

#[tokio::test]
async fn a_pinned_member_with_other_keys() {
    let service = Service::start().await;
    let (token, first) = own(&service, 1, 10);
    assert_eq!(post(&service, &token, &first).await.0, 202);
    let pins = service.api.get(&service.map_path("enrolment"));
    let (token, other) = own(&service, 1, 20);
    refused(&service, &token, &other, 409, "KeyChanged").await;
    let (token, borrowed) = own(&service, 2, 10);
    refused(&service, &token, &borrowed, 409, "KeyInUse").await;
    assert_eq!(service.api.get(&service.map_path("enrolment")), pins);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_volume_was_lost_is_told_so_and_never_replaced() {
    let service = Service::start().await;
    let replicas: Vec<Replica> = (0..4)
        .map(|number| Replica::new(&service, number))
        .collect();
    enrol_all(&replicas).await;
    let before = service.api.get(&service.map_path("epoch-0"));
    std::fs::remove_dir_all(&replicas[2].volume).unwrap();
    let anew = Replica::new(&service, 2);
    let why = anew.enrol_until(EnrolmentState::Refused).await;
    assert!(why.contains("KeyChanged"), "{why}");
    assert_eq!(service.api.get(&service.map_path("epoch-0")), before);
    // The keys alone: the membership still says whose they were.
    std::fs::remove_dir_all(replicas[3].volume.join("keys")).unwrap();
    let why = replicas[3].enrol_until(EnrolmentState::KeysLost).await;
    assert!(why.contains("nothing replaces them"), "{why}");
    assert!(!replicas[3].volume.join("keys").exists());
}

#[tokio::test]
async fn a_config_map_of_somebody_else_is_left_alone() {
    let service = Service::start().await;
    let path = service.map_path("enrolment");
    service.api.put(&path, json!({"data": {"mine": "yes"}}));
    let before = service.api.get(&path);
    let (token, body) = own(&service, 1, 10);
    refused(&service, &token, &body, 409, "NameConflict").await;
    assert_eq!(service.api.get(&path), before);
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_much() {
    let service = Service::start().await;
    let token = service.api.issue(service.token(1));
    assert_eq!(post(&service, &token, &json!("hello")).await.0, 400);
    assert_eq!(post(&service, &token, &json!(vec![0; 20_000])).await.0, 400);
    assert_eq!(service.count("Malformed"), 1);
    let head = format!("GET /{} HTTP/1.1", "a".repeat(100_000));
    assert!(matches!(send(&service, &head, "").await.0, 0 | 414 | 431));
    assert_eq!(send(&service, "GET /elsewhere HTTP/1.1", "").await.0, 404);
    let mut last = 0;
    for _ in 0..200 {
        last = send(&service, "GET /elsewhere HTTP/1.1", "").await.0;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn an_api_server_that_fails_pins_nothing() {
    let service = Service::start().await;
    let (token, body) = own(&service, 1, 10);
    service.api.set_broken(true);
    let (status, problem) = post(&service, &token, &body).await;
    assert_eq!((status, &problem["reason"]), (503, &json!("Unavailable")));
    service.api.set_broken(false);
    assert_eq!(post(&service, &token, &body).await.0, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_race_for_one_place_do_not_both_get_it() {
    for round in 0..20 {
        let service = Service::start().await;
        let (token, one) = own(&service, 1, 10);
        let (_, other) = own(&service, 1, 20);
        let (third_token, third) = own(&service, 3, 30);
        let (first, second, third) = tokio::join!(
            post(&service, &token, &one),
            post(&service, &token, &other),
            post(&service, &third_token, &third)
        );
        let mut found = [first.0, second.0];
        found.sort_unstable();
        assert_eq!((found, third.0), ([202, 409], 202), "round {round}");
        let pins = service.api.get(&service.map_path("enrolment")).unwrap();
        assert_eq!(pins["data"].as_object().unwrap().len(), 2);
        let raced = service.api.conflicts();
        assert!(raced <= 4, "{raced}");
    }
}
