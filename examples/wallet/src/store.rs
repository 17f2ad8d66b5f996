//! `wallet.db`: the schema, and one transaction per request.
//!
//! The last ordinal and its answer lie in the same database as the money and change in the same
//! transaction, so whatever a crash leaves, both tell the same story.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;

use crate::answer::{Answer, StoredAnswer};
use crate::bank::{Bank, Failure};
use crate::operation::Operation;
use crate::ordinal::{Ordinal, Turn};
use crate::refusal::Refusal;
use crate::snapshot;

/// Marks a database as a wallet's: "wllt".
const APPLICATION_ID: i64 = 0x776c_6c74;
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE accounts (
    owner TEXT PRIMARY KEY,
    balance INTEGER NOT NULL CHECK (balance >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE transfers (
    id INTEGER PRIMARY KEY,
    sender TEXT NOT NULL REFERENCES accounts (owner),
    receiver TEXT NOT NULL REFERENCES accounts (owner),
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'rejected')),
    CHECK (sender <> receiver)
) STRICT;
CREATE INDEX pending ON transfers (state, amount) WHERE state = 'pending';
CREATE TABLE bank (
    minted INTEGER NOT NULL CHECK (minted >= 0),
    transfers INTEGER NOT NULL CHECK (transfers >= 0)
) STRICT;
INSERT INTO bank VALUES (0, 0);
CREATE TABLE applied (
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
INSERT INTO applied VALUES (0, 0, '[]', x'');
";

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be made or opened.
    #[error(
        "cannot use the data directory {}: {source}; choose another with --data",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Another wallet serves this directory.
    #[error(
        "another wallet serves {}: stop it, or choose another directory with --data",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file belongs to another program or another version.
    #[error(
        "{} was not written by this version of the wallet: move it away, or choose another \
         directory with --data",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open {}: {source}; restore it from a replica or a backup", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The database's words.
        source: rusqlite::Error,
    },
}

/// The open database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// Held so that a second wallet does not serve the same data.
    _lock: File,
}

#[derive(Serialize)]
struct Applied {
    ordinal: i64,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

impl Store {
    /// Opens or creates the database in a directory, which is created if need be.
    ///
    /// # Errors
    /// Whatever keeps it from being used, with what to do about it.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let lock = lock(directory)?;
        let path = directory.join("wallet.db");
        let failed = |source| StoreError::Database {
            path: path.clone(),
            source,
        };
        let connection = Connection::open(&path).map_err(failed)?;
        if !is_ours(&connection).map_err(failed)? {
            return Err(StoreError::Foreign { path });
        }
        prepare(&connection).map_err(failed)?;
        Ok(Self {
            connection,
            _lock: lock,
        })
    }

    /// Carries out one request in one transaction. With an ordinal, the ordinal and the answer
    /// are stored whatever the answer is; without one nothing but the operation happens.
    ///
    /// # Errors
    /// The database's: then nothing happened and there is no answer.
    pub fn carry_out(
        &mut self,
        ordinal: Option<Ordinal>,
        asked: &Result<Operation, Refusal>,
    ) -> Result<Answer, rusqlite::Error> {
        let looks = ordinal.is_none() && asked.as_ref().map_or(true, Operation::is_read);
        let behavior = if looks {
            TransactionBehavior::Deferred
        } else {
            TransactionBehavior::Immediate
        };
        let mut transaction = self.connection.transaction_with_behavior(behavior)?;
        let answer = match ordinal {
            None => answer(&mut transaction, asked)?,
            Some(ordinal) => answer_in_turn(&mut transaction, ordinal, asked)?,
        };
        transaction.commit()?;
        Ok(answer)
    }

    /// The whole state.
    ///
    /// # Errors
    /// The database's.
    pub fn snapshot(&mut self) -> Result<Answer, rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        snapshot::give(&transaction)
    }

    /// Replaces the whole state by that of a snapshot; one that does not fit is refused.
    ///
    /// # Errors
    /// The database's: then nothing happened and there is no answer.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<Answer, rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let answer = match snapshot::take(&transaction, bytes) {
            Ok(answer) => answer,
            Err(error) if is_constraint(&error) => {
                let reason = error.to_string();
                return Ok(Refusal::BadBody { reason }.answer());
            }
            Err(error) => return Err(error),
        };
        transaction.commit()?;
        Ok(answer)
    }

    /// The connection, to look at what was stored.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Answers a request of the agreed order: once.
fn answer_in_turn(
    transaction: &mut Transaction<'_>,
    ordinal: Ordinal,
    asked: &Result<Operation, Refusal>,
) -> Result<Answer, rusqlite::Error> {
    match ordinal.turn(last_ordinal(transaction)?) {
        Turn::Refuse(refusal) => Ok(refusal.answer()),
        Turn::Repeat => last_answer(transaction),
        Turn::Run => {
            let answer = answer(transaction, asked)?;
            store_answer(transaction, ordinal, &answer)?;
            Ok(answer)
        }
    }
}

/// Answers a request. One that is refused midway is undone to its start.
fn answer(
    transaction: &mut Transaction<'_>,
    asked: &Result<Operation, Refusal>,
) -> Result<Answer, rusqlite::Error> {
    let operation = match asked {
        Ok(operation) => operation,
        Err(refusal) => return Ok(refusal.answer()),
    };
    if operation.is_read() {
        return told(perform(transaction, operation));
    }
    let savepoint = transaction.savepoint()?;
    let outcome = perform(&savepoint, operation);
    if outcome.is_ok() {
        savepoint.commit()?;
    } else {
        savepoint.finish()?;
    }
    told(outcome)
}

fn told(outcome: Result<Answer, Failure>) -> Result<Answer, rusqlite::Error> {
    match outcome {
        Ok(answer) => Ok(answer),
        Err(Failure::Refused(refusal)) => Ok(refusal.answer()),
        Err(Failure::Storage(error)) => Err(error),
    }
}

fn perform(connection: &Connection, operation: &Operation) -> Result<Answer, Failure> {
    let bank = Bank::new(connection);
    match operation {
        Operation::Health => Ok(Answer::json(StatusCode::OK, &Health { status: "ok" })),
        Operation::Applied => {
            let ordinal = last_ordinal(connection)?.0;
            Ok(Answer::json(StatusCode::OK, &Applied { ordinal }))
        }
        Operation::Open(owner, opening) => bank.open(owner, *opening),
        Operation::Account(owner) => bank.account(owner),
        Operation::Balances => bank.balances(),
        Operation::Total => Ok(Answer::json(StatusCode::OK, &bank.total()?)),
        Operation::Order(payment) => bank.order(payment),
        Operation::Transfer(id) => bank.transfer(*id),
        Operation::Accept(id) => bank.accept(*id),
        Operation::Reject(id) => bank.reject(*id),
        Operation::Pay(payment) => bank.pay(payment),
    }
}

fn last_ordinal(connection: &Connection) -> Result<Ordinal, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT ordinal FROM applied")?;
    statement.query_row([], |row| Ok(Ordinal(row.get(0)?)))
}

fn last_answer(connection: &Connection) -> Result<Answer, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT status, headers, body FROM applied")?;
    let stored = statement.query_row([], |row| {
        Ok(StoredAnswer {
            status: row.get(0)?,
            headers: row.get(1)?,
            body: row.get(2)?,
        })
    })?;
    Answer::from_stored(stored).ok_or(rusqlite::Error::InvalidQuery)
}

fn store_answer(
    connection: &Connection,
    ordinal: Ordinal,
    answer: &Answer,
) -> Result<(), rusqlite::Error> {
    let StoredAnswer {
        status,
        headers,
        body,
    } = answer.to_stored();
    connection
        .prepare_cached("UPDATE applied SET ordinal = ?1, status = ?2, headers = ?3, body = ?4")?
        .execute(params![ordinal.0, status, headers, body])?;
    Ok(())
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

/// Whether the database is new or has our mark and version.
fn is_ours(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (id, version) = (pragma("application_id")?, pragma("user_version")?);
    let count = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection.query_row(count, [], |row| row.get(0))?;
    Ok((id, version) == (APPLICATION_ID, SCHEMA_VERSION) || (id, version, tables) == (0, 0, 0))
}

/// Sets the durability, and creates the tables in a new database.
fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.execute_batch(&format!(
            "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        ))?;
    }
    Ok(())
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::Directory {
        path: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options
        .open(directory.join("wallet.lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn ask(store: &mut Store, ordinal: Option<i64>, line: &str) -> (u16, String) {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let method: Method = word().parse().expect("a method");
        let asked = Operation::read(&method, word(), word().as_bytes());
        let answer = store
            .carry_out(ordinal.map(Ordinal), &asked)
            .expect("a working disk");
        (
            answer.status(),
            String::from_utf8(answer.body().to_vec()).expect("our own JSON"),
        )
    }

    fn open(owner: &str, opening: i64) -> String {
        format!(r#"POST /accounts {{"owner":"{owner}","opening":{opening}}}"#)
    }

    fn applied(store: &mut Store) -> String {
        ask(store, None, "GET /byzantine/applied").1
    }

    #[test]
    fn the_last_ordinal_repeats_its_answer_and_others_are_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::open(directory.path()).expect("a new database");
        assert_eq!(applied(&mut store), "{\"ordinal\":0}\n");
        let first = ask(&mut store, Some(1), &open("alice", 10));
        assert_eq!(first.0, 201);
        drop(store);
        let mut store = Store::open(directory.path()).expect("our own database");
        // Whatever is asked, ordinal 1 has its answer.
        assert_eq!(ask(&mut store, Some(1), "GET /total"), first);
        assert_eq!(ask(&mut store, Some(1), &open("alice", 10)), first);
        assert_eq!(applied(&mut store), "{\"ordinal\":1}\n");
        let total = "{\"total\":10,\"balances\":10,\"escrow\":0}\n";
        assert_eq!(
            ask(&mut store, Some(3), "GET /total"),
            (200, total.to_owned())
        );
        assert_eq!(ask(&mut store, Some(2), "GET /total").0, 409);
        assert_eq!(ask(&mut store, Some(1), "GET /total").0, 409);
        assert_eq!(applied(&mut store), "{\"ordinal\":3}\n");
    }

    #[test]
    fn every_request_with_an_ordinal_counts_even_a_refused_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::open(directory.path()).expect("a new database");
        let refused = [
            "GET /nowhere",
            "POST /payments x",
            "GET /accounts/bob",
            "PUT /total",
        ];
        for (ordinal, line) in (1..).zip(refused) {
            let answer = ask(&mut store, Some(ordinal), line);
            assert!((400..500).contains(&answer.0), "{line}: {answer:?}");
            assert_eq!(ask(&mut store, Some(ordinal), "GET /total"), answer);
        }
        assert_eq!(applied(&mut store), "{\"ordinal\":4}\n");
        ask(&mut store, None, &open("alice", 10));
        assert_eq!(applied(&mut store), "{\"ordinal\":4}\n");
    }

    #[test]
    fn a_refusal_midway_undoes_what_was_done_before_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::open(directory.path()).expect("a new database");
        ask(&mut store, None, &open("alice", 10));
        let payment = r#"POST /payments {"from":"alice","to":"nobody","amount":4}"#;
        for ordinal in [None, Some(1)] {
            assert_eq!(ask(&mut store, ordinal, payment).0, 404);
            let alice = ask(&mut store, None, "GET /accounts/alice").1;
            assert_eq!(alice, "{\"owner\":\"alice\",\"balance\":10}\n");
        }
        let most = crate::values::MOST_MONEY;
        assert_eq!(ask(&mut store, None, &open("bob", most - 9)).0, 422);
        assert_eq!(ask(&mut store, None, "GET /accounts/bob").0, 404);
        assert_eq!(ask(&mut store, None, &open("bob", most - 10)).0, 201);
    }

    #[test]
    fn a_transfer_holds_its_money_until_it_is_settled_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::open(directory.path()).expect("a new database");
        ask(&mut store, None, &open("alice", 10));
        ask(&mut store, None, &open("bob", 0));
        let order = r#"POST /transfers {"from":"alice","to":"bob","amount":4}"#;
        let total = |store: &mut Store| ask(store, None, "GET /total").1;
        assert_eq!(ask(&mut store, None, order).0, 201);
        assert_eq!(ask(&mut store, None, order).0, 201);
        assert_eq!(
            ask(&mut store, None, order).0,
            409,
            "6 are in escrow, 2 are left"
        );
        assert_eq!(
            total(&mut store),
            "{\"total\":10,\"balances\":2,\"escrow\":8}\n"
        );
        assert_eq!(ask(&mut store, None, "POST /transfers/1/accept").0, 200);
        assert_eq!(ask(&mut store, None, "POST /transfers/1/accept").0, 409);
        assert_eq!(ask(&mut store, None, "POST /transfers/1/reject").0, 409);
        assert_eq!(ask(&mut store, None, "POST /transfers/2/reject").0, 200);
        assert_eq!(ask(&mut store, None, "POST /transfers/3/accept").0, 404);
        let balances = "[{\"owner\":\"alice\",\"balance\":6},{\"owner\":\"bob\",\"balance\":4}]\n";
        assert_eq!(ask(&mut store, None, "GET /balances").1, balances);
        assert_eq!(
            total(&mut store),
            "{\"total\":10,\"balances\":10,\"escrow\":0}\n"
        );
    }

    #[test]
    fn a_second_wallet_and_a_strangers_file_are_refused_with_advice() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(directory.path()).expect("a new database");
        let text = Store::open(directory.path())
            .expect_err("in use")
            .to_string();
        assert!(text.contains("another wallet serves"), "{text}");
        drop(store);
        let file = directory.path().join("wallet.db");
        fs::remove_file(&file).expect("it is there");
        let stranger = Connection::open(&file).expect("a new database");
        stranger
            .execute_batch("CREATE TABLE notes (text);")
            .expect("a working disk");
        drop(stranger);
        let text = Store::open(directory.path())
            .expect_err("foreign")
            .to_string();
        assert!(text.contains("was not written by this version"), "{text}");
        fs::write(&file, [7; 9000]).expect("a working disk");
        let text = Store::open(directory.path())
            .expect_err("no database")
            .to_string();
        assert!(
            text.contains("cannot open") && text.contains("wallet.db"),
            "{text}"
        );
    }
}
