//! `byz verify`: a saved response, checked offline.

use std::path::PathBuf;
use std::process::ExitCode;

use byzantine_proof::{
    Client, Conditions, FieldBlock, IdempotencyKey, MaxAge, OwnRequest, ReceivedResponse,
    TlogProof, Verified, VerifyError, decode_header, verify,
};
use clap::Args;
use serde_json::json;

use crate::arguments::OutputFormat;
use crate::error::CliError;
use crate::explanation;
use crate::files;
use crate::instant::now_ms;
use crate::output;
use crate::request::{Fields, RequestOptions, borrowed, has};
use crate::transcript::{self, Transcript, TranscriptError};

const CANNOT_DECIDE: u8 = 3;

/// Arguments of `byz verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Save a response with its head (curl -si URL > response) and check it without any network. With the
request given too, the proof must be of that request.

Examples:
  byz verify --policy policy response
  curl -si http://127.0.0.1:15080/balances | byz verify --policy policy -
  byz verify --policy policy --url http://127.0.0.1:15080/transfers -X POST \\
      -d '{\"amount\":5}' -H 'Content-Type: application/json' --key my-key response

Exit codes: 0 verified, 1 not verified, 2 wrong use, 3 cannot decide (a file is missing or
unreadable).")]
pub(crate) struct VerifyArguments {
    /// The trusted policy, from `byz policy` or the data directory of `byz run`
    #[arg(long, env = "BYZANTINE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The URL that was asked for; the proof must then be of this request
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The method that was used
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<String>,
    #[command(flatten)]
    options: RequestOptions,
    /// The proof, where the response only links to it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// The oldest answer to accept, such as 30s
    #[arg(long, value_name = "DURATION")]
    max_age: Option<humantime::Duration>,
    /// text or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
    /// The saved response; - reads standard input
    #[arg(default_value = "-", value_name = "RESPONSE")]
    response: PathBuf,
}

pub(crate) fn execute(arguments: &VerifyArguments) -> Result<ExitCode, CliError> {
    arguments.check()?;
    let policy = files::read_policy(arguments.policy.as_deref())?;
    let bytes = files::read(&arguments.response)?;
    let transcript = match transcript::parse(&bytes) {
        Ok(transcript) => transcript,
        Err(error) => return Ok(unreadable(arguments, &error)),
    };
    let own = OwnParts::new(arguments, &transcript)?;
    match decide(arguments, &own, &policy, &transcript)? {
        Ok(verified) => {
            match arguments.output {
                OutputFormat::Text => output::print(explanation::proved(&verified, &policy)),
                OutputFormat::Json => {
                    output::print_json(&explanation::proved_json(&verified, &policy));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(refused(arguments, &error)),
    }
}

impl VerifyArguments {
    fn check(&self) -> Result<(), CliError> {
        let options = &self.options;
        let given = [
            ("-X", self.request.is_some()),
            ("-d", options.body.is_some()),
            ("-H", !options.headers.is_empty()),
            ("--key", options.key.is_some()),
        ];
        match given.iter().find(|(_, given)| *given && self.url.is_none()) {
            Some((given, _)) => Err(CliError::Lacks {
                given,
                missing: "--url",
            }),
            None => Ok(()),
        }
    }
}

/// The own request, read from the command line.
struct OwnParts {
    method: String,
    headers: Fields,
    body: Vec<u8>,
    key: Option<IdempotencyKey>,
}

impl OwnParts {
    fn new(arguments: &VerifyArguments, transcript: &Transcript<'_>) -> Result<Self, CliError> {
        let options = &arguments.options;
        let (body, mut headers) = (options.body()?, options.fields()?);
        let posts = options.body.is_some();
        let method = arguments
            .request
            .as_deref()
            .unwrap_or(if posts { "POST" } else { "GET" });
        if posts && !has(&headers, "content-type") && covers_content_type(arguments, transcript) {
            let form = b"application/x-www-form-urlencoded".to_vec();
            headers.push(("content-type".to_owned(), form));
        }
        let key = options.key.as_deref().map(parse_key).transpose()?;
        Ok(Self {
            method: method.to_owned(),
            headers,
            body,
            key,
        })
    }
}

/// curl sends a content type with every body; it counts where the certified request has one.
fn covers_content_type(arguments: &VerifyArguments, transcript: &Transcript<'_>) -> bool {
    let value = transcript
        .headers
        .iter()
        .find(|(name, _)| name == byzantine_proof::PROOF_HEADER);
    let text = match &arguments.proof {
        Some(path) => files::read_text(path).ok(),
        None => value.and_then(|(_, value)| decode_header(value).ok()),
    };
    let proof = text.and_then(|text| TlogProof::parse(&text).ok());
    let block = proof.and_then(|proof| FieldBlock::parse(&proof.fields).ok());
    block.is_some_and(|block| {
        block
            .request_fields()
            .names()
            .any(|name| name == "content-type")
    })
}

/// A key as `Idempotency-Key` carries it.
pub(crate) fn parse_key(text: &str) -> Result<IdempotencyKey, CliError> {
    IdempotencyKey::parse(text).map_err(|_| CliError::Key {
        key: text.to_owned(),
    })
}

fn decide(
    arguments: &VerifyArguments,
    own: &OwnParts,
    policy: &byzantine_proof::Policy,
    transcript: &Transcript<'_>,
) -> Result<Result<Verified, VerifyError>, CliError> {
    let headers = borrowed(&transcript.headers);
    let Transcript {
        status,
        body,
        redirected,
        ..
    } = *transcript;
    let received = ReceivedResponse {
        status,
        headers: &headers,
        body,
    };
    let own_headers = borrowed(&own.headers);
    let request = arguments.url.as_deref().map(|url| OwnRequest {
        method: &own.method,
        url,
        headers: &own_headers,
        body: &own.body,
        key: own.key.as_ref(),
        client: Client::Anonymous,
    });
    let proof = arguments
        .proof
        .as_deref()
        .map(files::read_text)
        .transpose()?;
    let max_age = arguments.max_age.map(|age| MaxAge {
        now_ms: now_ms(),
        max_age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
    });
    let proof = proof.as_deref();
    let conditions = Conditions {
        request,
        proof,
        redirected,
        max_age,
        seen: None,
    };
    Ok(verify(policy, &received, &conditions))
}

fn refused(arguments: &VerifyArguments, error: &VerifyError) -> ExitCode {
    match arguments.output {
        OutputFormat::Json => output::print_json(&explanation::refused_json(error)),
        OutputFormat::Text => {
            output::note(error);
            if let VerifyError::NoProof { link: Some(link) } = error {
                output::note(format_args!(
                    "  then: curl -s http://GATEWAY{link} > proof, and add --proof proof"
                ));
            }
        }
    }
    // Without the linked proof nothing speaks against the response either.
    let undecided = matches!(error, VerifyError::NoProof { link: Some(_) });
    ExitCode::from(if undecided { CANNOT_DECIDE } else { 1 })
}

/// A file that holds no response at all.
fn unreadable(arguments: &VerifyArguments, error: &TranscriptError) -> ExitCode {
    let (name, place) = (error.name(), arguments.response.display().to_string());
    let next = "save head and body together: curl -si URL > response";
    match arguments.output {
        OutputFormat::Json => output::print_json(&json!({
            "verified": false, "error": name, "message": error.to_string(), "nextStep": next,
        })),
        OutputFormat::Text => output::note(format_args!(
            "{name}: {place} is no HTTP response: {error}\n  next: {next}"
        )),
    }
    ExitCode::from(1)
}
