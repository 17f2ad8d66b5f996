//! Liars: replicas that break the protocol on purpose, for demonstrations and tests.
