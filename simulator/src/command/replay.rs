//! `sim replay`: the recorded seeds. Each is a bug that was found once; none may come back.

use std::path::PathBuf;

use clap::Args;

use super::{Output, Verdict, reproduction};
use crate::say::say;
use crate::seeds::{Recorded, Struck, read};
use crate::world::run;

/// Arguments of `sim replay`.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A seed file, or a directory of such
    #[arg(default_value = "simulator/seeds")]
    pub(super) path: PathBuf,
}

impl Replay {
    pub(super) fn execute(&self, output: Output) -> Verdict {
        let recorded = match read(&self.path) {
            Ok(recorded) => recorded,
            Err(error) => {
                eprintln!("{error}");
                return Verdict::Broken;
            }
        };
        let mut verdict = Verdict::Kept;
        for seed in recorded {
            match seed.strikes_its_bug() {
                Ok(Struck::Nothing | Struck::Itself) => {}
                Ok(Struck::After(runs)) => tell_blunt(&seed, runs),
                Err(lost) => {
                    verdict = Verdict::Broken;
                    say!("{lost}");
                }
            }
            let Recorded { name, options, .. } = seed;
            let report = run(&options, false);
            if let Some(violation) = report.violation {
                verdict = Verdict::Broken;
                say!(
                    "{name}: broken: {}: {}",
                    violation.invariant,
                    violation.detail
                );
                say!("    {}", reproduction(&options.arguments()));
            } else if output == Output::Text {
                say!("{name}: kept, hash {:016x}", report.hash);
            }
        }
        verdict
    }
}

/// The bug is found, but by another run than the recorded one.
fn tell_blunt(seed: &Recorded, runs: u64) {
    let (name, bug) = (&seed.name, seed.strikes.as_deref().unwrap_or_default());
    say!(
        "{name}: its schedule is another one now; {bug} was found after {runs} more. Record it \
         anew: sim sabotage {bug} --times 1 --record simulator/seeds"
    );
}
