//! Who asks: from a token to the pod, from the pod to the replica, each step by the API server.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};

use super::application::Application;
use super::refusal::{Reason, Refusal};
use crate::crd::ByzantineService;
use crate::names;

/// Before namespace and name of a service account's user.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// A pod that is known to be the replica for which it asks.
pub(super) struct Identity {
    /// The service, as the API server has it now.
    pub(super) service: ByzantineService,
    /// The pod's UID.
    pub(super) pod: String,
}

/// The pod to which a token is bound.
#[derive(Debug, PartialEq, Eq)]
struct TokenHolder {
    namespace: String,
    pod: String,
    uid: String,
}

/// Finds out who asks.
pub(super) async fn identify(
    client: &Client,
    token: &str,
    application: &Application,
) -> Result<Identity, Refusal> {
    let holder = review(client, token).await?;
    let replica = u32::from(application.member.id.0);
    let (name, namespace) = (application.service.name(), application.service.namespace());
    if holder.namespace != namespace || holder.pod != names::pod(name, replica) {
        let (namespace, pod) = (&holder.namespace, &holder.pod);
        return Err(foreign(format!(
            "the token is that of pod {pod} in namespace {namespace}, which is not replica \
             {replica} of {name}"
        )));
    }
    let set = owner_of_pod(client, &holder, &names::replica(name, replica)).await?;
    let service = owner_of_set(client, namespace, &set, name).await?;
    if replica >= service.spec.replica_count() {
        let count = service.spec.replica_count();
        let detail = format!("{name} has {count} replicas, so there is no replica {replica}");
        return Err(Refusal::new(Reason::UnknownReplica, detail));
    }
    let pod = holder.uid;
    Ok(Identity { service, pod })
}

async fn review(client: &Client, token: &str) -> Result<TokenHolder, Refusal> {
    let audience = names::TOKEN_AUDIENCE.to_owned();
    let review = TokenReview {
        spec: TokenReviewSpec {
            audiences: Some(vec![audience.clone()]),
            token: token.to_owned(),
        },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &review).await?;
    let status = review.status.unwrap_or_default();
    let meant = status.audiences.unwrap_or_default().contains(&audience);
    if status.authenticated != Some(true) || !meant {
        let cause = status.error.unwrap_or_else(|| "it is not valid".to_owned());
        return Err(Refusal::new(
            Reason::TokenRefused,
            format!("the API server refuses the token for audience {audience}: {cause}"),
        ));
    }
    let unbound = || foreign("the token is not bound to a pod".to_owned());
    holder(&status.user.unwrap_or_default()).ok_or_else(unbound)
}

fn holder(user: &UserInfo) -> Option<TokenHolder> {
    let account = user.username.as_deref()?.strip_prefix(ACCOUNT_PREFIX)?;
    let extra = |key| user.extra.as_ref()?.get(key)?.first().cloned();
    Some(TokenHolder {
        namespace: account.split_once(':')?.0.to_owned(),
        pod: extra(POD_NAME)?,
        uid: extra(POD_UID)?,
    })
}

/// The `StatefulSet` that made the pod, which must be the live one of that name.
async fn owner_of_pod(
    client: &Client,
    holder: &TokenHolder,
    name: &str,
) -> Result<StatefulSet, Refusal> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &holder.namespace);
    let pod = pods.get_opt(&holder.pod).await?;
    let pod = pod.filter(|pod| pod.uid().as_deref() == Some(&holder.uid));
    let gone = || foreign(format!("pod {} is not there any more", holder.pod));
    let pod = pod.ok_or_else(gone)?;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &holder.namespace);
    let set = sets.get_opt(name).await?;
    set.filter(|set| controls(set.uid(), pod.owner_references()))
        .ok_or_else(|| foreign(format!("pod {} is not of StatefulSet {name}", holder.pod)))
}

/// The service that made the `StatefulSet`, which must be the live one of that name.
async fn owner_of_set(
    client: &Client,
    namespace: &str,
    set: &StatefulSet,
    name: &str,
) -> Result<ByzantineService, Refusal> {
    let services: Api<ByzantineService> = Api::namespaced(client.clone(), namespace);
    let service = services.get_opt(name).await?;
    service
        .filter(|service| controls(service.uid(), set.owner_references()))
        .ok_or_else(|| {
            let set = set.name_any();
            foreign(format!(
                "StatefulSet {set} is not of ByzantineService {name}"
            ))
        })
}

fn controls(uid: Option<String>, owners: &[OwnerReference]) -> bool {
    uid.is_some_and(|uid| {
        let mut owners = owners.iter();
        owners.any(|owner| owner.controller == Some(true) && owner.uid == uid)
    })
}

fn foreign(detail: String) -> Refusal {
    Refusal::new(Reason::ForeignPod, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn user(name: &str, extra: &[(&str, &str)]) -> UserInfo {
        let extra = extra.iter().map(|(key, value)| {
            let value = vec![(*value).to_owned()];
            ((*key).to_owned(), value)
        });
        UserInfo {
            username: Some(name.to_owned()),
            extra: Some(extra.collect::<BTreeMap<_, _>>()),
            ..UserInfo::default()
        }
    }

    #[test]
    fn only_a_token_of_a_pod_has_a_holder() {
        let bound = [(POD_NAME, "wallet-2-0"), (POD_UID, "uid-2")];
        let found = holder(&user("system:serviceaccount:bank:default", &bound)).unwrap();
        assert_eq!(found.namespace, "bank");
        assert_eq!(
            (found.pod.as_str(), found.uid.as_str()),
            ("wallet-2-0", "uid-2")
        );
        assert_eq!(
            holder(&user("system:serviceaccount:bank:default", &[])),
            None
        );
        assert_eq!(holder(&user("kubernetes-admin", &bound)), None);
        assert_eq!(holder(&UserInfo::default()), None);
    }

    #[test]
    fn an_owner_counts_as_controller_only() {
        let owner = |uid: &str, controller| OwnerReference {
            uid: uid.to_owned(),
            controller,
            ..OwnerReference::default()
        };
        let uid = || Some("a".to_owned());
        assert!(controls(uid(), &[owner("b", None), owner("a", Some(true))]));
        assert!(!controls(uid(), &[owner("a", None)]));
        assert!(!controls(uid(), &[owner("b", Some(true))]));
        assert!(!controls(None, &[owner("", Some(true))]));
    }
}
