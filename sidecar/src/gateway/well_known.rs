//! What a gateway serves under `/.well-known/byzantine/`: proofs, the tree, and the policy for
//! comparison. All of it is public and nothing of it is certified by its transport.

use byzantine_proof::{Digest, Policy, Tile};
use http::{HeaderValue, Method, header};

use super::reply::{self, Reply};
use crate::ledger::LedgerError;
use crate::problem::{Problem, ProblemKind};
use crate::submission::Driver;

/// Where everything here lives.
pub(super) const PREFIX: &str = "/.well-known/byzantine";

const TEXT: &str = "text/plain; charset=utf-8";

const PAGE: &str = include_str!("page.html");

/// The answer for a path below [`PREFIX`]; may read from disk.
pub(super) fn respond(driver: &Driver, method: &Method, path: &str) -> Reply {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let detail = format!("{method} is not possible below {PREFIX}/.");
        let mut reply = reply::problem(&Problem::new(ProblemKind::MethodNotAllowed, detail));
        reply
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return reply;
    }
    let name = path
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix('/'));
    find(driver, name.unwrap_or_default()).unwrap_or_else(|problem| reply::problem(&problem))
}

fn find(driver: &Driver, name: &str) -> Result<Reply, Problem> {
    match name {
        "" => Ok(page(driver)),
        "policy" => Ok(reply::document(
            Policy::of(driver.membership()).to_string(),
            TEXT,
        )),
        "checkpoint" => checkpoint(driver),
        _ if name.starts_with("tile/") => tile(driver, name),
        _ => match name.strip_prefix("proof/") {
            Some(key) => proof(driver, key),
            None => Err(missing("No page has this name.")),
        },
    }
}

fn page(driver: &Driver) -> Reply {
    let membership = driver.membership();
    let page = PAGE
        .replace("{service}", &membership.service().to_string())
        .replace("{origin}", membership.origin().as_str())
        .replace("{replicas}", &membership.n().to_string())
        .replace("{faults}", &membership.f().to_string())
        .replace("{quorum}", &membership.reply_quorum().to_string());
    let mut reply = reply::document(page, "text/html; charset=utf-8");
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    reply
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    reply
}

fn checkpoint(driver: &Driver) -> Result<Reply, Problem> {
    let note = driver.latest_checkpoint();
    note.map(|note| reply::document(note, TEXT)).ok_or_else(|| {
        missing("No checkpoint is certified yet: nothing was ordered since the service began.")
    })
}

fn tile(driver: &Driver, name: &str) -> Result<Reply, Problem> {
    let tile = Tile::parse(name).ok_or_else(|| missing("No tile of a tree has this name."))?;
    let hashes = driver.tile(tile).map_err(|error| unreadable(&error))?;
    let hashes = hashes.ok_or_else(|| missing("The tree has not grown to this tile yet."))?;
    let mut reply = reply::document(hashes, "application/octet-stream");
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    reply.headers_mut().insert(header::CACHE_CONTROL, forever);
    Ok(reply)
}

fn proof(driver: &Driver, key: &str) -> Result<Reply, Problem> {
    let key = Digest::from_hex(key).ok_or_else(|| {
        missing("A proof is named by the hash of its key: 64 lower-case hexadecimal digits.")
    })?;
    let found = driver
        .answer_of_key(&key)
        .map_err(|error| unreadable(&error))?;
    let certified = found.ok_or_else(|| {
        missing(
            "No answer is remembered for this key: it is unknown, not certified yet, or too \
                 old.",
        )
    })?;
    Ok(reply::document(certified.proof.to_text(), TEXT))
}

fn missing(detail: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, detail)
}

fn unreadable(error: &LedgerError) -> Problem {
    let detail = format!("This replica's ledger cannot be read: {error}. Ask another one.");
    Problem::new(ProblemKind::NotAccepted, detail).retry_after(1)
}
