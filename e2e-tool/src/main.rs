//! What the end-to-end stories cannot do from outside a cluster, run in a pod of its own.
//!
//! `pause` waits for the end, and `kubectl exec` does the rest: `kill`, `write`, `remove`, `read`
//! and `search` need the node's process namespace and privileges; `knock` is an intruder's and
//! needs none.

mod knock;
mod processes;
mod search;

use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "\
usage: byzantine-e2e-tool pause
       byzantine-e2e-tool kill POD_UID PROGRAM              SIGKILL
       byzantine-e2e-tool write POD_UID PROGRAM FILE TEXT   a file as that process sees it
       byzantine-e2e-tool read POD_UID PROGRAM FILE
       byzantine-e2e-tool remove POD_UID PROGRAM FILE
       byzantine-e2e-tool search PROGRAM HEX...             bytes in the files that it has open
       byzantine-e2e-tool knock HOST:PORT                   TLS with a key that nobody pinned";

fn run(words: &[&str]) -> Result<String, String> {
    match words {
        ["pause"] => pause(),
        ["kill", pod, program] => processes::find(pod, program)?.kill(),
        ["write", pod, program, file, text] => processes::find(pod, program)?.write(file, text),
        ["remove", pod, program, file] => processes::find(pod, program)?.remove(file),
        ["read", pod, program, file] => processes::find(pod, program)?.read(file),
        ["search", program, needles @ ..] => search::search(program, needles),
        ["knock", address] => knock::knock(address),
        _ => Err(USAGE.to_owned()),
    }
}

fn pause() -> Result<String, String> {
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    // Blocked first: the first process of a container ignores what it neither blocks nor handles.
    ends.thread_block().map_err(|error| error.to_string())?;
    let signal = ends.wait().map_err(|error| error.to_string())?;
    Ok(format!("ended by {signal}"))
}
