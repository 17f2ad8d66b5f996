//! A graceful stop.
