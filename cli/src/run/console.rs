//! One place that writes to the terminal, so that logs and the status line do not mix.
//!
//! Announcements go to standard output, logs and the status line to standard error. Logs that come
//! faster than the terminal takes them are left out there, counted, and whole in their files.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use owo_colors::{AnsiColors, OwoColorize as _, Stream};
use tokio::sync::{mpsc, oneshot};

use crate::output;

/// Lines waiting for the terminal.
const QUEUE: usize = 4096;

const COLOURS: [AnsiColors; 6] = [
    AnsiColors::Cyan,
    AnsiColors::Green,
    AnsiColors::Yellow,
    AnsiColors::Blue,
    AnsiColors::Magenta,
    AnsiColors::BrightRed,
];

enum Item {
    /// For standard output.
    Announcement(String),
    /// For standard error.
    Log(String),
    /// The last line of a terminal.
    Status(String),
    End(oneshot::Sender<()>),
}

/// The way to the terminal.
#[derive(Clone)]
pub(super) struct Console {
    items: mpsc::Sender<Item>,
    dropped: Arc<AtomicU64>,
    quiet: bool,
}

impl Console {
    /// Starts the thread that writes; a slow terminal holds up nobody else.
    pub(super) fn start(quiet: bool) -> Self {
        let (items, received) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::spawn(move || write(received, &lost));
        Self {
            items,
            dropped,
            quiet,
        }
    }

    /// Says something of `byz run` itself.
    pub(super) async fn announce(&self, text: impl Into<String>) {
        // The writer lives until `end`.
        let _ = self.items.send(Item::Announcement(text.into())).await;
    }

    /// Shows a line of a process, or leaves it out when too many wait.
    pub(super) fn log(&self, label: &Label, line: &str) {
        if self.quiet {
            return;
        }
        let item = Item::Log(format!("{} {}", label.coloured(), printable(line)));
        if self.items.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Replaces the status line, where there is a terminal.
    pub(super) fn status(&self, line: String) {
        // The next one follows in a second.
        let _ = self.items.try_send(Item::Status(line));
    }

    /// Waits until everything said so far is written.
    pub(super) async fn end(&self) {
        let (done, written) = oneshot::channel();
        if self.items.send(Item::End(done)).await.is_ok() {
            let _ = written.await;
        }
    }
}

/// Which process a line is of.
#[derive(Debug, Clone)]
pub(super) struct Label {
    text: String,
    replica: usize,
}

impl Label {
    pub(super) fn new(replica: usize, part: &str) -> Self {
        Self {
            text: format!("{replica} {part:<7}|"),
            replica,
        }
    }

    fn coloured(&self) -> String {
        let colour = COLOURS[self.replica % COLOURS.len()];
        self.text
            .if_supports_color(Stream::Stderr, |text| text.color(colour))
            .to_string()
    }
}

/// A process must not move the cursor or ring bells.
fn printable(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for letter in line.chars() {
        match letter {
            '\t' => text.push(letter),
            letter if letter.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(text, "{}", letter.escape_default());
            }
            letter => text.push(letter),
        }
    }
    text
}

/// Failures to write are not our users' concern: a closed terminal must not end the service.
fn write(mut items: mpsc::Receiver<Item>, dropped: &AtomicU64) {
    let live = output::is_watched();
    let mut status = String::new();
    while let Some(item) = items.blocking_recv() {
        let mut stderr = io::stderr().lock();
        if live && !status.is_empty() {
            let _ = write!(stderr, "\r\x1b[2K");
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                stderr,
                "({lost} lines left out here; they are in the log files)"
            );
        }
        match item {
            Item::Announcement(text) => {
                let mut stdout = io::stdout().lock();
                let _ = writeln!(stdout, "{text}");
                let _ = stdout.flush();
            }
            Item::Log(text) => {
                let _ = writeln!(stderr, "{text}");
            }
            Item::Status(text) => status = text,
            Item::End(done) => {
                let _ = done.send(());
                return;
            }
        }
        if live && !status.is_empty() {
            let _ = write!(stderr, "{}", status.dimmed());
            let _ = stderr.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_cannot_steer_the_terminal() {
        assert_eq!(printable("a\tb\u{1b}[2Jc\u{7}"), "a\tb\\u{1b}[2Jc\\u{7}");
    }
}
