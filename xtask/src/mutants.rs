//! `cargo xtask mutants`: changes one place after the other in agreement and journal, and asks
//! whether a test notices. What nobody notices is not tested.
//!
//! cargo-mutants says what may be changed. It would compile each change by itself, which takes a
//! minute a change; here all are compiled at once, each behind a switch (`weave`).

mod blame;
mod built_in;
mod change;
mod tree;
mod trial;
mod unnoticed;
mod weave;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;

use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;
use change::Change;
use tree::Tree;
use trial::{Outcome, Program};
use unnoticed::Reasons;

/// The version of cargo-mutants whose arguments and list these are.
const VERSION: &str = "27.1.0";

/// What must not be wrong.
const PACKAGES: [&str; 2] = ["byzantine-consensus", "byzantine-journal"];

/// Its tests are asked too, and it itself: what no example shows, a seed may.
const TESTED: &str = "byzantine-simulator";

/// Of a hundred changes, so many must be noticed, whatever the reasons of the others.
const NOTICED: usize = 95;

/// A share is none of fewer.
const ENOUGH_FOR_A_SHARE: usize = 100;

/// CI has 45 minutes for all it does: the build takes three, and each a few seconds.
const TRIED_BY_CI: usize = 30;

/// Which changes are tried.
#[derive(Args)]
pub(crate) struct MutantsArguments {
    /// One of so many, spread evenly over the code
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    one_in: u32,
    /// Which one of so many is the first, from 0: another sample
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// At most so many: fewer of them if there are more
    #[arg(long, value_name = "CHANGES")]
    most: Option<usize>,
    /// Only in lines that differ from this revision
    #[arg(long, value_name = "REVISION")]
    since: Option<String>,
    /// Only those that this file lists, in the manner of xtask/unnoticed.txt; a run leaves what it
    /// found unnoticed in target/mutants/unnoticed.txt
    #[arg(long, value_name = "FILE")]
    listed: Option<PathBuf>,
    /// Ask the tests alone, not the simulator's attacks and fresh schedules: much is unnoticed then
    #[arg(long)]
    tests_only: bool,
    /// How many are tried at a time [default: one a core]
    #[arg(long)]
    jobs: Option<usize>,
}

impl MutantsArguments {
    /// What CI tries: some of the lines that a change touches.
    pub(crate) fn touched(since: String) -> Self {
        Self {
            one_in: 1,
            first: 0,
            most: Some(TRIED_BY_CI),
            since: Some(since),
            listed: None,
            tests_only: false,
            jobs: None,
        }
    }
}

/// Tries the changes; each that no test noticed is printed.
///
/// # Errors
/// [`XtaskError::ChangesUnnoticed`], or what kept them from being tried.
pub(crate) fn run(arguments: &MutantsArguments) -> Result<String, XtaskError> {
    install()?;
    let reasons = Reasons::read(&workspace_root().join(unnoticed::LIST))?;
    let chosen = choose(arguments)?;
    let listed = chosen.len();
    if chosen.is_empty() {
        return Ok("no line that can be changed".to_owned());
    }
    let tree = Tree::grow(chosen)?;
    let programs = trial::programs(&tree, arguments.tests_only)?;
    let changes = tree.into_changes();
    let jobs = arguments.jobs.or_else(cores).unwrap_or(1);
    let unnoticed = try_all(&programs, &changes, jobs)?;
    leave(&unnoticed)?;
    judge(&changes, listed, &unnoticed, &reasons)
}

fn cores() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

fn choose(arguments: &MutantsArguments) -> Result<Vec<Change>, XtaskError> {
    let difference = arguments.since.as_deref().map(difference).transpose()?;
    let mut mutants = cargo(&["mutants"]);
    mutants.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    let within = difference.iter();
    mutants.args(within.flat_map(|path| [OsStr::new("--in-diff"), path.as_os_str()]));
    let mut all = without_built_in(change::list(&mut mutants)?)?;
    if let Some(list) = &arguments.listed {
        let listed = Reasons::read(list)?;
        all.retain(|change| listed.has(change));
    }
    let most = arguments.most.unwrap_or(usize::MAX).max(1);
    let one_in = (arguments.one_in as usize).max(all.len().div_ceil(most));
    let from = arguments.first as usize % one_in.max(1);
    Ok(all.into_iter().skip(from).step_by(one_in.max(1)).collect())
}

/// What only a build with built-in bugs would do otherwise is left out: no test can notice.
fn without_built_in(changes: Vec<Change>) -> Result<Vec<Change>, XtaskError> {
    let mut regions = BTreeMap::new();
    let mut left = Vec::with_capacity(changes.len());
    for change in changes {
        let path = workspace_root().join(&change.file);
        let of_file = match regions.entry(change.file.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let source = std::fs::read_to_string(&path);
                let source = source.map_err(|error| XtaskError::file(&path, error))?;
                new.insert(built_in::regions(&source))
            }
        };
        if !built_in::is_built_in(&change, of_file) {
            left.push(change);
        }
    }
    Ok(left)
}

/// Tries all, several at a time, and says what became of each.
fn try_all<'a>(
    programs: &[Program],
    changes: &'a [Change],
    jobs: usize,
) -> Result<Vec<&'a Change>, XtaskError> {
    let (next, unnoticed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(change) = changes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = trial::try_one(programs, change.number)?;
            println!("{}", told(change, &outcome));
            if outcome == Outcome::Unnoticed {
                let unnoticed = unnoticed.lock();
                unnoticed.expect("nobody panics with it").push(change);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        done.map(|done| done.expect("a worker does not panic"))
            .collect::<Result<Vec<()>, XtaskError>>()
    })?;
    let mut unnoticed = unnoticed.into_inner().expect("nobody panicked with it");
    unnoticed.sort_by_key(|change| change.number);
    Ok(unnoticed)
}

fn told(change: &Change, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Noticed(test) => format!("noticed    {change} [{test}]"),
        Outcome::Hung(program) => format!("hung       {change} [{program}]"),
        Outcome::Unnoticed => format!("UNNOTICED  {change}"),
    }
}

/// For `--listed`: those who wrote a test ask again.
fn leave(unnoticed: &[&Change]) -> Result<(), XtaskError> {
    let path = workspace_root().join("target/mutants/unnoticed.txt");
    let line = |change: &&Change| format!("{}: {}", change.file, change.what);
    let lines: Vec<String> = unnoticed.iter().map(line).collect();
    std::fs::write(&path, lines.join("\n")).map_err(|error| XtaskError::file(&path, error))
}

/// Enough must be noticed, and each of the others needs a reason.
fn judge(
    changes: &[Change],
    listed: usize,
    unnoticed: &[&Change],
    reasons: &Reasons,
) -> Result<String, XtaskError> {
    let tried = changes.len();
    let without = |change: &&&Change| !reasons.has(change);
    let without: Vec<_> = unnoticed.iter().filter(without).collect();
    if !without.is_empty() {
        println!("\nunnoticed and not listed in xtask/unnoticed.txt:");
    }
    for change in &without {
        println!("{}: {}", change.file, change.what);
    }
    let noticed = tried - unnoticed.len();
    let told = format!(
        "{noticed} of {tried} changes noticed, {} not and with a reason, {} without; {} others \
         did not compile",
        unnoticed.len() - without.len(),
        without.len(),
        listed - tried
    );
    let share = tried < ENOUGH_FOR_A_SHARE || noticed * 100 >= tried * NOTICED;
    if without.is_empty() && share {
        return Ok(told);
    }
    Err(XtaskError::ChangesUnnoticed(told))
}

/// What differs from a revision, as a file.
fn difference(revision: &str) -> Result<PathBuf, XtaskError> {
    let path = workspace_root().join("target/mutants/since.diff");
    let mut git = Command::new("git");
    git.current_dir(workspace_root());
    let written = command::output(git.args(["diff", revision, "--", "consensus", "journal"]))?;
    let directory = path.parent().unwrap_or(&path);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, written.stdout))
        .map_err(|error| XtaskError::file(&path, error))?;
    Ok(path)
}

fn install() -> Result<(), XtaskError> {
    let version = command::output(&mut cargo(&["mutants", "--version"]))?;
    if String::from_utf8_lossy(&version.stdout).contains(VERSION) {
        return Ok(());
    }
    println!("cargo-mutants {VERSION} is missing; building it takes a few minutes, once");
    let arguments = ["install", "cargo-mutants", "--locked", "--version", VERSION];
    command::run(&mut cargo(&arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(count: u32) -> Vec<Change> {
        let change = |number| Change {
            number,
            file: "a.rs".into(),
            genre: change::Genre::FnValue,
            at: (1, 1),
            replacement: "()".into(),
            what: format!("replace f{number} with ()"),
        };
        (1..=count).map(change).collect()
    }

    #[test]
    fn what_is_unnoticed_needs_a_reason() {
        let changes = changes(10);
        let reasons = Reasons::parse("# why\na.rs: replace f3 with ()\n");
        assert!(judge(&changes, 12, &[&changes[2]], &reasons).is_ok());
        let error = judge(&changes, 12, &[&changes[2], &changes[3]], &reasons).unwrap_err();
        assert!(
            error.to_string().contains(
                "8 of 10 changes noticed, 1 not and with a reason, 1 without; 2 others did not"
            ),
            "{error}"
        );
    }

    #[test]
    fn of_many_ninety_five_in_a_hundred_are_noticed_whatever_the_reasons() {
        let changes = changes(100);
        let line = |number| format!("a.rs: replace f{number} with ()");
        let listed = (1..=6).map(line).collect::<Vec<_>>().join("\n");
        let reasons = Reasons::parse(&listed);
        let unnoticed: Vec<&Change> = changes.iter().take(6).collect();
        assert!(judge(&changes, 100, &unnoticed[..5], &reasons).is_ok());
        assert!(judge(&changes, 100, &unnoticed, &reasons).is_err());
    }
}
