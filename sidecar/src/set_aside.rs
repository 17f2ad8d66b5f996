//! A ledger that has rotted is set aside, and its replica begins anew with nothing but its keys.
//!
//! What it held is at the others, who signed it. The journal and the snapshots go with it: they
//! rest on it, and a replica without a journal knows that it has forgotten its votes. A crash on
//! the way leaves either the rot, which is found again, or a journal that begins after the ledger's
//! end.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byzantine_proof::{Membership, ReplicaId};

use crate::error::SidecarError;
use crate::ledger::{Ledger, LedgerError};

/// The ledger's file.
const LEDGER: &str = "ledger.redb";

/// Where the last one that rotted lies, for whoever wants to know why.
const ASIDE: &str = "damaged";

/// Opens the ledger in `data`; an empty one in place of one that has rotted.
///
/// # Errors
/// [`SidecarError::Ledger`] for all that is wrong with it but rot; [`SidecarError::SetAside`].
pub(crate) fn ledger(
    data: &Path,
    membership: &Arc<Membership>,
    replica: ReplicaId,
) -> Result<Ledger, SidecarError> {
    let open = || Ledger::open(&data.join(LEDGER), Arc::clone(membership), replica);
    match open() {
        Err(LedgerError::Damaged { what, .. }) => {
            let aside = set_aside(data)?;
            tracing::error!(
                what,
                aside = %aside.display(),
                "this replica's ledger is damaged and was set aside: it takes everything from the \
                 others; look at its disk"
            );
            Ok(open()?)
        }
        opened => Ok(opened?),
    }
}

/// One is kept: rot that comes back must not fill the disk.
fn set_aside(data: &Path) -> Result<PathBuf, SidecarError> {
    let aside = data.join(ASIDE);
    let failed = |source| SidecarError::SetAside {
        path: data.to_owned(),
        source,
    };
    absent_is_fine(fs::remove_dir_all(&aside)).map_err(failed)?;
    fs::create_dir(&aside).map_err(failed)?;
    for name in [LEDGER, "journal", "snapshots"] {
        let moved = fs::rename(data.join(name), aside.join(name));
        absent_is_fine(moved).map_err(failed)?;
    }
    Ok(aside)
}

fn absent_is_fine(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
