//! The lease: of several operators, one acts.
//!
//! A holder that has not renewed for the lease's duration has lost it, as the others see it by
//! their own clocks; a holder gives up earlier by its own. Safety does not rest on this alone: a
//! replacement in the status is honoured by every operator.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;

use crate::environment::Environment;
use crate::error::OperatorError;

/// Whoever does not renew for so long has lost it.
const DURATION: Duration = Duration::from_secs(15);

/// A holder that could not renew for so long gives up.
const GIVE_UP: Duration = Duration::from_secs(10);

/// How often it is renewed, or looked at.
const PERIOD: Duration = Duration::from_secs(3);

const TAKEN: &str = "another operator holds it";
const NOT_RENEWED: &str = "it could not be renewed for ten seconds";

/// Holds the lease, or waits for it.
pub struct Holder {
    leases: Api<Lease>,
    name: String,
    identity: String,
    seen: Option<(LeaseSpec, Instant)>,
}

impl Holder {
    /// Would hold the lease of the operator's name, as `identity`.
    pub fn new(client: Client, environment: &Environment) -> Self {
        Self {
            leases: Api::namespaced(client, &environment.namespace),
            name: environment.name.clone(),
            identity: environment.identity.clone(),
            seen: None,
        }
    }

    /// Waits until it holds the lease.
    pub async fn acquire(&mut self) {
        let mut period = tokio::time::interval(PERIOD);
        loop {
            period.tick().await;
            match tokio::time::timeout(PERIOD, self.attempt()).await {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) => tracing::info!("another operator holds the lease; waiting"),
                Ok(Err(error)) => tracing::warn!(%error, "cannot take the lease yet"),
                Err(_) => tracing::warn!("taking the lease takes long"),
            }
        }
    }

    /// Renews it until told to stop, and then releases it.
    ///
    /// # Errors
    /// [`OperatorError::LeaseLost`].
    pub async fn keep(mut self, mut stop: watch::Receiver<bool>) -> Result<(), OperatorError> {
        let mut renewed = Instant::now();
        let mut period = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                _ = period.tick() => {}
            }
            match tokio::time::timeout(PERIOD, self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return Err(OperatorError::LeaseLost { why: TAKEN }),
                Ok(Err(error)) => tracing::warn!(%error, "cannot renew the lease yet"),
                Err(_) => tracing::warn!("renewing the lease takes long"),
            }
            if renewed.elapsed() > GIVE_UP {
                return Err(OperatorError::LeaseLost { why: NOT_RENEWED });
            }
        }
        self.release().await;
        Ok(())
    }

    /// Takes or renews it if that is allowed; says whether it is ours.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let found = self.leases.get_opt(&self.name).await?;
        let Some(mut lease) = found else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.claim(None)),
            };
            return written(self.leases.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.take().unwrap_or_default();
        if !self.may_take(&spec) {
            return Ok(false);
        }
        lease.spec = Some(self.claim(Some(spec)));
        written(
            self.leases
                .replace(&self.name, &PostParams::default(), &lease)
                .await,
        )
    }

    /// Ours, nobody's, or not renewed for its duration since we first saw it so.
    fn may_take(&mut self, spec: &LeaseSpec) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return true;
        }
        match &self.seen {
            Some((seen, since)) if seen == spec => since.elapsed() > DURATION,
            _ => {
                self.seen = Some((spec.clone(), Instant::now()));
                false
            }
        }
    }

    fn claim(&self, old: Option<LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let old = old.unwrap_or_default();
        let same = old.holder_identity.as_deref() == Some(&self.identity);
        let since = old.acquire_time.filter(|_| same);
        let transitions = old.lease_transitions.unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: since.or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions.saturating_add(i32::from(!same))),
            ..LeaseSpec::default()
        }
    }

    /// Lets the next one begin at once. If it cannot, that one waits for the lease's end.
    async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.leases.get_opt(&self.name).await else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return;
        }
        spec.holder_identity = Some(String::new());
        let released = self
            .leases
            .replace(&self.name, &PostParams::default(), &lease)
            .await;
        if let Err(error) = released {
            tracing::warn!(%error, "cannot release the lease; the next operator waits for its end");
        }
    }
}

/// Others that wrote first have it.
fn written(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
