//! No correct replica is ever named by another correct one.

use byzantine_consensus::{Notice, ReplicaId};

use super::{Checks, Violation};

impl Checks {
    /// A correct replica noticed something.
    ///
    /// # Errors
    /// When it names a correct replica as a liar.
    pub fn noticed(&self, by: ReplicaId, notice: &Notice) -> Result<(), Violation> {
        if !self.is_correct(by) {
            return Ok(());
        }
        let (named, what) = match notice {
            Notice::Rejected {
                replica,
                rejection,
                kind,
            } if rejection.convicts() => (*replica, format!("{rejection} in {kind}")),
            Notice::Equivocated { replica, sequence } => {
                (*replica, format!("equivocation at sequence {sequence}"))
            }
            Notice::Outvoted {
                replica, sequence, ..
            } if !self.odd_apps => (*replica, format!("a wrong answer at sequence {sequence}")),
            _ => return Ok(()),
        };
        if self.is_correct(named) {
            let detail = format!("replica {by} names replica {named}, which is correct: {what}");
            return Err(Violation::new("blame", detail));
        }
        Ok(())
    }
}
