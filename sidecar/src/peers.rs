//! Links to the other replicas.
