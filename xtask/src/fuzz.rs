//! `cargo xtask fuzz`: libFuzzer on the decoders, from the kept inputs on, which it adds to.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;

/// What makes rustc count branches for libFuzzer; no nightly compiler is needed for it.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Clink-dead-code -Ccodegen-units=1";

/// The longest input in bytes.
const MAX_LENGTH: u32 = 4096;

/// Which decoders, and how long.
#[derive(Args)]
pub(crate) struct FuzzArguments {
    /// The decoders; all if none is named
    targets: Vec<String>,
    /// How long each is tried
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
}

/// Builds with instrumentation, lets libFuzzer look, and keeps of what it found what reaches
/// something new.
///
/// # Errors
/// When the build fails (a C++ compiler is needed), or when an input broke a decoder: libFuzzer
/// prints it, and its file is left in `target/fuzz`.
pub(crate) fn run(arguments: &FuzzArguments) -> Result<(), XtaskError> {
    let corpora = workspace_root().join("fuzzing/corpora");
    let program = build()?;
    for target in names(arguments, &corpora)? {
        let mut look = fuzzer(&program, &target);
        let seconds = arguments.minutes * 60;
        look.arg(format!("-max_total_time={seconds}"));
        println!("{target}: {} min", arguments.minutes);
        let (kept, found) = (corpora.join(&target), directory(&target, "found")?);
        command::run(look.arg(&found).arg(&kept))?;
        let mut keep = fuzzer(&program, &target);
        command::run(keep.arg("-merge=1").arg(&kept).arg(&found))?;
    }
    Ok(())
}

/// For a named platform, since build scripts would else be instrumented, too.
fn build() -> Result<PathBuf, XtaskError> {
    let (output, host) = (workspace_root().join("target/fuzz"), host()?);
    let mut build = cargo(&["build", "--release", "--target", &host, "--manifest-path"]);
    build.arg(workspace_root().join("libfuzzer/Cargo.toml"));
    build.arg("--target-dir").arg(&output);
    build.env("RUSTFLAGS", INSTRUMENTATION);
    command::run(&mut build)?;
    let directory = output.join(host).join("release");
    Ok(directory.join("byzantine-libfuzzer"))
}

fn host() -> Result<String, XtaskError> {
    let told = command::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

fn names(arguments: &FuzzArguments, corpora: &PathBuf) -> Result<Vec<String>, XtaskError> {
    if !arguments.targets.is_empty() {
        return Ok(arguments.targets.clone());
    }
    let entries = std::fs::read_dir(corpora).map_err(|error| XtaskError::file(corpora, error))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// libFuzzer on one decoder; what breaks it is left where cargo cleans up.
fn fuzzer(program: &PathBuf, target: &str) -> Command {
    let mut command = Command::new(program);
    let broken = workspace_root().join("target/fuzz/broken");
    command.env("BYZANTINE_FUZZ_TARGET", target);
    command.arg(format!("-artifact_prefix={}/{target}-", broken.display()));
    command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
    command.arg(format!("-max_len={MAX_LENGTH}"));
    command
}

/// A directory below `target/fuzz`, made if it is not there.
fn directory(target: &str, name: &str) -> Result<PathBuf, XtaskError> {
    let root = workspace_root().join("target/fuzz");
    for path in [root.join("broken"), root.join(name).join(target)] {
        std::fs::create_dir_all(&path).map_err(|error| XtaskError::file(&path, error))?;
    }
    Ok(root.join(name).join(target))
}
