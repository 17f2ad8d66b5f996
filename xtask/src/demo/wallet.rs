//! The wallet's requests and answers, as the demonstration uses them.

use serde_json::{Value, json};

use crate::demo::plain_client::PlainRequest;
use crate::demo::seen;
use crate::error::XtaskError;

/// Opens an account with some money in it.
pub(crate) fn open(owner: &str, opening: u64) -> PlainRequest {
    let body = json!({ "owner": owner, "opening": opening });
    post("/accounts", &body.to_string(), &format!("open-{owner}"))
}

/// Offers money; the receiver has yet to accept.
pub(crate) fn transfer(from: &str, to: &str, amount: u64, number: usize) -> PlainRequest {
    let body = json!({ "from": from, "to": to, "amount": amount });
    post(
        "/transfers",
        &body.to_string(),
        &format!("transfer-{number}"),
    )
}

/// Accepts a transfer that was offered.
pub(crate) fn accept(offered: &Value, number: usize) -> PlainRequest {
    post(
        &format!("/transfers/{}/accept", offered["id"]),
        "",
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

/// The balance of one owner in an answer to [`balances`].
pub(crate) fn balance_of<'answer>(balances: &'answer Value, owner: &str) -> &'answer Value {
    let accounts = balances.as_array().into_iter().flatten();
    let mut own = accounts.filter(|account| account["owner"] == owner);
    own.next()
        .map_or(&Value::Null, |account| &account["balance"])
}

fn post(target: &str, body: &str, key: &str) -> PlainRequest {
    PlainRequest {
        method: "POST",
        target: target.into(),
        body: body.into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_found_by_its_owner() {
        let balances = json!([{ "owner": "ada", "balance": 3 }, { "owner": "bob", "balance": 4 }]);
        assert_eq!(balance_of(&balances, "bob"), &json!(4));
        assert_eq!(balance_of(&balances, "cid"), &Value::Null);
    }

    #[test]
    fn a_difference_is_an_error_with_both_values() {
        assert!(expect("the total", &json!(150), &json!(150)).is_ok());
        let error = expect("the total", &json!(151), &json!(150))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the total is 151, and must be 150"),
            "{error}"
        );
    }
}
