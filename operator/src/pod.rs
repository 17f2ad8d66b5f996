//! A replica's pod as the operator sees it.

use std::fmt;

use serde_json::Value;

use crate::names;
use crate::object::Existing;

/// A replica's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The version that a deletion may insist on.
    pub resource_version: String,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Its node, once it has one.
    pub node: Option<String>,
    /// The template revision that it was made from.
    pub revision: String,
    /// Whether it is on its way out.
    pub going: bool,
    /// Whether clients are sent to it.
    pub ready: bool,
    /// Whether its containers run, healthy or not.
    pub running: bool,
    /// The image that its app really runs.
    pub app_image_id: Option<String>,
    /// What keeps it from being ready.
    pub trouble: Option<Trouble>,
}

/// What keeps a pod from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An image does not come.
    ImagePull {
        /// For which container.
        container: String,
        /// The image.
        image: String,
        /// What the kubelet says.
        detail: String,
    },
    /// No node takes it.
    Unschedulable {
        /// What the scheduler says.
        detail: String,
    },
    /// A container ends again and again, or cannot be made.
    Crashing {
        /// Which.
        container: String,
        /// What the kubelet says.
        detail: String,
    },
    /// The app runs and does not answer its health path.
    AppUnhealthy,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImagePull {
                container,
                image,
                detail,
            } => write!(
                formatter,
                "the image {image} of container {container} cannot be pulled ({detail})"
            ),
            Self::Unschedulable { detail } => write!(formatter, "no node takes it ({detail})"),
            Self::Crashing { container, detail } => {
                write!(
                    formatter,
                    "container {container} does not stay up ({detail})"
                )
            }
            Self::AppUnhealthy => {
                formatter.write_str("the app runs, but is not healthy at spec.app.healthPath")
            }
        }
    }
}

impl Trouble {
    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::ImagePull { .. } => {
                "correct the image, load it into the cluster, or add imagePullSecrets to \
                 spec.template"
            }
            Self::Unschedulable { .. } => {
                "add a node, ask for less in resources, or change nodeSelector, affinity and \
                 tolerations in spec.template"
            }
            Self::Crashing { .. } => "read its log with kubectl logs --previous",
            Self::AppUnhealthy => {
                "read the app's log, and check spec.app.port and spec.app.healthPath"
            }
        }
    }
}

/// Reasons for which a container waits because of its image.
const PULL_REASONS: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
];

/// Reasons for which a container waits because it does not live.
const CRASH_REASONS: [&str; 5] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
];

impl PodView {
    /// Reads a pod.
    pub fn of(pod: &Existing) -> Self {
        let status = pod.body.get("status").unwrap_or(&Value::Null);
        let containers = containers(status);
        let running = |container: &&Value| container.pointer("/state/running").is_some();
        let app = containers
            .iter()
            .find(|container| text(container, "/name") == Some("app"));
        let owned = |value: Option<&str>| value.map(str::to_owned);
        let ready = condition(status, "Ready").is_some_and(is_true) && !pod.is_going();
        Self {
            name: pod.name().to_owned(),
            uid: pod.uid().to_owned(),
            resource_version: pod.resource_version().to_owned(),
            address: owned(text(status, "/podIP")),
            node: owned(text(&pod.body, "/spec/nodeName")),
            revision: pod
                .annotation(names::REVISION_ANNOTATION)
                .unwrap_or_default()
                .to_owned(),
            going: pod.is_going(),
            ready,
            running: containers.len() >= 2 && containers.iter().all(running),
            app_image_id: app.and_then(|app| owned(text(app, "/imageID"))),
            trouble: if ready {
                None
            } else {
                trouble(status, &containers)
            },
        }
    }
}

fn containers(status: &Value) -> Vec<&Value> {
    let lists = ["initContainerStatuses", "containerStatuses"];
    let lists = lists.iter().filter_map(|key| status.get(key)?.as_array());
    lists.flatten().collect()
}

fn trouble(status: &Value, containers: &[&Value]) -> Option<Trouble> {
    let scheduled = condition(status, "PodScheduled");
    if let Some(scheduled) = scheduled.filter(|scheduled| !is_true(scheduled)) {
        let detail = text(scheduled, "/message").unwrap_or("the scheduler gives no reason");
        let detail = detail.to_owned();
        return Some(Trouble::Unschedulable { detail });
    }
    let waiting = containers.iter().find_map(|container| waiting(container));
    waiting.or_else(|| unhealthy_app(containers))
}

fn waiting(container: &Value) -> Option<Trouble> {
    let reason = text(container, "/state/waiting/reason")?;
    let name = text(container, "/name").unwrap_or_default().to_owned();
    let message = text(container, "/state/waiting/message").unwrap_or_default();
    let detail = format!("{reason}: {message}");
    if PULL_REASONS.contains(&reason) {
        let image = text(container, "/image").unwrap_or_default().to_owned();
        return Some(Trouble::ImagePull {
            container: name,
            image,
            detail,
        });
    }
    CRASH_REASONS
        .contains(&reason)
        .then_some(Trouble::Crashing {
            container: name,
            detail,
        })
}

/// The app runs, but its startup probe or its liveness probe says no.
fn unhealthy_app(containers: &[&Value]) -> Option<Trouble> {
    let app = containers
        .iter()
        .find(|container| text(container, "/name") == Some("app"))?;
    let running = app.pointer("/state/running").is_some();
    let ready = app.get("ready") == Some(&Value::Bool(true));
    (running && !ready).then_some(Trouble::AppUnhealthy)
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == Some(kind))
}

fn is_true(condition: &Value) -> bool {
    text(condition, "/status") == Some("True")
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(status: &Value) -> PodView {
        let body = json!({"metadata": {"name": "a-0-0", "uid": "u"}, "status": status});
        PodView::of(&Existing { body })
    }

    #[test]
    fn what_keeps_a_pod_from_being_ready_is_named() {
        let pull = json!({"containerStatuses": [{"name": "app", "image": "x:1",
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]});
        let Some(Trouble::ImagePull { image, detail, .. }) = view(&pull).trouble else {
            panic!("no pull trouble");
        };
        assert_eq!(
            (image.as_str(), detail.as_str()),
            ("x:1", "ImagePullBackOff: no such image")
        );
        let place = json!({"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes"}]});
        assert!(matches!(
            view(&place).trouble,
            Some(Trouble::Unschedulable { .. })
        ));
        let well = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        assert!(view(&well).ready);
    }

    #[test]
    fn an_app_that_runs_and_is_not_ready_is_unhealthy() {
        let status = json!({"containerStatuses": [{"name": "app", "ready": false,
            "state": {"running": {}}}]});
        assert_eq!(view(&status).trouble, Some(Trouble::AppUnhealthy));
    }
}
