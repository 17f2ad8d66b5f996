//! Only the replica's own pod enrols it, with keys it holds, and once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_e2e::forward::Forward;
use byzantine_e2e::{Cluster, Namespace, Service, chart, command};
use byzantine_proof::{Enrolment, Member, ReplicaId, SecretKey, ServiceName, Signature};
use serde_json::{Value, json};

const AUDIENCE: &str = "byzantine-operator";

/// Tries what an attacker with a token of this namespace would try.
pub(crate) fn only_the_pod_itself_enrols(namespace: &Namespace, vault: &Service) {
    let cluster = namespace.cluster();
    let operator = Operator::reach();
    let victim = vault.pod(0);
    let application = application(vault, &vault.pod_uid(0));
    let own = token(cluster, vault, &victim, AUDIENCE);
    let wrong_audience = token(cluster, vault, &victim, "https://kubernetes.default.svc");
    let other_pod = token(cluster, vault, &vault.pod(1), AUDIENCE);
    let expired = expired(cluster, vault);
    for (what, token, status, reason) in [
        ("no token at all", String::new(), 401, "TokenRefused"),
        (
            "a token for somebody else's ears",
            wrong_audience,
            401,
            "TokenRefused",
        ),
        (
            "the token of a pod that is gone",
            expired,
            401,
            "TokenRefused",
        ),
        ("another replica's token", other_pod, 403, "ForeignPod"),
        ("its own token and other keys", own, 409, "KeyChanged"),
    ] {
        let (found, problem) = operator.enrol(&token, &application);
        println!("    enrolment with {what}: {found} {}", problem["reason"]);
        assert_eq!(
            (found, problem["reason"].as_str()),
            (status, Some(reason)),
            "{what}: {problem}"
        );
    }
    recorded(vault);
}

/// Each refusal that names a service is an Event at it, and a count of the operator's.
fn recorded(vault: &Service) {
    let events = vault.events();
    for reason in ["ForeignPod", "KeyChanged"] {
        assert!(events.contains(reason), "no Event says {reason}: {events}");
    }
    let metrics = ["get", "--raw", &metrics_path()].map(str::to_owned);
    let metrics: Vec<&str> = metrics.iter().map(String::as_str).collect();
    let text = Cluster::find().kubectl(&metrics);
    let refused = text
        .lines()
        .filter(|line| line.starts_with("byzantine_operator_enrolments_total"));
    let refused = refused.filter(|line| !line.ends_with(" 0")).count();
    assert!(refused >= 3, "{text}");
}

fn metrics_path() -> String {
    let service = format!("{}:8080", chart::RELEASE);
    format!(
        "/api/v1/namespaces/{}/services/{service}/proxy/metrics",
        chart::NAMESPACE
    )
}

/// A token of the namespace's account, bound to a pod as the kubelet binds them.
fn token(cluster: Cluster, vault: &Service, pod: &str, audience: &str) -> String {
    let object = cluster.json(&["pod", pod, "--namespace", vault.namespace()]);
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let arguments = [
        "create",
        "token",
        "default",
        "--namespace",
        vault.namespace(),
        "--audience",
        audience,
        "--bound-object-kind=Pod",
        "--bound-object-name",
        pod,
        "--bound-object-uid",
        uid,
    ];
    cluster.kubectl(&arguments).trim().to_owned()
}

/// The API server gives no token a life shorter than ten minutes; that of a deleted pod has ended.
fn expired(cluster: Cluster, vault: &Service) -> String {
    let intruder = "intruder";
    let token = token(cluster, vault, intruder, AUDIENCE);
    cluster.kubectl(&["delete", "pod", intruder, "--namespace", vault.namespace()]);
    token
}

/// An enrolment of replica 0 with keys that were made just now, and that the sender does hold.
fn application(vault: &Service, pod: &str) -> Value {
    let [vote, cosigner, link] = [1, 2, 3].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let name = ServiceName::new(vault.name(), vault.namespace(), "cluster.local");
    let enrolment = Enrolment {
        service: name.expect("the service has a valid name"),
        epoch: 0,
        pod: pod.to_owned(),
        member: Member {
            id: ReplicaId(0),
            vote: vote.public_key(),
            cosigner: cosigner.public_key(),
            link: link.public_key(),
        },
    };
    let signed = enrolment.sign(&vote, &cosigner, &link);
    let text = |signature: &Signature| STANDARD.encode(signature.as_bytes());
    json!({
        "service": vault.name(), "namespace": vault.namespace(), "domain": "cluster.local",
        "replica": 0, "epoch": 0,
        "votePublicKey": vote.public_key().to_base64(),
        "cosignerPublicKey": cosigner.public_key().to_base64(),
        "linkPublicKey": link.public_key().to_base64(),
        "possession": {
            "vote": text(&signed.vote),
            "cosigner": text(&signed.cosigner),
            "link": text(&signed.link),
        },
    })
}

/// The way to the enrolment server.
struct Operator(Forward);

impl Operator {
    fn reach() -> Self {
        let service = format!("service/{}", chart::RELEASE);
        let forward = Forward::to(chart::NAMESPACE, &service, 8443);
        Self(forward.expect("the operator can be reached"))
    }

    /// The status and the body of an enrolment.
    fn enrol(&self, token: &str, application: &Value) -> (u16, Value) {
        let url = format!("https://127.0.0.1:{}/v1/enrolments", self.0.port());
        let authorization = format!("Authorization: Bearer {token}");
        let arguments = [
            "--silent",
            "--insecure",
            "--header",
            &authorization,
            "--header",
            "Content-Type: application/json",
            "--data-binary",
            "@-",
            "--write-out",
            "\n%{http_code}",
            &url,
        ];
        let said = command::run("curl", &arguments, &application.to_string()).expected();
        let (body, status) = said.rsplit_once('\n').expect("curl writes the status last");
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        (status.parse().unwrap_or(0), body)
    }
}
