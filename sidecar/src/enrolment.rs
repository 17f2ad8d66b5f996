//! How a replica becomes a member where keys and membership are not given to it.
//!
//! It makes its keys on its own volume, proves to the operator that it holds them, waits for the
//! membership that pins everybody's, and keeps that. From then on the volume alone says who it
//! is: no later start asks the operator, and keys that are lost are never replaced in silence.

mod exchange;
mod obstacle;
mod operator;
mod token;
mod volume;

use std::time::Duration;

use byzantine_proof::{Enrolment, Membership, ReplicaId};
use tokio::sync::watch;

use crate::config::{self, Config, ConfigError};
use crate::keystore::Keystore;
use crate::status::{EnrolmentState, EnrolmentStatus};

use exchange::Answer;
use obstacle::Obstacle;
use operator::Operator;
use token::Token;
use volume::Volume;

/// The epoch in which a service begins.
const GENESIS: u64 = 0;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Nobody waits for an affirmation.
const LONGEST_AFFIRMATION_PAUSE: Duration = Duration::from_mins(2);

/// What makes a replica one of the members.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Who the members are.
    pub membership: Membership,
    /// The secret keys of this one.
    pub keys: Keystore,
    /// Whether they were confirmed at this start; else they are what the volume says.
    pub confirmed: bool,
}

/// Tries to become a member, for ever.
pub struct Enroller {
    operator: Operator,
    volume: Volume,
    progress: watch::Sender<EnrolmentStatus>,
}

impl Enroller {
    /// Prepares it; `progress` hears how it goes.
    ///
    /// # Errors
    /// [`ConfigError::Field`] when the configuration names no server or service.
    pub fn new(
        config: &Config,
        settings: &config::Enrolment,
        progress: watch::Sender<EnrolmentStatus>,
    ) -> Result<Self, ConfigError> {
        let volume = Volume {
            keys: config.keys.clone(),
            membership: config.membership.clone(),
            service: settings.service_name()?,
            replica: ReplicaId(config.replica),
            members: config.peers.len(),
        };
        let operator = Operator::new(settings)?;
        Ok(Self {
            operator,
            volume,
            progress,
        })
    }

    /// Resolves once this replica is a member: at once if it was one before.
    pub async fn run(&self) -> Credentials {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt().await {
                Ok(credentials) => return credentials,
                Err(obstacle) => self.announce(obstacle.state(), obstacle.to_string()),
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells the operator again what the volume says, however long that takes: whoever made the
    /// service anew on retained volumes has no other way to know its members.
    pub async fn affirm(self, credentials: Credentials) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.learn(&credentials.keys).await {
                Ok(membership) if membership == credentials.membership => return,
                Ok(_) => tracing::error!("the operator has another membership than this volume"),
                Err(obstacle) => tracing::info!(%obstacle, "the operator does not confirm yet"),
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_AFFIRMATION_PAUSE);
        }
    }

    async fn attempt(&self) -> Result<Credentials, Obstacle> {
        if let Some(membership) = self.volume.membership()? {
            let keys = self.volume.keys_of_member()?;
            self.volume.check(&membership, &keys)?;
            return Ok(Credentials {
                membership,
                keys,
                confirmed: false,
            });
        }
        let keys = self.volume.keys()?;
        let membership = self.learn(&keys).await?;
        self.volume.check(&membership, &keys)?;
        self.volume.keep(&membership)?;
        let digest = membership.digest();
        tracing::info!(%digest, "enrolled: the membership is known, and kept on the volume");
        Ok(Credentials {
            membership,
            keys,
            confirmed: true,
        })
    }

    /// Enrols as often as needed until everybody has, and learns who the members are.
    async fn learn(&self, keys: &Keystore) -> Result<Membership, Obstacle> {
        loop {
            let text = match self.enrol(keys).await? {
                Answer::Complete(text) => Some(text),
                Answer::Pinned { missing } => {
                    self.announce(EnrolmentState::Waiting, waiting_for(&missing));
                    self.operator.membership(&self.volume.service).await?
                }
            };
            if let Some(text) = text {
                return Membership::parse(&text).map_err(|source| Obstacle::Membership { source });
            }
        }
    }

    async fn enrol(&self, keys: &Keystore) -> Result<Answer, Obstacle> {
        let token = Token::read(self.operator.token_file())?;
        let enrolment = Enrolment {
            service: self.volume.service.clone(),
            epoch: GENESIS,
            pod: token.pod().to_owned(),
            member: keys.member(self.volume.replica),
        };
        let possession = enrolment.sign(&keys.vote, &keys.cosigner, &keys.link);
        self.operator.enrol(&enrolment, &possession, &token).await
    }

    /// Says how it stands, in the log only when that is news.
    fn announce(&self, state: EnrolmentState, detail: String) {
        self.progress.send_if_modified(|last| {
            let status = EnrolmentStatus { state, detail };
            let news = *last != status;
            if news {
                let detail = status.detail.as_str();
                tracing::warn!(?state, detail, "the enrolment is not complete; it goes on");
                *last = status;
            }
            news
        });
    }
}

fn waiting_for(missing: &[u8]) -> String {
    let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    format!(
        "this replica's keys are pinned; waiting for those of replica {list}: see why their pods \
         do not start"
    )
}

/// Half the pause and a random part of the other half, so that replicas started together do not
/// ask in step.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
