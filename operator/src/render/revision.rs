//! What one replica runs: its template, its configuration, and the version of its app.
//!
//! A revision is kept whole, so that a pod that comes back is the one that was, whatever the spec
//! or the operator say by then.

use byzantine_resource::{
    Application, Cors, EnvironmentVariable, FileMount, Http, ReplicaOverride, Spec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Subject, config, pod};
use crate::digest;
use crate::names;
use crate::object::{Existing, Kind, Object};

/// The part of a replica that decides its answers, which all replicas change together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppVersion {
    /// The image.
    pub image: String,
    /// Its entry point.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<EnvironmentVariable>,
    /// Its files.
    pub files: Vec<FileMount>,
}

impl AppVersion {
    /// What the spec asks replica `ordinal` to run.
    pub fn wanted(spec: &Spec, ordinal: u32) -> Self {
        let own = spec.overrides.iter().find(|own| own.ordinal == ordinal);
        let version = Self::common(&spec.app);
        own.map_or(version.clone(), |own| version.with(own))
    }

    /// What replicas without an override run.
    pub fn common(app: &Application) -> Self {
        Self {
            image: app.image.clone(),
            command: app.command.clone(),
            args: app.args.clone(),
            env: app.env.clone(),
            files: app.files.clone(),
        }
    }

    /// An override takes the place of what it names; variables of the same name are replaced.
    fn with(mut self, own: &ReplicaOverride) -> Self {
        if let Some(image) = &own.image {
            self.image.clone_from(image);
        }
        if !own.command.is_empty() {
            self.command.clone_from(&own.command);
        }
        if !own.args.is_empty() {
            self.args.clone_from(&own.args);
        }
        let replaced = |variable: &EnvironmentVariable| {
            own.env.iter().all(|other| other.name != variable.name)
        };
        self.env.retain(replaced);
        self.env.extend(own.env.iter().cloned());
        self
    }

    /// Short enough to be printed.
    pub fn digest(&self) -> String {
        digest::short(&json!(self))
    }
}

/// What one replica runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The version of its app.
    pub app: AppVersion,
    /// How HTTP is treated, without what may differ between replicas.
    pub http: Http,
    /// The sidecar's configuration.
    pub config: String,
    /// The pod template, without the annotation that names this revision.
    pub template: Value,
}

impl Revision {
    /// What a replica runs with that version of the app and that treatment of HTTP, and the spec's
    /// everything else.
    pub fn new(subject: Subject<'_>, ordinal: u32, app: AppVersion, http: &Http) -> Self {
        let config = config::sidecar_config(subject, http);
        let template = pod::template(subject, ordinal, &app, &config);
        Self {
            app,
            http: agreed(http),
            config,
            template,
        }
    }

    /// Its name among the revisions of its replica.
    pub fn digest(&self) -> String {
        digest::short(&json!([self.template, self.config]))
    }

    /// The pod template, with the annotation that names this revision.
    pub fn marked_template(&self) -> Value {
        let mut template = self.template.clone();
        template["metadata"]["annotations"][names::REVISION_ANNOTATION] = json!(self.digest());
        template
    }

    /// The object that keeps it. Of a replica's revisions the one with the highest number is the
    /// assigned one; `failed` says why it must not be tried again.
    pub fn keep(
        &self,
        subject: Subject<'_>,
        ordinal: u32,
        number: i64,
        failed: Option<&str>,
    ) -> Object {
        let mut metadata = subject.replica_metadata(ordinal);
        if let Some(reason) = failed {
            metadata["annotations"] = json!({names::FAILED_ANNOTATION: reason});
        }
        let replica = names::replica(&subject.name(), ordinal);
        let body = json!({"metadata": metadata, "revision": number, "data": self});
        let name = format!("{replica}-{}", self.digest());
        Object::new(Kind::ControllerRevision, name, body)
    }

    /// What an object keeps, if it can be read.
    pub fn kept(existing: &Existing) -> Option<Self> {
        serde_json::from_value(existing.body.get("data")?.clone()).ok()
    }
}

/// What decides request identities and leaves; which pages may call does not.
pub(crate) fn agreed(http: &Http) -> Http {
    Http {
        cors: Cors::default(),
        ..http.clone()
    }
}
