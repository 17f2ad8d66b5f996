//! What the operator's deployment tells it, by environment variables.

use crate::error::OperatorError;

/// What the chart calls the operator unless told otherwise.
const DEFAULT_NAME: &str = "byzantine-operator";

/// What the operator's deployment tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `POD_NAMESPACE`: where it runs.
    pub namespace: String,
    /// `OPERATOR_NAME`: what its Service and its lease are called, and its Secret begins with.
    pub name: String,
    /// `POD_NAME`: who it is; the host's name where absent.
    pub identity: String,
    /// `WATCH_NAMESPACES`: whose services it looks after, separated by commas; none means all.
    pub watch_namespaces: Vec<String>,
    /// `SIDECAR_IMAGE`: the image of services that name none.
    pub sidecar_image: String,
    /// `CLUSTER_DOMAIN`: the end of names in the cluster's DNS.
    pub cluster_domain: String,
    /// `LOG_LEVEL`: what is logged.
    pub log_level: String,
    /// `LOG_FORMAT`: whether a log line is a JSON object.
    pub log_json: bool,
}

impl Environment {
    /// Reads variables; absent and empty ones are the same.
    ///
    /// # Errors
    /// [`OperatorError::Unset`] names the one that is needed and missing.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, OperatorError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed = |name, meaning| set(name).ok_or(OperatorError::Unset { name, meaning });
        let or = |name: &str, default: &str| set(name).unwrap_or_else(|| default.to_owned());
        let watched = or("WATCH_NAMESPACES", "");
        let watched = watched
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        Ok(Self {
            namespace: needed("POD_NAMESPACE", "the namespace in which the operator runs")?,
            name: or("OPERATOR_NAME", DEFAULT_NAME),
            identity: set("POD_NAME").unwrap_or_else(|| or("HOSTNAME", DEFAULT_NAME)),
            watch_namespaces: watched.map(str::to_owned).collect(),
            sidecar_image: needed("SIDECAR_IMAGE", "the image of sidecars")?,
            cluster_domain: or("CLUSTER_DOMAIN", "cluster.local"),
            log_level: or("LOG_LEVEL", "info"),
            log_json: or("LOG_FORMAT", "json") != "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, OperatorError> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Environment::read(find)
    }

    #[test]
    fn namespaces_are_a_list_and_absent_ones_mean_all() {
        let needed = [("POD_NAMESPACE", "ns"), ("SIDECAR_IMAGE", "sidecar:1")];
        assert!(read(&needed).unwrap().watch_namespaces.is_empty());
        let all = [needed[0], needed[1], ("WATCH_NAMESPACES", "a, b,")];
        assert_eq!(read(&all).unwrap().watch_namespaces, ["a", "b"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = read(&[("POD_NAMESPACE", "ns"), ("SIDECAR_IMAGE", "")]).unwrap_err();
        assert!(error.to_string().contains("SIDECAR_IMAGE"), "{error}");
    }
}
