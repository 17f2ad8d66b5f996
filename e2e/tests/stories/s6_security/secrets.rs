//! Private keys are on the replica's volume and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_e2e::node::Node;
use byzantine_e2e::{Cluster, Namespace, Service};

use super::strings;

/// Searches every object of every kind, every log, and etcd, for every key of one replica.
pub(crate) fn private_keys_are_nowhere_else(namespace: &Namespace, vault: &Service, node: &Node) {
    let cluster = namespace.cluster();
    let pod = vault.pod_uid(0);
    let keys = ["vote.key", "cosigner.key", "link.key"]
        .map(|name| node.read(&pod, &format!("/var/lib/byzantine/keys/{name}")));
    let forms: Vec<Vec<u8>> = keys.iter().flat_map(|key| forms(key)).collect();
    let mut texts = objects(cluster);
    texts.extend(logs(cluster, vault));
    println!("    searched {} texts of objects and logs", texts.len());
    for form in &forms {
        let found = texts.iter().find(|text| contains(text.as_bytes(), form));
        assert!(found.is_none(), "a private key is in {found:?}");
    }
    in_etcd(vault, node, &forms);
}

/// A key as it may be written: the text of its file, its bytes, their hexadecimal.
fn forms(file: &str) -> Vec<Vec<u8>> {
    let text = file.trim();
    let bytes = STANDARD.decode(text).expect("a key file holds base64");
    assert_eq!(bytes.len(), 32, "a key has 32 bytes");
    let unpadded = text.trim_end_matches('=').as_bytes().to_vec();
    vec![unpadded, hexadecimal(&bytes).into_bytes(), bytes]
}

fn contains(text: &[u8], form: &[u8]) -> bool {
    text.windows(form.len()).any(|window| window == form)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Every string in every object of every kind that can be listed; Secrets decoded, too.
fn objects(cluster: Cluster) -> Vec<String> {
    let kinds = ["api-resources", "--verbs=list", "--output=name"];
    let kinds = cluster.kubectl(&kinds);
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("componentstatuses"))
        .collect();
    let mut texts = Vec::new();
    let all = cluster.json(&[&kinds.join(","), "--all-namespaces"]);
    strings(&all, &mut texts);
    let decoded = texts.iter().filter_map(|text| STANDARD.decode(text).ok());
    let decoded: Vec<_> = decoded
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    texts.extend(decoded);
    texts
}

fn logs(cluster: Cluster, vault: &Service) -> Vec<String> {
    let replicas = (0..4).flat_map(|replica| ["sidecar", "app"].map(|part| (replica, part)));
    let pods =
        replicas.map(|(replica, part)| cluster.log(vault.namespace(), &vault.pod(replica), part));
    let operator = [
        "logs",
        "deployment/byzantine-operator",
        "--namespace=byzantine-system",
    ];
    pods.chain([cluster.kubectl(&operator)]).collect()
}

/// etcd's own files, where it runs on this node. That a public key is found shows that they are
/// the right files.
fn in_etcd(vault: &Service, node: &Node, forms: &[Vec<u8>]) {
    let object = vault.object();
    let public = object["status"]["members"][0]["publicKey"].as_str();
    let public = public.expect("the status shows the public key").to_owned();
    let mut needles = vec![hexadecimal(public.as_bytes())];
    needles.extend(forms.iter().map(|form| hexadecimal(form)));
    let Some(counts) = node.search("etcd", &needles) else {
        println!("    etcd does not run on this node: NOT SEARCHED");
        return;
    };
    println!(
        "    etcd: the public key {}×, private keys {:?}×",
        counts[0],
        &counts[1..]
    );
    assert!(counts[0] > 0, "the public key must be in etcd");
    assert!(
        counts[1..].iter().all(|count| *count == 0),
        "a private key is in etcd"
    );
}
