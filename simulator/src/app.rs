//! The app behind the replicas: a bank. No balance is ever negative, and the total never changes.
//!
//! It also notes what it executed, so that a checker can tell whether anything ran twice.

use std::collections::BTreeMap;

use byzantine_consensus::{Request, RequestId, Retention};

use crate::keys::expiry;

/// How many accounts there are.
pub const ACCOUNTS: usize = 5;

/// What each holds at the start.
pub const OPENING: i64 = 100;

/// The bank's state; a clone is a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// What each account holds.
    pub balances: [i64; ACCOUNTS],
    /// The number of the last call executed.
    pub applied: u64,
    /// Its answer, stored with the state.
    pub last: String,
    /// Every request executed in this line of states: its number, and until when it is remembered.
    pub executed: BTreeMap<RequestId, (u64, u64)>,
    kept: Retention,
}

impl Bank {
    /// A bank that has executed nothing, in a world that remembers keys that long.
    pub const fn new(kept: Retention) -> Self {
        Self {
            balances: [OPENING; ACCOUNTS],
            applied: 0,
            last: String::new(),
            executed: BTreeMap::new(),
            kept,
        }
    }
}

/// What a request asks of the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Move money from one account to another.
    Transfer {
        /// Whose money.
        from: usize,
        /// Who gets it.
        to: usize,
        /// How much.
        amount: i64,
    },
    /// Tell what an account holds.
    Balance(usize),
}

impl Operation {
    /// Method and target.
    pub fn line(self) -> (&'static str, String) {
        match self {
            Self::Transfer { from, to, amount } => {
                ("POST", format!("/transfer/{from}/{to}/{amount}"))
            }
            Self::Balance(account) => ("GET", format!("/balance/{account}")),
        }
    }

    /// What a request asks for; `None` when the bank does not know it.
    pub fn of(request: &Request) -> Option<Self> {
        let parts: Vec<&str> = request.target.split('/').skip(1).collect();
        let account = |text: &str| text.parse().ok().filter(|account| *account < ACCOUNTS);
        match parts[..] {
            ["transfer", from, to, amount] => Some(Self::Transfer {
                from: account(from)?,
                to: account(to)?,
                amount: amount.parse().ok().filter(|amount| *amount >= 0)?,
            }),
            ["balance", of] => Some(Self::Balance(account(of)?)),
            _ => None,
        }
    }

    /// Does it, and tells the answer.
    pub fn apply(self, balances: &mut [i64; ACCOUNTS]) -> String {
        match self {
            Self::Transfer { from, to, amount } if balances[from] >= amount => {
                balances[from] -= amount;
                balances[to] += amount;
                format!("moved {} {}", balances[from], balances[to])
            }
            Self::Transfer { from, .. } => format!("refused {}", balances[from]),
            Self::Balance(account) => balances[account].to_string(),
        }
    }
}

/// The answer to a request that the bank does not know.
pub const UNKNOWN: &str = "unknown";

impl Bank {
    /// How long keys are remembered.
    pub const fn kept(&self) -> Retention {
        self.kept
    }

    /// Executes one call at an agreed time; `Err` tells the number under which the same request ran
    /// before.
    ///
    /// # Errors
    /// When the request was executed before in this line of states, and its key is remembered.
    pub fn call(
        &mut self,
        (ordinal, time): (u64, u64),
        id: RequestId,
        request: &Request,
    ) -> Result<String, u64> {
        let expires = expiry(&self.kept, request.key_source, time);
        let before = self.executed.insert(id, (ordinal, expires));
        if let Some((before, _)) = before.filter(|(_, expires)| *expires >= time) {
            return Err(before);
        }
        let operation = Operation::of(request);
        let answer = operation.map_or_else(
            || UNKNOWN.to_owned(),
            |operation| operation.apply(&mut self.balances),
        );
        self.applied = ordinal;
        self.last.clone_from(&answer);
        Ok(answer)
    }

    /// Whether no money came or went, and nobody owes any.
    pub fn is_sound(&self) -> bool {
        let total = OPENING * i64::try_from(ACCOUNTS).unwrap_or(0);
        self.balances.iter().sum::<i64>() == total
            && self.balances.iter().all(|balance| *balance >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Faults;
    use crate::keys::retention;

    #[test]
    fn money_moves_and_none_is_made() {
        let mut bank = Bank::new(retention(0, Faults::NONE));
        let all = Operation::Transfer {
            from: 0,
            to: 1,
            amount: OPENING,
        };
        assert_eq!(all.apply(&mut bank.balances), "moved 0 200");
        assert_eq!(all.apply(&mut bank.balances), "refused 0");
        assert_eq!(Operation::Balance(1).apply(&mut bank.balances), "200");
        assert!(bank.is_sound());
        bank.balances[0] = -1;
        assert!(!bank.is_sound());
    }
}
