//! The wallet as its users see it, and the sums that must hold.
