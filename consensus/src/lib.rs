//! PBFT as a pure function: no sockets, files, clocks or randomness.
