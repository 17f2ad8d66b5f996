//! `byz call`: send, fail over, verify, print what was certified.

mod attempt;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use byzantine_proof::{Client, IdempotencyKey, MaxAge, Policy, Verified};
use clap::Args;
use http::{Method, Uri};

use crate::arguments::OutputFormat;
use crate::error::CliError;
use crate::explanation;
use crate::files;
use crate::http_client::{HttpClient, Outgoing, parse_url};
use crate::instant::now_ms;
use crate::output;
use crate::request::{RequestOptions, has};
use crate::verify::parse_key;
use attempt::{Attempt, Outcome};

/// How often all gateways are tried before giving up.
const ROUNDS: usize = 3;

/// The longest time that a gateway's `Retry-After` is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Arguments of `byz call`.
#[derive(Debug, Args)]
#[command(after_help = "\
The request goes to the first URL. If that gateway is down, slow, or its answer does not verify, the
same request goes to the next one under the same Idempotency-Key, so that it runs once at most.
Only what a quorum certified is printed.

Examples:
  byz call http://127.0.0.1:15080/balances --policy policy
  byz call POST http://127.0.0.1:15080/transfers http://127.0.0.1:15090 -d '{\"amount\":5}' \\
      --policy policy --key order-17
  BYZANTINE_POLICY=policy byz call http://127.0.0.1:15080/ --include

Exit codes: 0 a verified answer (whatever its status), 1 answers came and none verified,
2 wrong use, 3 no gateway gave an answer.")]
pub(crate) struct CallArguments {
    /// The method, then URLs: the first in full, others may be scheme, host and port only
    #[arg(value_name = "[METHOD] URL", required = true)]
    words: Vec<String>,
    /// The trusted policy, from `byz policy` or the data directory of `byz run`
    #[arg(long, env = "BYZANTINE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    options: RequestOptions,
    /// How long one gateway may take
    #[arg(long, default_value = "15s", value_name = "DURATION")]
    timeout: humantime::Duration,
    /// The oldest answer to accept, such as 30s
    #[arg(long, value_name = "DURATION")]
    max_age: Option<humantime::Duration>,
    /// Print the certified status and header fields, too
    #[arg(short, long)]
    include: bool,
    /// Do not say on standard error what was verified
    #[arg(short, long)]
    quiet: bool,
    /// text or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// One request and the gateways to try.
struct Call {
    policy: Policy,
    key: IdempotencyKey,
    outgoing: Vec<Outgoing>,
    timeout: Duration,
    max_age_ms: Option<u64>,
}

pub(crate) async fn execute(arguments: CallArguments) -> Result<ExitCode, CliError> {
    let call = Call::new(&arguments)?;
    let verified = call.run(&arguments).await?;
    match arguments.output {
        OutputFormat::Json => {
            let mut document = explanation::proved_json(&verified, &call.policy);
            document["idempotencyKey"] = call.key.as_str().into();
            output::print_json(&document);
        }
        OutputFormat::Text => print(&arguments, &verified, &call.policy),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(arguments: &CallArguments, verified: &Verified, policy: &Policy) {
    if arguments.include {
        output::print(format_args!("HTTP/1.1 {}", verified.leaf.status));
        for field in &verified.fields {
            output::print_bytes(&[field.name.as_bytes(), b": ", &field.value, b"\n"].concat());
        }
        output::print("");
    }
    output::print_bytes(&verified.body);
    if output::is_watched() && !verified.body.ends_with(b"\n") {
        output::note("");
    }
    if !arguments.quiet {
        output::note(explanation::summary(verified, policy));
    }
}

impl Call {
    fn new(arguments: &CallArguments) -> Result<Self, CliError> {
        let (method, urls) = method_and_urls(&arguments.words, arguments.options.body.is_some())?;
        let policy = files::read_policy(arguments.policy.as_deref())?;
        let key = match &arguments.options.key {
            Some(text) => parse_key(text)?,
            None => fresh_key(),
        };
        let body = Bytes::from(arguments.options.body()?);
        let headers = headers(arguments, &key, &body)?;
        let request = |url: Uri| {
            let (method, headers, body) = (method.clone(), headers.clone(), body.clone());
            Outgoing {
                method,
                url,
                headers,
                body,
            }
        };
        let millis = |age: humantime::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            policy,
            key,
            outgoing: urls.into_iter().map(request).collect(),
            timeout: arguments.timeout.into(),
            max_age_ms: arguments.max_age.map(millis),
        })
    }

    /// Tries every gateway in turn, the same request under the same key.
    async fn run(&self, arguments: &CallArguments) -> Result<Verified, CliError> {
        let client = HttpClient::new();
        let (mut report, mut refused) = (Vec::new(), false);
        for round in 0..ROUNDS {
            let mut pause = Duration::from_millis(200);
            for outgoing in &self.outgoing {
                let (attempt, fault) = match self.attempt(&client, outgoing).await {
                    Outcome::Verified(verified) => return Ok(*verified),
                    Outcome::Failed {
                        why,
                        unverified,
                        pause: asked,
                    } => {
                        pause = asked.unwrap_or(pause).min(LONGEST_PAUSE);
                        (why, unverified)
                    }
                };
                refused |= fault;
                let line = format!("  {}: {attempt}", outgoing.url);
                if !arguments.quiet {
                    output::note(format_args!("byz:{line}"));
                }
                report.push(line);
            }
            if round + 1 < ROUNDS {
                tokio::time::sleep(pause).await;
            }
        }
        let kept = report.split_off(report.len().saturating_sub(self.outgoing.len()));
        Err(self.failure(&kept, refused))
    }

    async fn attempt(&self, client: &HttpClient, outgoing: &Outgoing) -> Outcome {
        let max_age = self.max_age_ms.map(|max_age_ms| MaxAge {
            now_ms: now_ms(),
            max_age_ms,
        });
        let attempt = Attempt {
            client,
            policy: &self.policy,
            key: &self.key,
            signer: Client::Anonymous,
            timeout: self.timeout,
            max_age,
        };
        attempt.run(outgoing).await
    }

    fn failure(&self, lines: &[String], refused: bool) -> CliError {
        let next = if refused {
            "a gateway's answer is not what a quorum certified; call another gateway with the \
             same key, and tell the operator"
        } else {
            "check the addresses and `byz status`; call again with the same --key, so that the \
             request runs once at most"
        };
        let attempts = format!("{}\n  key: {}", lines.join("\n"), self.key.as_str());
        CliError::NoAnswer {
            attempts,
            next,
            refused,
        }
    }
}

/// Random, so that the answer cannot be older than the call.
pub(crate) fn fresh_key() -> IdempotencyKey {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("every supported system has random bytes");
    IdempotencyKey::new(&hex::encode(bytes)).expect("32 hexadecimal digits are a key")
}

fn headers(
    arguments: &CallArguments,
    key: &IdempotencyKey,
    body: &Bytes,
) -> Result<crate::request::Fields, CliError> {
    let mut headers = arguments.options.fields()?;
    headers.retain(|(name, _)| name != "idempotency-key");
    if arguments.options.body.is_some() && !has(&headers, "content-type") {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        let kind = if json {
            "application/json"
        } else {
            "application/octet-stream"
        };
        headers.push(("content-type".to_owned(), kind.as_bytes().to_vec()));
    }
    if !has(&headers, "accept") {
        headers.push(("accept".to_owned(), b"*/*".to_vec()));
    }
    headers.push(("idempotency-key".to_owned(), key.to_string().into_bytes()));
    Ok(headers)
}

/// The method, if the first word is one, and every URL in full.
fn method_and_urls(words: &[String], posts: bool) -> Result<(Method, Vec<Uri>), CliError> {
    let (method, urls) = match words.split_first() {
        Some((first, rest)) if !first.contains("://") => (Some(first), rest),
        _ => (None, words),
    };
    let default = if posts { Method::POST } else { Method::GET };
    let method = match method {
        None => default,
        Some(text) => {
            let known = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
            let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes());
            let refused = |_| CliError::Method {
                method: text.clone(),
            };
            if !known {
                return Err(CliError::Method {
                    method: text.clone(),
                });
            }
            method.map_err(refused)?
        }
    };
    let (first, others) = urls.split_first().ok_or(CliError::NoUrl)?;
    let first = parse_url(first)?;
    let mut all = vec![first.clone()];
    for other in others {
        all.push(same_target(&first, parse_url(other)?)?);
    }
    Ok((method, all))
}

/// A further gateway takes the first one's path and query, or has the same.
fn same_target(first: &Uri, other: Uri) -> Result<Uri, CliError> {
    let bare = other
        .path_and_query()
        .is_none_or(|target| target.as_str() == "/");
    if !bare && other.path_and_query() != first.path_and_query() {
        let (first, other) = (first.to_string(), other.to_string());
        return Err(CliError::DifferentTargets { first, other });
    }
    let mut parts = other.into_parts();
    parts.path_and_query = first.path_and_query().cloned();
    Ok(Uri::from_parts(parts).expect("scheme and host were there, and a path was added"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<(Method, Vec<Uri>), CliError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        method_and_urls(&words, false)
    }

    #[test]
    fn further_gateways_take_the_first_path() {
        let (method, urls) = words("post http://a:1/x?y=z http://b:2 http://c/x?y=z").unwrap();
        assert_eq!(method, Method::POST);
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        assert_eq!(
            urls,
            ["http://a:1/x?y=z", "http://b:2/x?y=z", "http://c/x?y=z"]
        );
        assert_eq!(words("http://a/x").unwrap().0, Method::GET);
    }

    #[test]
    fn other_words_are_refused() {
        for bad in [
            "GET",
            "a/b http://a",
            "http://a/x http://b/y",
            "https://a",
            "GET ftp://a",
        ] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_differ() {
        assert_ne!(fresh_key(), fresh_key());
    }
}
