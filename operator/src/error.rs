//! Why the operator could not do something.

/// Why the operator could not do something; each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The API server refuses, or cannot be reached.
    #[error("cannot {what}: {source}")]
    Cluster {
        /// What was tried, such as `apply StatefulSet wallet-0`.
        what: String,
        /// What it said.
        source: kube::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on port {port}: {source}; does another process use it?")]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot listen for signals: {source}")]
    Signals {
        /// What the system said.
        source: std::io::Error,
    },
    /// A needed variable of the environment is missing.
    #[error("the environment has no {name}: set it to {meaning}, as the chart does")]
    Unset {
        /// The variable.
        name: &'static str,
        /// What it is.
        meaning: &'static str,
    },
    /// The enrolment server cannot begin.
    #[error("cannot begin to enrol sidecars: {source}")]
    Authority {
        /// Why.
        #[from]
        source: crate::enrolment::AuthorityError,
    },
    /// A metric cannot be registered.
    #[error("cannot register a metric: {source}")]
    Metric {
        /// Why.
        #[from]
        source: prometheus::Error,
    },
    /// Another operator has taken over, or the API server could not be reached for too long.
    #[error("the lease is lost: {why}. Another operator may act now, so this one waits its turn")]
    LeaseLost {
        /// What happened.
        why: &'static str,
    },
}

impl OperatorError {
    /// Whether the world changed between reading and writing, so that looking again helps.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Cluster {
                source: kube::Error::Api(status),
                ..
            } => status.code == 409 || status.code == 404,
            _ => false,
        }
    }
}
