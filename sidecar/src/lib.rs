//! The sidecar: HTTP gateway, peer links, driver, executor and ledger.
