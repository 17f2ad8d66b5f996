//! What the operator's own deployment decides.

/// What the operator's own deployment decides; equal for all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The sidecar image of services that name none.
    pub sidecar_image: String,
    /// The namespace in which the operator runs.
    pub namespace: String,
    /// The certificates, PEM, of the authority that vouches for the enrolment server.
    pub authority: String,
}

impl Settings {
    /// Where sidecars enrol.
    pub fn enrolment_url(&self) -> String {
        let (namespace, port) = (&self.namespace, crate::names::ENROLMENT_PORT);
        format!("https://byzantine-operator.{namespace}.svc:{port}")
    }
}
