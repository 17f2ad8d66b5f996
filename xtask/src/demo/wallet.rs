//! The wallet's requests and answers, as the demonstration uses them.

use serde_json::{Value, json};

use crate::demo::plain_client::PlainRequest;
use crate::demo::seen;
use crate::error::XtaskError;

/// Opens an account with some money in it.
pub(crate) fn open(name: &str, balance: u64) -> PlainRequest {
    post(
        "/accounts",
        &json!({ "name": name, "balance": balance }),
        &format!("open-{name}"),
    )
}

/// Offers money; the receiver has yet to accept.
pub(crate) fn transfer(from: &str, to: &str, amount: u64, number: usize) -> PlainRequest {
    let body = json!({ "from": from, "to": to, "amount": amount });
    post("/transfers", &body, &format!("transfer-{number}"))
}

/// Accepts a transfer.
pub(crate) fn accept(transfer: &Value, number: usize) -> PlainRequest {
    let id = transfer["id"].to_string();
    post(
        &format!("/transfers/{}/accept", id.trim_matches('"')),
        &json!({}),
        &format!("accept-{number}"),
    )
}

/// Asks for all balances.
pub(crate) fn balances(number: usize) -> PlainRequest {
    PlainRequest {
        key: format!("balances-{number}"),
        ..PlainRequest::get("/balances")
    }
}

/// Asks for the sum of all money.
pub(crate) fn total(number: usize) -> PlainRequest {
    PlainRequest {
        key: format!("total-{number}"),
        ..PlainRequest::get("/total")
    }
}

fn post(target: &str, body: &Value, key: &str) -> PlainRequest {
    PlainRequest {
        method: "POST",
        target: target.into(),
        body: body.to_string(),
        key: key.into(),
    }
}

/// Compares a value with what it must be.
///
/// # Errors
/// [`XtaskError::Demo`] if they differ.
pub(crate) fn expect(what: &str, seen_value: &Value, expected: &Value) -> Result<(), XtaskError> {
    if seen_value == expected {
        return Ok(());
    }
    let difference = format!("{what} is {seen_value}, and must be {expected}");
    Err(seen(
        difference,
        "This must never happen: please report it, with the directory below.",
    ))
}
