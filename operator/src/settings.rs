//! What the operator's own deployment decides.

/// What the operator's own deployment decides; equal for all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The sidecar image of services that name none.
    pub sidecar_image: String,
    /// The name of the operator's own objects, its Service among them.
    pub operator: String,
    /// The namespace in which the operator runs.
    pub namespace: String,
    /// The certificates, PEM, of the authority that vouches for the enrolment server.
    pub authority: String,
}

impl Settings {
    /// Where sidecars enrol.
    pub fn enrolment_url(&self) -> String {
        let (operator, namespace) = (&self.operator, &self.namespace);
        let port = crate::names::ENROLMENT_PORT;
        format!("https://{operator}.{namespace}.svc:{port}")
    }
}
