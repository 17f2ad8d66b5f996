//! The driver: one thread owns the replica, its journal and its ledger.
