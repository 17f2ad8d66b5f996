//! A service of four replicas on the scripted API server, and the enrolment server beside it.

use std::path::PathBuf;

use byzantine_operator::enrolment::{self, Authority, EnrolmentContext};
use kube::runtime::events::{Recorder, Reporter};
use prometheus::{IntCounterVec, Opts};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api_server::{ApiServer, Token};

pub(crate) const NAMESPACE: &str = "bank";
pub(crate) const NAME: &str = "wallet";

/// The audience of the tokens with which sidecars enrol.
pub(crate) const AUDIENCE: &str = "byzantine-operator";

/// The service and the server.
pub(crate) struct Service {
    pub(crate) api: ApiServer,
    pub(crate) results: IntCounterVec,
    pub(crate) url: String,
    pub(crate) directory: tempfile::TempDir,
    tasks: JoinSet<()>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let api = ApiServer::default();
        let results = IntCounterVec::new(Opts::new("enrolments", "results"), &["result"]).unwrap();
        let mut service = Self {
            api,
            results,
            url: String::new(),
            directory: tempfile::tempdir().unwrap(),
            tasks: JoinSet::new(),
        };
        service.apply(&json!({"app": {"image": "wallet:dev"}}));
        service.start_operator().await;
        service
    }

    /// The resource and what the operator makes of it.
    pub(crate) fn apply(&self, spec: &serde_json::Value) {
        let uid = self.api.put(
            &Self::path("apis/byzantine.dev/v1alpha1", "byzantineservices", NAME),
            json!({
                "apiVersion": "byzantine.dev/v1alpha1", "kind": "ByzantineService",
                "metadata": {"namespace": NAMESPACE}, "spec": spec,
            }),
        );
        for replica in 0..4 {
            let set = format!("{NAME}-{replica}");
            let owner = owner("ByzantineService", NAME, &uid);
            let uid = self.api.put(
                &Self::path("apis/apps/v1", "statefulsets", &set),
                json!({"metadata": {"namespace": NAMESPACE, "ownerReferences": [owner]}}),
            );
            self.start_pod(replica, &uid);
        }
    }

    fn start_pod(&self, replica: u8, set_uid: &str) {
        let owner = owner("StatefulSet", &format!("{NAME}-{replica}"), set_uid);
        let pod = json!({"metadata": {"namespace": NAMESPACE, "ownerReferences": [owner]}});
        self.api.put(&self.pod_path(replica), pod);
    }

    /// The pod's successor; its UID is another.
    pub(crate) fn restart_pod(&self, replica: u8) {
        let set = format!("{NAME}-{replica}");
        let set = self
            .api
            .get(&Self::path("apis/apps/v1", "statefulsets", &set));
        let uid = set.unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        self.start_pod(replica, &uid);
    }

    /// Starts the enrolment server, after stopping the one before.
    pub(crate) async fn start_operator(&mut self) {
        self.tasks.shutdown().await;
        let client = self.api.client();
        let names = vec!["localhost".to_owned()];
        let authority = Authority::load_or_create(
            client.clone(),
            "byzantine-system",
            "byzantine-operator",
            names,
        );
        let authority = authority.await.unwrap();
        std::fs::write(self.ca_file(), authority.ca_pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        self.url = format!("https://localhost:{port}");
        let reporter = Reporter {
            controller: "byzantine-operator".to_owned(),
            instance: None,
        };
        let context = EnrolmentContext {
            client: client.clone(),
            authority,
            results: self.results.clone(),
            recorder: Recorder::new(client, reporter),
        };
        self.tasks.spawn(enrolment::serve(context, listener));
    }

    pub(crate) async fn stop_operator(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// The token of the pod that runs a replica.
    pub(crate) fn token(&self, replica: u8) -> Token {
        let pod = self.api.get(&self.pod_path(replica)).unwrap();
        Token {
            namespace: NAMESPACE.to_owned(),
            pod: format!("{NAME}-{replica}-0"),
            uid: pod["metadata"]["uid"].as_str().unwrap().to_owned(),
            audience: AUDIENCE,
            expired: false,
        }
    }

    pub(crate) fn pod_path(&self, replica: u8) -> String {
        Self::path("api/v1", "pods", &format!("{NAME}-{replica}-0"))
    }

    pub(crate) fn map_path(&self, suffix: &str) -> String {
        Self::path("api/v1", "configmaps", &format!("{NAME}-{suffix}"))
    }

    /// How often enrolments came to that.
    pub(crate) fn count(&self, result: &str) -> u64 {
        self.results.with_label_values(&[result]).get()
    }

    fn path(api: &str, kind: &str, name: &str) -> String {
        format!("/{api}/namespaces/{NAMESPACE}/{kind}/{name}")
    }
}

fn owner(kind: &str, name: &str, uid: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": kind, "name": name, "uid": uid, "controller": true,
    })
}
