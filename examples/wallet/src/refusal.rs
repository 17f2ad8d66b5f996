//! Why a request was refused, as an RFC 9457 problem.

use http::StatusCode;
use serde::Serialize;

use crate::answer::Answer;
use crate::ordinal::Ordinal;
use crate::values::{MOST_MONEY, Owner, TransferId};

/// Why a request was refused. A refused request changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not what this request takes.
    #[error("the body cannot be read: {reason}; send the JSON object that the README shows")]
    BadBody {
        /// What the JSON reader found.
        reason: String,
    },
    /// The body is longer than the limit.
    #[error("the body is longer than {limit} bytes; send less")]
    BodyTooLong {
        /// The most bytes taken.
        limit: usize,
    },
    /// No such path.
    #[error("there is nothing at this path; the README lists what there is")]
    NoSuchPath,
    /// The path does not take this method.
    #[error("this path takes only {allowed}")]
    WrongMethod {
        /// The methods it takes.
        allowed: &'static str,
    },
    /// An account name is not permitted.
    #[error("an owner has 1 to 64 letters, digits, '.', '_' or '-'")]
    BadOwner,
    /// An amount is out of range.
    #[error("{units} is no possible amount: it goes from 1 (0 for an opening) to {MOST_MONEY}")]
    BadAmount {
        /// What was asked for.
        units: i64,
    },
    /// Payer and receiver are the same.
    #[error("payer and receiver are the same; name two accounts")]
    SelfTransfer,
    /// All money together would pass the limit.
    #[error("all accounts together may hold {MOST_MONEY}; open with less")]
    TooMuchMoney,
    /// The account is open already.
    #[error("{0} has an account already; choose another name")]
    AccountExists(Owner),
    /// There is no such account.
    #[error("{0} has no account; open it with POST /accounts")]
    NoSuchAccount(Owner),
    /// The payer has too little.
    #[error("{0} has less than that; pay less, or wait for money to come in")]
    InsufficientFunds(Owner),
    /// There is no such transfer.
    #[error("there is no transfer {}; POST /transfers makes one", .0.0)]
    NoSuchTransfer(TransferId),
    /// The transfer was accepted or rejected before.
    #[error("transfer {} is {state} already; a transfer is settled once", id.0)]
    AlreadySettled {
        /// Which transfer.
        id: TransferId,
        /// How it was settled.
        state: &'static str,
    },
    /// `Byzantine-Ordinal` is no ordinal.
    #[error("Byzantine-Ordinal is one whole number from 1; send it once, or leave it out")]
    BadOrdinal,
    /// The ordinal was applied before, and its answer has been replaced by a later one.
    #[error("request {} is in the past: the last one applied is {}", sent.0, last.0)]
    OrdinalPast {
        /// The ordinal sent.
        sent: Ordinal,
        /// The last one applied.
        last: Ordinal,
    },
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
}

impl Refusal {
    /// The HTTP status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.kind().0
    }

    /// The answer: a problem document.
    pub fn answer(&self) -> Answer {
        let (status, name, title) = self.kind();
        let problem = Problem {
            r#type: format!("https://byzantine.dev/wallet/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
        };
        let answer =
            Answer::json(status, &problem).with("content-type", "application/problem+json");
        match self {
            Self::WrongMethod { allowed } => answer.with("allow", allowed),
            _ => answer,
        }
    }

    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const CONFLICT: StatusCode = StatusCode::CONFLICT;
        const MISSING: StatusCode = StatusCode::NOT_FOUND;
        const UNFIT: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::BadBody { .. } => (BAD, "bad-body", "Unreadable body"),
            Self::BodyTooLong { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-long",
                "Body too long",
            ),
            Self::NoSuchPath => (MISSING, "no-such-path", "Nothing here"),
            Self::WrongMethod { .. } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong-method",
                "Method not allowed",
            ),
            Self::BadOwner => (UNFIT, "bad-owner", "Impossible owner"),
            Self::BadAmount { .. } => (UNFIT, "bad-amount", "Impossible amount"),
            Self::SelfTransfer => (UNFIT, "self-transfer", "Transfer to oneself"),
            Self::TooMuchMoney => (UNFIT, "too-much-money", "Too much money"),
            Self::AccountExists(_) => (CONFLICT, "account-exists", "Account exists"),
            Self::NoSuchAccount(_) => (MISSING, "no-such-account", "No such account"),
            Self::InsufficientFunds(_) => (CONFLICT, "insufficient-funds", "Insufficient funds"),
            Self::NoSuchTransfer(_) => (MISSING, "no-such-transfer", "No such transfer"),
            Self::AlreadySettled { .. } => (CONFLICT, "already-settled", "Already settled"),
            Self::BadOrdinal => (BAD, "bad-ordinal", "Impossible ordinal"),
            Self::OrdinalPast { .. } => (CONFLICT, "ordinal-past", "Ordinal in the past"),
        }
    }
}
