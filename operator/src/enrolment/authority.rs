//! Who vouches for the enrolment server: a certificate authority of the operator's own.
//!
//! It lives in one Secret of the operator's namespace. Sidecars learn its certificate from their
//! service's `ConfigMap`, beside the address that it vouches for. Whoever comes second adopts what
//! the first has written.

mod material;
mod pem;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt as _};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::names;
use material::Material;

/// What follows the operator's name in that of its Secret.
const SUFFIX: &str = "enrolment";

/// How often a write is tried that others come before.
const MAX_ATTEMPTS: usize = 10;

/// How often it is seen whether renewal is due; certificates live for months.
const LOOK_INTERVAL: Duration = Duration::from_hours(1);

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The API server refuses.
    #[error(
        "cannot keep the enrolment authority in Secret {secret}: {source}; may the operator \
        get, create and update Secrets in its own namespace?"
    )]
    Cluster {
        /// The Secret's name.
        secret: String,
        /// What it said.
        source: kube::Error,
    },
    /// The Secret holds something else.
    #[error(
        "the Secret of the enrolment authority, OPERATOR-{SUFFIX}, cannot be used: {what}; delete \
        it, and a new one is made: sidecars that are enrolled do not need it"
    )]
    Unusable {
        /// What is wrong.
        what: String,
    },
    /// Certificates cannot be made.
    #[error("cannot make a certificate: {source}")]
    Certificate {
        /// What the library said.
        source: rcgen::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {source}")]
    Tls {
        /// What the library said.
        source: rustls::Error,
    },
    /// Others write all the time.
    #[error("Secret {secret} changes all the time; does a second operator run?")]
    Contended {
        /// The Secret's name.
        secret: String,
    },
}

/// A certificate authority and the server certificate that it has issued.
#[derive(Clone)]
pub struct Authority {
    secrets: Api<Secret>,
    secret: Arc<str>,
    names: Arc<[String]>,
    current: Arc<watch::Sender<Current>>,
}

struct Current {
    bundle: String,
    tls: Arc<ServerConfig>,
}

impl Authority {
    /// Reads the authority from the operator's namespace, or makes it; `names` are those under
    /// which sidecars reach the enrolment server of the operator of that name.
    ///
    /// # Errors
    /// Any [`AuthorityError`].
    pub async fn load_or_create(
        client: Client,
        namespace: &str,
        operator: &str,
        names: Vec<String>,
    ) -> Result<Self, AuthorityError> {
        let secrets = Api::namespaced(client, namespace);
        let secret = format!("{operator}-{SUFFIX}");
        let material = settle(&secrets, &secret, &names).await?;
        let current = Current::of(&material)?;
        Ok(Self {
            secrets,
            secret: secret.into(),
            names: names.into(),
            current: Arc::new(watch::Sender::new(current)),
        })
    }

    /// The names under which a Service of the operator's is reached in the cluster.
    pub fn service_names(service: &str, namespace: &str, cluster_domain: &str) -> Vec<String> {
        let local = format!("{service}.{namespace}.svc");
        let full = format!("{local}.{cluster_domain}");
        vec![local, full, format!("{service}.{namespace}")]
    }

    /// The certificates to trust, PEM.
    pub fn ca_pem(&self) -> String {
        self.current.borrow().bundle.clone()
    }

    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.borrow().tls)
    }

    /// Renews certificates before they expire, until it is dropped.
    pub(super) async fn keep_fresh(&self) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            looks.tick().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "cannot renew the enrolment server's certificate yet");
            }
        }
    }

    async fn refresh(&self) -> Result<(), AuthorityError> {
        let current = Current::of(&settle(&self.secrets, &self.secret, &self.names).await?)?;
        self.current.send_replace(current);
        Ok(())
    }
}

impl Current {
    fn of(material: &Material) -> Result<Self, AuthorityError> {
        let tls = material.server_config();
        let tls = tls.map_err(|source| AuthorityError::Tls { source })?;
        Ok(Self {
            bundle: material.bundle(),
            tls: Arc::new(tls),
        })
    }
}

/// What the Secret holds, once it is as it should be.
async fn settle(
    secrets: &Api<Secret>,
    name: &str,
    names: &[String],
) -> Result<Material, AuthorityError> {
    let failed = |source| AuthorityError::Cluster {
        secret: name.to_owned(),
        source,
    };
    for _ in 0..MAX_ATTEMPTS {
        let now = Timestamp::now();
        let found = secrets.get_opt(name).await.map_err(failed)?;
        let (new, version) = match &found {
            None => (Material::generate(names, now)?, None),
            Some(secret) => {
                let old = Material::read(secret.data.as_ref())?;
                match old.renewed(names, now)? {
                    None => return Ok(old),
                    Some(new) => (new, secret.resource_version()),
                }
            }
        };
        let parameters = PostParams::default();
        let written = match version {
            None => secrets.create(&parameters, &secret(name, &new, None)).await,
            version => {
                secrets
                    .replace(name, &parameters, &secret(name, &new, version))
                    .await
            }
        };
        match written {
            Ok(_) => return Ok(new),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
            }
            Err(source) => return Err(failed(source)),
        }
    }
    Err(AuthorityError::Contended {
        secret: name.to_owned(),
    })
}

fn secret(name: &str, material: &Material, version: Option<String>) -> Secret {
    let managed = ("app.kubernetes.io/managed-by", names::FIELD_MANAGER);
    let label = (managed.0.to_owned(), managed.1.to_owned());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([label].into()),
            resource_version: version,
            ..ObjectMeta::default()
        },
        data: Some(material.data()),
        ..Secret::default()
    }
}
