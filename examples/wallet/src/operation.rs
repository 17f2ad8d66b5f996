//! What a request asks for: method, path and body as one value.

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;
use crate::values::{Opening, Owner, Payment, TransferId};

/// Longest body taken, in bytes.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GET /healthz`
    Health,
    /// `GET /byzantine/applied`
    Applied,
    /// `POST /accounts`
    Open(Owner, Opening),
    /// `GET /accounts/{owner}`
    Account(Owner),
    /// `GET /balances`
    Balances,
    /// `GET /total`
    Total,
    /// `POST /transfers`
    Order(Payment),
    /// `GET /transfers/{id}`
    Transfer(TransferId),
    /// `POST /transfers/{id}/accept`
    Accept(TransferId),
    /// `POST /transfers/{id}/reject`
    Reject(TransferId),
    /// `POST /payments`
    Pay(Payment),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenBody {
    owner: String,
    opening: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentBody {
    from: String,
    to: String,
    amount: i64,
}

impl Operation {
    /// Reads a request. HEAD is read as GET.
    ///
    /// # Errors
    /// Why it asks for nothing that can be done.
    pub fn read(method: &Method, path: &str, body: &[u8]) -> Result<Self, Refusal> {
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let get = |operation: Self| allow(method, &Method::GET, "GET, HEAD").map(|()| operation);
        let post = || allow(method, &Method::POST, "POST");
        match parts[..] {
            ["healthz"] => get(Self::Health),
            ["byzantine", "applied"] => get(Self::Applied),
            ["balances"] => get(Self::Balances),
            ["total"] => get(Self::Total),
            ["accounts", owner] => get(Self::Account(Owner::new(owner)?)),
            ["transfers", id] => get(Self::Transfer(transfer_id(id)?)),
            ["accounts"] => post().and_then(|()| read_open(body)),
            ["transfers"] => post().and_then(|()| read_payment(body)).map(Self::Order),
            ["payments"] => post().and_then(|()| read_payment(body)).map(Self::Pay),
            ["transfers", id, "accept"] => post().and_then(|()| Ok(Self::Accept(transfer_id(id)?))),
            ["transfers", id, "reject"] => post().and_then(|()| Ok(Self::Reject(transfer_id(id)?))),
            _ => Err(Refusal::NoSuchPath),
        }
    }

    /// Whether it only looks.
    pub fn is_read(&self) -> bool {
        !matches!(
            self,
            Self::Open(..) | Self::Order(_) | Self::Accept(_) | Self::Reject(_) | Self::Pay(_)
        )
    }
}

fn allow(method: &Method, wanted: &Method, allowed: &'static str) -> Result<(), Refusal> {
    let fits = method == wanted || (method == Method::HEAD && wanted == Method::GET);
    fits.then_some(()).ok_or(Refusal::WrongMethod { allowed })
}

fn transfer_id(text: &str) -> Result<TransferId, Refusal> {
    TransferId::parse(text).ok_or(Refusal::NoSuchPath)
}

fn read_open(body: &[u8]) -> Result<Operation, Refusal> {
    let OpenBody { owner, opening } = read_json(body)?;
    Ok(Operation::Open(Owner::new(&owner)?, Opening::new(opening)?))
}

fn read_payment(body: &[u8]) -> Result<Payment, Refusal> {
    let PaymentBody { from, to, amount } = read_json(body)?;
    Payment::new(&from, &to, amount)
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::BadBody {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &Method, path: &str, body: &str) -> Result<Operation, Refusal> {
        Operation::read(method, path, body.as_bytes())
    }

    #[test]
    fn requests_are_read() {
        let open = read(
            &Method::POST,
            "/accounts",
            r#"{"owner":"alice","opening":1000}"#,
        );
        let alice = Owner::new("alice").expect("a good name");
        let opening = Opening::new(1000).expect("a good amount");
        assert_eq!(open, Ok(Operation::Open(alice.clone(), opening)));
        assert_eq!(
            read(&Method::HEAD, "/accounts/alice", ""),
            Ok(Operation::Account(alice))
        );
        let accept = read(&Method::POST, "/transfers/7/accept", "");
        assert_eq!(accept, Ok(Operation::Accept(TransferId(7))));
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let bad = |body| {
            read(&Method::POST, "/payments", body)
                .expect_err("a bad body")
                .status()
        };
        for body in [
            "",
            "{}",
            "[]",
            "x",
            r#"{"from":"a","to":"b","amount":1.5}"#,
            r#"{"from":"a","to":"b","amount":"1"}"#,
            r#"{"from":"a","to":"b","amount":1,"x":1}"#,
            r#"{"from":"a","from":"c","to":"b","amount":1}"#,
            r#"{"from":"a","to":"b","amount":9223372036854775808}"#,
        ] {
            assert_eq!(bad(body), 400, "{body}");
        }
        assert_eq!(bad(r#"{"from":"a","to":"b","amount":0}"#), 422);
        assert_eq!(bad(r#"{"from":"a","to":"a","amount":1}"#), 422);
        let wrong = read(&Method::GET, "/payments", "").expect_err("a wrong method");
        assert_eq!(wrong, Refusal::WrongMethod { allowed: "POST" });
        for path in [
            "",
            "/",
            "//",
            "/accounts/",
            "/transfers/x",
            "/healthz/",
            "*",
        ] {
            assert!(read(&Method::GET, path, "").is_err(), "{path}");
        }
    }
}
