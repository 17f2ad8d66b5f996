//! What breaks while the service runs: it answers throughout, and comes back to full strength.

use byzantine_acceptance::{Call, Client};
use byzantine_e2e::cluster::eventually;
use byzantine_e2e::node::Node;
use byzantine_e2e::service::{LIMIT, wallet};
use byzantine_e2e::{Customer, Namespace, Service, chart};
use byzantine_proof::Policy;

/// Requests that must be answered while something is broken.
const MEANWHILE: usize = 10;

/// More requests than there are sequences between two checkpoints.
const CHECKPOINT_INTERVAL: usize = 130;

/// A service under faults, and a customer who does not notice.
struct Scene {
    service: Service,
    policy: Policy,
    node: Node,
    namespace: Namespace,
}

impl Scene {
    fn set(namespace: &str) -> Self {
        let namespace = Namespace::new(namespace);
        let node = Node::enter();
        let manifest = wallet(namespace.name(), "bank");
        let service = Service::apply(namespace.cluster(), &manifest);
        service.ready();
        service.full_strength();
        let policy = service.policy();
        Self {
            service,
            policy,
            node,
            namespace,
        }
    }

    fn customer(&self, name: &str) -> Customer {
        Customer::start(self.service.door(), self.policy.clone(), name)
    }

    /// Breaks something while a customer shops, and waits until all is well again.
    async fn survives(&self, name: &str, breaking: impl FnOnce(&Self)) {
        println!("  {name}");
        let mut customer = self.customer(name);
        customer.more(3).await;
        breaking(self);
        customer.more(MEANWHILE).await;
        self.service.full_strength();
        customer.more(3).await;
        customer.satisfied().await;
    }

    /// Waits until a replica's pod is another one.
    fn replaced(&self, replica: u64, before: &str) {
        eventually("another pod", LIMIT, || {
            match self.service.find_pod(replica) {
                Some(pod) if pod["metadata"]["uid"] != before => Ok(()),
                other => Err(format!(
                    "{:?}",
                    other.map(|pod| pod["metadata"]["uid"].clone())
                )),
            }
        });
    }

    fn restarted(&self, replica: u64, container: &str, before: u64) {
        eventually("the container restarts", LIMIT, || {
            let restarts = self.service.restarts(replica, container);
            if restarts > before {
                Ok(())
            } else {
                Err(format!("{restarts} restarts"))
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_faults_are_survived_one_after_the_other() {
    let scene = Scene::set("e2e-faults");
    scene.survives("deleted-pod", delete_the_primarys_pod).await;
    scene.survives("killed-sidecar", kill_a_sidecar).await;
    scene.survives("killed-app", kill_an_app).await;
    scene.survives("isolated", |scene| isolate(scene, 2)).await;
    scene.survives("no-operator", without_the_operator).await;
    a_quorum_is_lost_and_found(&scene).await;
    a_liar(&scene).await;
    a_lost_key_is_left_to_its_owner(&scene).await;
}

fn delete_the_primarys_pod(scene: &Scene) {
    let primary = scene.service.primary();
    let before = scene.service.pod_uid(primary);
    scene.service.delete_pod(primary);
    scene.replaced(primary, &before);
}

fn kill_a_sidecar(scene: &Scene) {
    let before = scene.service.restarts(1, "sidecar");
    scene.node.kill_sidecar(&scene.service.pod_uid(1));
    scene.restarted(1, "sidecar", before);
}

fn kill_an_app(scene: &Scene) {
    let before = scene.service.restarts(2, "app");
    scene.node.kill(&scene.service.pod_uid(2), "wallet");
    scene.restarted(2, "app", before);
}

/// Cut off from its peers, it still listens to clients, and can only tell them to go elsewhere.
fn isolate(scene: &Scene, replica: u64) {
    let pod = scene.service.pod_uid(replica);
    scene.node.write(&pod, "/var/lib/byzantine/isolate", "");
    let degraded = scene.service.becomes("Degraded", "True");
    println!("    {}", degraded.message);
    assert!(
        degraded.message.contains(&replica.to_string()),
        "{degraded:?}"
    );
    scene.node.remove(&pod, "/var/lib/byzantine/isolate");
}

/// A pod that dies while nobody watches comes back by itself: the operator is no part of serving.
fn without_the_operator(scene: &Scene) {
    scale_the_operator(scene, 0);
    let before = scene.service.pod_uid(3);
    scene.service.delete_pod(3);
    scene.replaced(3, &before);
    let pod = format!("pod/{}", scene.service.pod(3));
    let namespace = scene.service.namespace();
    let cluster = scene.namespace.cluster();
    cluster.wait(namespace, &pod, "condition=Ready", LIMIT);
    scale_the_operator(scene, 1);
}

fn scale_the_operator(scene: &Scene, replicas: u8) {
    let replicas = format!("--replicas={replicas}");
    let deployment = format!("deployment/{}", chart::RELEASE);
    let cluster = scene.namespace.cluster();
    cluster.kubectl(&[
        "scale",
        &deployment,
        &replicas,
        "--namespace",
        chart::NAMESPACE,
    ]);
    let status = [
        "rollout",
        "status",
        &deployment,
        "--namespace",
        chart::NAMESPACE,
    ];
    cluster.kubectl(&status);
}

/// Two of four cut off: nobody is answered, everybody is told, and it goes on by itself.
async fn a_quorum_is_lost_and_found(scene: &Scene) {
    println!("  quorum-lost");
    let cut = [1, 2].map(|replica| scene.service.pod_uid(replica));
    for pod in &cut {
        scene.node.write(pod, "/var/lib/byzantine/isolate", "");
    }
    let lost = scene.service.comes_to("QuorumAvailable", "TooFewReplicas");
    println!("    {}", lost.message);
    assert_eq!(lost.status, "False");
    for pod in &cut {
        scene.node.remove(pod, "/var/lib/byzantine/isolate");
    }
    scene.service.full_strength();
    let mut customer = scene.customer("found");
    customer.more(3).await;
    customer.satisfied().await;
}

/// Clients never see a wrong certified answer; kubectl and the metrics name the liar.
async fn a_liar(scene: &Scene) {
    println!("  liar");
    let (liar, pod) = (3, scene.service.pod_uid(3));
    scene
        .node
        .write(&pod, "/var/lib/byzantine/fault", "wrong-answer");
    let before = scene.service.restarts(liar, "sidecar");
    scene.node.kill_sidecar(&pod);
    scene.restarted(liar, "sidecar", before);
    let mut customer = scene.customer("lied-to");
    customer.more(MEANWHILE).await;
    let told = scene.service.comes_to("RepliesAgree", "Diverged");
    println!("    {}", told.message);
    assert!(told.message.contains('3'), "{told:?}");
    customer.satisfied().await;
    right_balance(scene).await;
    scene.node.remove(&pod, "/var/lib/byzantine/fault");
    its_data_are_taken_away(scene, liar);
    honest_again(scene).await;
}

/// Whose answers differed may have written something else, too: as its status advises, the app
/// starts anew with nothing, and is rebuilt.
fn its_data_are_taken_away(scene: &Scene, replica: u64) {
    let before = scene.service.pod_uid(replica);
    let claim = format!("{}-{replica}-app", scene.service.name());
    let namespace = scene.service.namespace();
    let delete = [
        "delete",
        "pvc",
        &claim,
        "--namespace",
        namespace,
        "--wait=false",
    ];
    scene.namespace.cluster().kubectl(&delete);
    scene.service.delete_pod(replica);
    scene.replaced(replica, &before);
}

/// A checkpoint interval without a lie, and it is one of the others again.
async fn honest_again(scene: &Scene) {
    let mut customer = scene.customer("honest-again");
    customer.more(CHECKPOINT_INTERVAL).await;
    scene.service.becomes("RepliesAgree", "True");
    scene.service.full_strength();
    customer.satisfied().await;
}

async fn right_balance(scene: &Scene) {
    // Where it forwards a port, it does so for as long as it is kept.
    let door = scene.service.door();
    let client = Client::new(vec![door.url()], scene.policy.clone());
    let answer = client
        .call(&Call::get("/accounts/lied-to-0", "after-the-lie"), 0)
        .await;
    assert_eq!(answer.json()["balance"], 10);
}

/// Disk and key of a replica are gone: it is reported, and no new key is let in.
async fn a_lost_key_is_left_to_its_owner(scene: &Scene) {
    println!("  lost-key");
    let mut customer = scene.customer("lost-key");
    let (namespace, pinned) = (scene.service.namespace().to_owned(), scene.policy.clone());
    let cluster = scene.namespace.cluster();
    let claim = [
        "delete",
        "pvc",
        "bank-2-ledger",
        "--namespace",
        &namespace,
        "--wait=false",
    ];
    cluster.kubectl(&claim);
    scene.service.delete_pod(2);
    let changed = scene.service.comes_to("KeysPinned", "KeyChanged");
    println!("    {}", changed.message);
    assert!(changed.message.contains('2'), "{changed:?}");
    customer.more(MEANWHILE).await;
    customer.satisfied().await;
    let now = scene.service.policy().to_string();
    assert_eq!(now, pinned.to_string(), "the pinned keys stay");
}
