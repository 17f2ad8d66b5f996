//! Lines for people on standard output, whose reader may leave before the last one.

use std::fmt::Arguments;
use std::io::Write as _;

/// Writes a line. Where nobody reads any more, as behind `head`, the program ends: a panic in the
/// middle of a run would be taken for one of the core's.
pub fn line(text: Arguments<'_>) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use say;
