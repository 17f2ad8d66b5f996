//! `cargo xtask coverage`: which places of agreement no simulated world enters.
//!
//! What is never entered was never tried, whatever the checkers say. Places that simulations cannot
//! or need not enter are listed in `xtask/uncovered.txt`, each below its reason.

mod list;
mod regions;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;
use list::List;
use regions::Region;

/// Whose places are looked at.
const PART: &str = "consensus/src/";

/// Liars that draw each time in which way they are wrong: a few seeds of each do not show all ways.
const WRONG_IN_MANY_WAYS: [&str; 6] = [
    "false-entries",
    "forged-views",
    "garbage-relay",
    "spoiled-requests",
    "unasked-supply",
    "unjustified-resolve",
];

/// How many seeds each of them has at each size.
const LIAR_SEEDS: &str = "200";

/// How much is played.
#[derive(Args)]
pub(crate) struct CoverageArguments {
    /// Fresh schedules beside the recorded seeds and the attacks
    #[arg(long, default_value_t = 6000)]
    schedules: u64,
    /// The first seed of both
    #[arg(long, default_value_t = 1)]
    from: u64,
}

/// Builds the simulator with counters, plays, and prints every place that was never entered and
/// is not listed.
///
/// # Errors
/// [`XtaskError::NeverEntered`], or what kept it from being measured: LLVM's tools must be there.
pub(crate) fn run(arguments: &CoverageArguments) -> Result<(), XtaskError> {
    let tools = Tools::find()?;
    let program = build()?;
    let profile = play(&program, arguments, &tools)?;
    let regions = tools.regions(&program, &profile)?;
    judge(&regions, &List::read(&workspace_root())?)
}

fn judge(regions: &[Region], list: &List) -> Result<(), XtaskError> {
    let missed: Vec<&Region> = regions.iter().filter(|region| !region.entered).collect();
    let unknown: Vec<&&Region> = missed.iter().filter(|it| !list.excuses(it)).collect();
    for region in &unknown {
        println!("never entered: {region}");
    }
    for entry in list.idle(&missed) {
        println!("listed, and entered after all: {entry}");
    }
    let (all, missed) = (regions.len(), missed.len());
    println!(
        "{PART}: {} of {all} places entered, {} never and with a reason, {} without",
        all - missed,
        missed - unknown.len(),
        unknown.len()
    );
    if unknown.is_empty() {
        return Ok(());
    }
    Err(XtaskError::NeverEntered(unknown.len()))
}

fn directory() -> PathBuf {
    workspace_root().join("target/coverage")
}

/// For a named platform, since build scripts would else be instrumented, too.
fn build() -> Result<PathBuf, XtaskError> {
    let told = command::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    let mut build = cargo(&["build", "--release", "-p", "byzantine-simulator"]);
    build.args(["--target", &host, "--target-dir"]);
    build
        .arg(directory())
        .env("RUSTFLAGS", "-Cinstrument-coverage");
    command::run(&mut build)?;
    Ok(directory().join(host).join("release/sim"))
}

/// Recorded seeds, every attack, fresh schedules, and more of the liars who are wrong in many ways.
/// What they break is not this chore's to tell.
fn play(
    program: &Path,
    arguments: &CoverageArguments,
    tools: &Tools,
) -> Result<PathBuf, XtaskError> {
    let (from, schedules) = (arguments.from.to_string(), arguments.schedules.to_string());
    let all = ["ci", "--minutes", "120", "--schedules", &schedules];
    let more = |liar| {
        let sizes = ["attack", liar, "--n", "4,7", "--measured", "0"];
        [&sizes[..], &["--seeds", LIAR_SEEDS]].concat()
    };
    let played = std::iter::once(all.to_vec()).chain(WRONG_IN_MANY_WAYS.map(more));
    let merged = directory().join("played.profdata");
    let mut merge = Command::new(&tools.profdata);
    merge.args(["merge", "-sparse", "-o"]).arg(&merged);
    for (number, words) in played.enumerate() {
        let raw = directory().join(format!("played-{number}.profraw"));
        let mut play = Command::new(program);
        play.current_dir(workspace_root());
        play.env("LLVM_PROFILE_FILE", &raw);
        play.args(words).args(["--from", &from]);
        println!("$ {}", command::line(&play));
        if let Err(error) = command::run(&mut play) {
            println!("{error}");
        }
        merge.arg(&raw);
    }
    command::run(&mut merge)?;
    Ok(merged)
}

/// LLVM's own readers of what instrumented programs write, of the compiler's LLVM.
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    /// From the toolchain, or from the system under the name with the version.
    fn find() -> Result<Self, XtaskError> {
        let told = command::output(Command::new("rustc").arg("-vV"))?;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let version = told
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "));
        let major = version.and_then(|it| it.split('.').next()).unwrap_or("?");
        let sysroot = command::output(Command::new("rustc").args(["--print", "target-libdir"]))?;
        let libraries = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
        let tool = |name: &str| {
            let own = libraries.with_file_name("bin").join(name);
            let suffixed = PathBuf::from(format!("{name}-{major}"));
            let runs = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok();
            [own, suffixed].into_iter().find(runs)
        };
        match (tool("llvm-profdata"), tool("llvm-cov")) {
            (Some(profdata), Some(cov)) => Ok(Self { profdata, cov }),
            _ => Err(XtaskError::NoCoverageTools(major.to_owned())),
        }
    }

    fn regions(&self, program: &Path, profile: &Path) -> Result<Vec<Region>, XtaskError> {
        let mut export = Command::new(&self.cov);
        export.args(["export", "-format=text", "-instr-profile"]);
        let told = command::output(export.arg(profile).arg(program))?;
        regions::of(&told.stdout, PART, &workspace_root())
    }
}
