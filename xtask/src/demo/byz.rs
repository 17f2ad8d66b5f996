//! The `byz` program, as the demonstration uses it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::demo::plain_client::PlainRequest;
use crate::demo::seen;
use crate::error::XtaskError;

/// Where a program that was just built lies: beside this one.
pub(crate) fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("target/debug/xtask"));
    own.with_file_name(name)
}

/// An answer that `byz call` verified.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The certified body.
    pub(crate) body: serde_json::Value,
    /// What `byz` says it verified.
    pub(crate) summary: String,
}

/// Sends a request with `byz call` to these gateways, in this order.
///
/// # Errors
/// [`XtaskError::Demo`] if no verified JSON came back.
pub(crate) fn call(
    policy: &Path,
    ports: &[u16],
    request: &PlainRequest,
) -> Result<Verified, XtaskError> {
    let mut byz = Command::new(built("byz"));
    byz.args(["call", request.method]);
    byz.args(
        ports
            .iter()
            .map(|port| format!("http://127.0.0.1:{port}{}", request.target)),
    );
    byz.arg("--policy")
        .arg(policy)
        .args(["--key", &request.key]);
    if !request.body.is_empty() {
        byz.args(["-d", &request.body]);
    }
    let output = command::output(&mut byz)?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        let what = format!("`{}` failed:\n{said}", command::line(&byz));
        return Err(seen(what, "The replicas' logs say more."));
    }
    let body = serde_json::from_slice(&output.stdout).map_err(|error| {
        let body = String::from_utf8_lossy(&output.stdout).into_owned();
        seen(
            format!("the wallet answered no JSON ({error}): {body}"),
            "See its app.log.",
        )
    })?;
    Ok(Verified {
        body,
        summary: said.lines().last().unwrap_or_default().to_owned(),
    })
}

/// Whether `byz verify` accepts a saved response; and what it says.
///
/// # Errors
/// [`XtaskError::CannotStart`].
pub(crate) fn verify(policy: &Path, response: &Path) -> Result<(bool, String), XtaskError> {
    let mut byz = Command::new(built("byz"));
    byz.arg("verify").arg("--policy").arg(policy).arg(response);
    let output = command::output(&mut byz)?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).trim().to_owned(),
    ))
}
