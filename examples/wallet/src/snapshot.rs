//! The whole state as one text, out of the database and into it: `GET` and `PUT
//! /byzantine/snapshot`.
//!
//! Equal states give equal bytes on every replica: rows come in the order of their keys. The last
//! ordinal and its answer are part of the state, so a wallet that takes a snapshot goes on behind
//! it.

use http::StatusCode;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::refusal::Refusal;

/// Where it is asked for and given.
pub const PATH: &str = "/byzantine/snapshot";

/// The longest snapshot taken, in bytes.
pub const MAX_SNAPSHOT_BYTES: usize = 256 << 20;

/// All that a wallet knows.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    applied: Applied,
    minted: i64,
    transfers_ordered: i64,
    accounts: Vec<(String, i64)>,
    transfers: Vec<(i64, String, String, i64, String)>,
}

/// The last request of the agreed order, and its answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Applied {
    ordinal: i64,
    status: u16,
    headers: String,
    body: Vec<u8>,
}

/// The state as it is now.
///
/// # Errors
/// The database's.
pub fn give(connection: &Connection) -> Result<Answer, rusqlite::Error> {
    let applied = connection.query_row(
        "SELECT ordinal, status, headers, body FROM applied",
        [],
        |row| {
            Ok(Applied {
                ordinal: row.get(0)?,
                status: row.get(1)?,
                headers: row.get(2)?,
                body: row.get(3)?,
            })
        },
    )?;
    let (minted, transfers_ordered) =
        connection.query_row("SELECT minted, transfers FROM bank", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let mut accounts = connection.prepare("SELECT owner, balance FROM accounts ORDER BY owner")?;
    let accounts = accounts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut transfers = connection
        .prepare("SELECT id, sender, receiver, amount, state FROM transfers ORDER BY id")?;
    let transfers = transfers.query_map([], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ))
    })?;
    let snapshot = Snapshot {
        applied,
        minted,
        transfers_ordered,
        accounts: accounts.collect::<Result<_, _>>()?,
        transfers: transfers.collect::<Result<_, _>>()?,
    };
    Ok(Answer::json(StatusCode::OK, &snapshot))
}

/// Replaces the whole state, or nothing.
///
/// # Errors
/// The database's: then nothing is changed.
pub fn take(transaction: &Transaction<'_>, bytes: &[u8]) -> Result<Answer, rusqlite::Error> {
    let read: Result<Snapshot, _> = serde_json::from_slice(bytes);
    let snapshot = match read {
        Ok(snapshot) => snapshot,
        Err(error) => {
            let reason = error.to_string();
            return Ok(Refusal::BadBody { reason }.answer());
        }
    };
    transaction.execute_batch("DELETE FROM transfers; DELETE FROM accounts;")?;
    let mut account = transaction.prepare("INSERT INTO accounts VALUES (?1, ?2)")?;
    for (owner, balance) in &snapshot.accounts {
        account.execute(params![owner, balance])?;
    }
    let mut transfer = transaction.prepare("INSERT INTO transfers VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (id, sender, receiver, amount, state) in &snapshot.transfers {
        transfer.execute(params![id, sender, receiver, amount, state])?;
    }
    let (minted, ordered) = (snapshot.minted, snapshot.transfers_ordered);
    transaction.execute(
        "UPDATE bank SET minted = ?1, transfers = ?2",
        params![minted, ordered],
    )?;
    let Applied {
        ordinal,
        status,
        headers,
        body,
    } = snapshot.applied;
    transaction.execute(
        "UPDATE applied SET ordinal = ?1, status = ?2, headers = ?3, body = ?4",
        params![ordinal, status, headers, body],
    )?;
    Ok(Answer::json(StatusCode::OK, &Taken { ordinal }))
}

#[derive(Serialize)]
struct Taken {
    ordinal: i64,
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::operation::Operation;
    use crate::ordinal::Ordinal;
    use crate::store::Store;

    fn ask(
        store: &mut Store,
        ordinal: Option<i64>,
        method: &str,
        path: &str,
        body: &str,
    ) -> String {
        let method: Method = method.parse().expect("a method");
        let asked = Operation::read(&method, path, body.as_bytes());
        let answer = store.carry_out(ordinal.map(Ordinal), &asked);
        let answer = answer.expect("a working disk");
        String::from_utf8(answer.body().to_vec()).expect("our own JSON")
    }

    fn used(directory: &std::path::Path) -> Store {
        let mut store = Store::open(directory).expect("a new database");
        let accounts = [("bob", 5), ("alice", 10)];
        for (ordinal, (owner, opening)) in (1..).zip(accounts) {
            let body = format!(r#"{{"owner":"{owner}","opening":{opening}}}"#);
            ask(&mut store, Some(ordinal), "POST", "/accounts", &body);
        }
        let order = r#"{"from":"alice","to":"bob","amount":4}"#;
        ask(&mut store, Some(3), "POST", "/transfers", order);
        store
    }

    #[test]
    fn a_wallet_that_takes_a_snapshot_goes_on_where_the_other_was() {
        let (from, to) = (tempfile::tempdir(), tempfile::tempdir());
        let (from, to) = (from.expect("a directory"), to.expect("a directory"));
        let mut first = used(from.path());
        let snapshot = first.snapshot().expect("a working disk");
        let mut second = used(to.path());
        ask(&mut second, Some(4), "POST", "/transfers/1/reject", "");
        let taken = second.restore(snapshot.body()).expect("a working disk");
        assert_eq!(taken.body(), "{\"ordinal\":3}\n");
        let again = second.snapshot().expect("a working disk");
        assert_eq!(again.body(), snapshot.body());
        for (method, path) in [("POST", "/transfers/1/accept"), ("GET", "/balances")] {
            let ordinal = Some(if method == "POST" { 4 } else { 5 });
            let answers = [&mut first, &mut second].map(|it| ask(it, ordinal, method, path, ""));
            assert_eq!(answers[0], answers[1], "{path}");
        }
    }

    #[test]
    fn what_is_no_snapshot_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = used(directory.path());
        let before = store.snapshot().expect("a working disk");
        for text in ["", "{}", "[]"] {
            let answer = store.restore(text.as_bytes()).expect("a working disk");
            assert_eq!(answer.status(), 400, "{text}");
        }
        let negative = String::from_utf8(before.body().to_vec()).expect("JSON");
        let negative = negative.replace("[\"alice\",6]", "[\"alice\",-6]");
        let refused = store.restore(negative.as_bytes()).expect("a working disk");
        assert_eq!(refused.status(), 400);
        assert_eq!(store.snapshot().expect("a working disk"), before);
    }
}
