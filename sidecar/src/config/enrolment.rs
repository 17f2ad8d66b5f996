//! Where and as what a sidecar enrols.

use std::path::PathBuf;

use byzantine_proof::ServiceName;
use http::Uri;
use serde::{Deserialize, Serialize};

use super::{ConfigError, refused};

const HTTPS_PORT: u16 = 443;

/// How to become a member of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Enrolment {
    /// The operator's enrolment server: `https://host[:port]`, without a path.
    pub url: String,
    /// The certificates, PEM, of the authority that vouches for that server.
    pub ca_file: PathBuf,
    /// The token, bound to this pod, that says who asks; it is read again for each try.
    pub token_file: PathBuf,
    /// `<name>.<namespace>.<domain>`: what to become a member of.
    pub service: String,
}

impl Enrolment {
    /// Host and port of the enrolment server.
    ///
    /// # Errors
    /// [`ConfigError::Field`] when `url` is not `https://host[:port]`.
    pub fn server(&self) -> Result<(String, u16), ConfigError> {
        let rule = "it has the form https://host:port, without a path";
        let wrong = || refused("enrolment.url", &self.url, rule);
        let uri: Uri = self.url.parse().map_err(|_| wrong())?;
        let plain = uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/");
        let host = uri.host().filter(|_| plain && uri.query().is_none());
        let host = host.ok_or_else(wrong)?.to_owned();
        Ok((host, uri.port_u16().unwrap_or(HTTPS_PORT)))
    }

    /// The service.
    ///
    /// # Errors
    /// [`ConfigError::Field`] when it is not `<name>.<namespace>.<domain>`.
    pub fn service_name(&self) -> Result<ServiceName, ConfigError> {
        let rule = "it has the form <name>.<namespace>.<domain>, in lower-case DNS labels";
        ServiceName::parse(&self.service)
            .map_err(|_| refused("enrolment.service", &self.service, rule))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.server()?;
        self.service_name().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolment(url: &str) -> Enrolment {
        Enrolment {
            url: url.to_owned(),
            ca_file: "ca.crt".into(),
            token_file: "token".into(),
            service: "wallet.bank.cluster.local".to_owned(),
        }
    }

    #[test]
    fn the_server_is_named_by_its_url() {
        let server = |url| enrolment(url).server().ok();
        let operator = ("byzantine-operator.byzantine-system.svc", 8443);
        let url = "https://byzantine-operator.byzantine-system.svc:8443";
        assert_eq!(server(url), Some((operator.0.to_owned(), operator.1)));
        assert_eq!(server("https://a"), Some(("a".to_owned(), 443)));
        for bad in [
            "http://a:1",
            "a:1",
            "https://a/v1",
            "https://a?b",
            "",
            "https://",
        ] {
            assert_eq!(server(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_service_has_three_parts() {
        let mut enrolment = enrolment("https://a");
        assert!(enrolment.check().is_ok());
        enrolment.service = "wallet".to_owned();
        let error = enrolment.check().unwrap_err().to_string();
        assert!(error.contains("enrolment.service"), "{error}");
    }
}
