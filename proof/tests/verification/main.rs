//! The verification as strangers see it: vector files, and what becomes of altered responses.

mod flips;
mod service;
mod vector;
mod vectors;
