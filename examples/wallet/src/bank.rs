//! The bank: what operations do to the tables. All of it runs inside the caller's transaction.
//!
//! Money lies in balances or, while a transfer is pending, in escrow. `minted` is all that was
//! ever opened with, and always equals balances plus escrow.

use http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::answer::Answer;
use crate::refusal::Refusal;
use crate::values::{Amount, MOST_MONEY, Opening, Owner, Payment, TransferId};

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request cannot be granted; the answer says why.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The database failed; nothing can be answered.
    #[error("the database failed: {0}")]
    Storage(#[from] rusqlite::Error),
}

/// All money, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Balances and escrow together.
    pub total: i64,
    /// In all accounts.
    pub balances: i64,
    /// In pending transfers.
    pub escrow: i64,
}

#[derive(Serialize)]
struct Account<'a> {
    owner: &'a str,
    balance: i64,
}

#[derive(Serialize)]
struct Transfer<'a> {
    id: i64,
    from: &'a str,
    to: &'a str,
    amount: i64,
    state: &'a str,
}

#[derive(Serialize)]
struct Paid<'a> {
    from: Account<'a>,
    to: Account<'a>,
    amount: i64,
}

/// The states of a transfer, as stored and shown.
const PENDING: &str = "pending";
const ACCEPTED: &str = "accepted";
const REJECTED: &str = "rejected";

/// The bank's tables, reached through an open transaction.
#[derive(Debug)]
pub struct Bank<'c> {
    connection: &'c Connection,
}

impl<'c> Bank<'c> {
    /// The bank behind this connection.
    pub fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Opens an account; its opening money is minted here and nowhere else.
    ///
    /// # Errors
    /// [`Refusal::AccountExists`], [`Refusal::TooMuchMoney`], or the database's.
    pub fn open(&self, owner: &Owner, opening: Opening) -> Result<Answer, Failure> {
        let inserted = self.run(
            "INSERT INTO accounts (owner, balance) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![owner.as_str(), opening.units()],
        )?;
        if inserted == 0 {
            return Err(Refusal::AccountExists(owner.clone()).into());
        }
        let minted = self.run(
            "UPDATE bank SET minted = minted + ?1 WHERE minted <= ?2 - ?1",
            params![opening.units(), MOST_MONEY],
        )?;
        if minted == 0 {
            return Err(Refusal::TooMuchMoney.into());
        }
        let account = Account {
            owner: owner.as_str(),
            balance: opening.units(),
        };
        let location = format!("/accounts/{owner}");
        Ok(Answer::json(StatusCode::CREATED, &account).with("location", &location))
    }

    /// One account.
    ///
    /// # Errors
    /// [`Refusal::NoSuchAccount`], or the database's.
    pub fn account(&self, owner: &Owner) -> Result<Answer, Failure> {
        let balance = self.balance(owner)?;
        Ok(Answer::json(
            StatusCode::OK,
            &Account {
                owner: owner.as_str(),
                balance,
            },
        ))
    }

    /// All accounts, by owner.
    ///
    /// # Errors
    /// The database's.
    pub fn balances(&self) -> Result<Answer, Failure> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT owner, balance FROM accounts ORDER BY owner")?;
        let rows = statement
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let accounts: Vec<Account<'_>> = rows
            .iter()
            .map(|(owner, balance)| Account {
                owner,
                balance: *balance,
            })
            .collect();
        Ok(Answer::json(StatusCode::OK, &accounts))
    }

    /// All money, and where it is.
    ///
    /// # Errors
    /// The database's.
    pub fn total(&self) -> Result<Total, rusqlite::Error> {
        let sum = |query: &str| -> Result<i64, rusqlite::Error> {
            self.connection
                .prepare_cached(query)?
                .query_row([], |row| row.get(0))
        };
        let balances = sum("SELECT coalesce(sum(balance), 0) FROM accounts")?;
        let escrow = sum("SELECT coalesce(sum(amount), 0) FROM transfers WHERE state = 'pending'")?;
        Ok(Total {
            total: balances + escrow,
            balances,
            escrow,
        })
    }

    /// Takes the money into escrow and makes a pending transfer of it.
    ///
    /// # Errors
    /// [`Refusal::NoSuchAccount`], [`Refusal::InsufficientFunds`], or the database's.
    pub fn order(&self, payment: &Payment) -> Result<Answer, Failure> {
        self.balance(payment.to())?;
        self.withdraw(payment.from(), payment.amount())?;
        let id = self.next_transfer()?;
        let (from, to) = (payment.from().as_str(), payment.to().as_str());
        let amount = payment.amount().units();
        self.run(
            "INSERT INTO transfers (id, sender, receiver, amount, state)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id.0, from, to, amount, PENDING],
        )?;
        let transfer = Transfer {
            id: id.0,
            from,
            to,
            amount,
            state: PENDING,
        };
        let location = format!("/transfers/{}", id.0);
        Ok(Answer::json(StatusCode::CREATED, &transfer).with("location", &location))
    }

    /// One transfer.
    ///
    /// # Errors
    /// [`Refusal::NoSuchTransfer`], or the database's.
    pub fn transfer(&self, id: TransferId) -> Result<Answer, Failure> {
        let (payment, state) = self.find(id)?;
        Ok(shown(id, &payment, state))
    }

    /// Pays a pending transfer to its receiver.
    ///
    /// # Errors
    /// [`Refusal::NoSuchTransfer`], [`Refusal::AlreadySettled`], or the database's.
    pub fn accept(&self, id: TransferId) -> Result<Answer, Failure> {
        let payment = self.settle(id, ACCEPTED)?;
        self.deposit(payment.to(), payment.amount())?;
        Ok(shown(id, &payment, ACCEPTED))
    }

    /// Pays a pending transfer back to its sender.
    ///
    /// # Errors
    /// [`Refusal::NoSuchTransfer`], [`Refusal::AlreadySettled`], or the database's.
    pub fn reject(&self, id: TransferId) -> Result<Answer, Failure> {
        let payment = self.settle(id, REJECTED)?;
        self.deposit(payment.from(), payment.amount())?;
        Ok(shown(id, &payment, REJECTED))
    }

    /// Moves money at once.
    ///
    /// # Errors
    /// [`Refusal::NoSuchAccount`], [`Refusal::InsufficientFunds`], or the database's.
    pub fn pay(&self, payment: &Payment) -> Result<Answer, Failure> {
        self.withdraw(payment.from(), payment.amount())?;
        self.deposit(payment.to(), payment.amount())?;
        let (paid_from, paid_to) = (self.balance(payment.from())?, self.balance(payment.to())?);
        let paid = Paid {
            from: Account {
                owner: payment.from().as_str(),
                balance: paid_from,
            },
            to: Account {
                owner: payment.to().as_str(),
                balance: paid_to,
            },
            amount: payment.amount().units(),
        };
        Ok(Answer::json(StatusCode::OK, &paid))
    }

    fn balance(&self, owner: &Owner) -> Result<i64, Failure> {
        self.connection
            .prepare_cached("SELECT balance FROM accounts WHERE owner = ?1")?
            .query_row([owner.as_str()], |row| row.get(0))
            .optional()?
            .ok_or_else(|| Refusal::NoSuchAccount(owner.clone()).into())
    }

    fn withdraw(&self, owner: &Owner, amount: Amount) -> Result<(), Failure> {
        let changed = self.run(
            "UPDATE accounts SET balance = balance - ?1 WHERE owner = ?2 AND balance >= ?1",
            params![amount.units(), owner.as_str()],
        )?;
        if changed == 0 {
            self.balance(owner)?;
            return Err(Refusal::InsufficientFunds(owner.clone()).into());
        }
        Ok(())
    }

    fn deposit(&self, owner: &Owner, amount: Amount) -> Result<(), Failure> {
        let changed = self.run(
            "UPDATE accounts SET balance = balance + ?1 WHERE owner = ?2",
            params![amount.units(), owner.as_str()],
        )?;
        (changed == 1)
            .then_some(())
            .ok_or_else(|| Refusal::NoSuchAccount(owner.clone()).into())
    }

    /// The next transfer's number, from the bank's own counter.
    fn next_transfer(&self) -> Result<TransferId, Failure> {
        let id = self
            .connection
            .prepare_cached("UPDATE bank SET transfers = transfers + 1 RETURNING transfers")?
            .query_row([], |row| row.get(0))?;
        Ok(TransferId(id))
    }

    fn find(&self, id: TransferId) -> Result<(Payment, &'static str), Failure> {
        let row = self
            .connection
            .prepare_cached("SELECT sender, receiver, amount, state FROM transfers WHERE id = ?1")?
            .query_row([id.0], |row| {
                let (from, to): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((from, to, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
            })
            .optional()?;
        let (from, to, amount, state) = row.ok_or(Refusal::NoSuchTransfer(id))?;
        let state = match state.as_str() {
            ACCEPTED => ACCEPTED,
            REJECTED => REJECTED,
            _ => PENDING,
        };
        Ok((Payment::new(&from, &to, amount)?, state))
    }

    /// Takes a pending transfer out of escrow; the caller pays it to someone.
    fn settle(&self, id: TransferId, state: &str) -> Result<Payment, Failure> {
        match self.find(id)? {
            (payment, PENDING) => {
                let query = "UPDATE transfers SET state = ?1 WHERE id = ?2";
                self.run(query, params![state, id.0])?;
                Ok(payment)
            }
            (_, state) => Err(Refusal::AlreadySettled { id, state }.into()),
        }
    }

    fn run(&self, query: &str, values: impl rusqlite::Params) -> Result<usize, Failure> {
        Ok(self.connection.prepare_cached(query)?.execute(values)?)
    }
}

fn shown(id: TransferId, payment: &Payment, state: &str) -> Answer {
    let (from, to) = (payment.from().as_str(), payment.to().as_str());
    let amount = payment.amount().units();
    Answer::json(
        StatusCode::OK,
        &Transfer {
            id: id.0,
            from,
            to,
            amount,
            state,
        },
    )
}
