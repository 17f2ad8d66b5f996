//! The way from a test to a Service of the cluster.
//!
//! Where the Service's address is reachable, as on a node itself, that is the way. Elsewhere, as
//! with kind, `kubectl port-forward` goes to one replica after the other, since it always picks the
//! same pod of a Service and ends with that pod.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::forward::Forward;

/// Where a sidecar listens for clients.
const HTTP_PORT: u16 = 15080;

/// How long a reachable address takes to accept.
const REACHABLE: Duration = Duration::from_secs(2);

/// A way to the clients' port of a service.
#[derive(Debug)]
pub struct Door(Way);

#[derive(Debug)]
enum Way {
    Direct(String),
    Forwarded(Mutex<Forwarding>),
}

#[derive(Debug)]
struct Forwarding {
    namespace: String,
    service: String,
    replicas: usize,
    next: usize,
    running: Option<Forward>,
}

impl Door {
    /// A way to Service `service`, whose replicas listen on port 15080 behind it.
    ///
    /// # Panics
    /// When there is no such Service.
    pub fn to(cluster: Cluster, namespace: &str, service: &str, replicas: usize) -> Self {
        let object = cluster.json(&["service", service, "--namespace", namespace]);
        let address = object["spec"]["clusterIP"].as_str().unwrap_or_default();
        let port = object["spec"]["ports"][0]["port"].as_u64().unwrap_or(80);
        let address = format!("{address}:{port}");
        if reachable(&address) {
            return Self(Way::Direct(format!("http://{address}")));
        }
        Self(Way::Forwarded(Mutex::new(Forwarding {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            replicas,
            next: 0,
            running: None,
        })))
    }

    /// Where to send the next request.
    pub fn url(&self) -> String {
        match &self.0 {
            Way::Direct(url) => url.clone(),
            Way::Forwarded(forwarding) => locked(forwarding).url(),
        }
    }

    /// The last request failed: the next one should go elsewhere if it can.
    pub fn turn(&self) {
        if let Way::Forwarded(forwarding) = &self.0 {
            locked(forwarding).running = None;
        }
    }
}

fn locked(forwarding: &Mutex<Forwarding>) -> std::sync::MutexGuard<'_, Forwarding> {
    forwarding.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reachable(address: &str) -> bool {
    address
        .parse::<SocketAddr>()
        .is_ok_and(|address| TcpStream::connect_timeout(&address, REACHABLE).is_ok())
}

impl Forwarding {
    fn url(&mut self) -> String {
        for _ in 0..self.replicas {
            if let Some(forward) = &mut self.running
                && forward.is_open()
            {
                return format!("http://127.0.0.1:{}", forward.port());
            }
            let pod = format!("pod/{}-{}-0", self.service, self.next);
            self.next = (self.next + 1) % self.replicas;
            self.running = Forward::to(&self.namespace, &pod, HTTP_PORT);
        }
        // Nobody listens there: the caller's request fails, and it tries again.
        "http://127.0.0.1:9".to_owned()
    }
}
