//! The request that a user describes on the command line.

use std::path::Path;

use clap::Args;

use crate::error::CliError;
use crate::files;

/// The options that describe a request, named as curl names them.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RequestOptions {
    /// The body; `@FILE` reads a file, `@-` standard input
    #[arg(
        short = 'd',
        long = "data-binary",
        visible_alias = "body",
        value_name = "BODY"
    )]
    pub(crate) body: Option<String>,
    /// A header field to send, such as 'Content-Type: application/json'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The Idempotency-Key; the same key names the same request, however often it is sent
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Names and values of header fields, in order.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

impl RequestOptions {
    /// The body's bytes.
    ///
    /// # Errors
    /// As [`files::read`].
    pub(crate) fn body(&self) -> Result<Vec<u8>, CliError> {
        match self.body.as_deref() {
            None => Ok(Vec::new()),
            Some(text) => match text.strip_prefix('@') {
                Some(path) => files::read(Path::new(path)),
                None => Ok(text.as_bytes().to_vec()),
            },
        }
    }

    /// The header fields, names in lower case.
    ///
    /// # Errors
    /// [`CliError::Header`].
    pub(crate) fn fields(&self) -> Result<Fields, CliError> {
        self.headers.iter().map(|text| field(text)).collect()
    }
}

fn field(text: &str) -> Result<(String, Vec<u8>), CliError> {
    let refused = || CliError::Header {
        text: text.to_owned(),
    };
    let (name, value) = text.split_once(':').ok_or_else(refused)?;
    let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    let value = value.trim_matches([' ', '\t']);
    http::HeaderValue::from_str(value).map_err(|_| refused())?;
    Ok((name.as_str().to_owned(), value.as_bytes().to_vec()))
}

/// Whether a field of that name is there.
pub(crate) fn has(fields: &Fields, name: &str) -> bool {
    fields.iter().any(|(other, _)| other == name)
}

/// The same fields as borrowed pairs, as the verifier takes them.
pub(crate) fn borrowed(fields: &Fields) -> Vec<(&str, &[u8])> {
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_curl_reads_them() {
        assert_eq!(
            field("X-Tenant:  a ").unwrap(),
            ("x-tenant".to_owned(), b"a".to_vec())
        );
        assert_eq!(field("x:").unwrap().1, b"");
        for bad in ["x", "a b: c", ": c", "a: \u{1}"] {
            assert!(field(bad).is_err(), "{bad}");
        }
    }
}
