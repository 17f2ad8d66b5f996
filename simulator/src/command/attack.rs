//! `sim attack`: one attack or all, in groups of several sizes, against every promise; and how
//! much faster the same world is without it.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::{Output, Verdict, reproduction};
use crate::adversary::AttackKind;
use crate::fault::{Fault, Faults};
use crate::plan::Options;
use crate::say::say;
use crate::world::{Report, run};

/// Arguments of `sim attack`.
#[derive(Debug, Args)]
pub(super) struct AttackRun {
    /// Which attack
    #[arg(value_parser = crate::selection::attack, required_unless_present = "all")]
    name: Option<AttackKind>,
    /// Every attack of the catalogue
    #[arg(long)]
    all: bool,
    /// Sizes of the group, with commas between them
    #[arg(long, value_delimiter = ',', default_value = "4,7,10")]
    n: Vec<usize>,
    /// Seeds for each attack and size
    #[arg(long, default_value_t = 25)]
    seeds: u64,
    /// Seeds of them for which throughput is measured
    #[arg(long, default_value_t = 5)]
    measured: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Requests where throughput is measured.
const MEASURED_REQUESTS: usize = 240;

/// How long worlds take where nobody lies, by seed and size.
type Calm = BTreeMap<(u64, usize), u64>;

/// What one attack came to in one size.
struct Row {
    attack: &'static str,
    members: usize,
    broken: Vec<String>,
    /// Throughput kept without any other fault, in per cent of that without liars: the mean of all
    /// seeds that were measured, if any were.
    kept: Option<u64>,
}

impl AttackRun {
    pub(super) fn execute(&self, output: Output) -> Verdict {
        let chosen: Vec<AttackKind> = match self.name {
            Some(name) if !self.all => vec![name],
            _ => AttackKind::ALL.to_vec(),
        };
        let mut broken = 0;
        let mut calm = BTreeMap::new();
        for attack in chosen {
            for members in &self.n {
                let row = self.row(attack, *members, &mut calm);
                broken += row.broken.len();
                print(&row, output);
            }
        }
        if broken == 0 {
            Verdict::Kept
        } else {
            Verdict::Broken
        }
    }

    fn row(&self, attack: AttackKind, members: usize, calm: &mut Calm) -> Row {
        let mut broken = Vec::new();
        let mut kept: Vec<u64> = Vec::new();
        for seed in self.from..self.from + self.seeds {
            let mut options = Options::swarm(seed, members);
            options.attack = Some(attack);
            note(&options, &run(&options, false), &mut broken);
            if seed >= self.from + self.measured {
                continue;
            }
            // The same liars in a world that is otherwise whole, and then nobody lies.
            options.requests = MEASURED_REQUESTS;
            options.chaos = Some(1);
            options.allowed = Faults::NONE.with(Fault::Liar);
            options.shun = true;
            let attacked = run(&options, false);
            note(&options, &attacked, &mut broken);
            options.attack = None;
            options.allowed = Faults::NONE;
            let honest = || run(&options, false).busy;
            let calm = *calm.entry((seed, members)).or_insert_with(honest);
            kept.push((calm * 100 / attacked.busy.max(1)).min(100));
        }
        let kept = kept.iter().sum::<u64>().checked_div(kept.len() as u64);
        let attack = attack.name();
        Row {
            attack,
            members,
            broken,
            kept,
        }
    }
}

fn note(options: &Options, report: &Report, broken: &mut Vec<String>) {
    if let Some(violation) = &report.violation {
        let again = reproduction(&options.arguments());
        broken.push(format!(
            "{}: {} ({again})",
            violation.invariant, violation.detail
        ));
    }
}

fn print(row: &Row, output: Output) {
    let (attack, members, kept) = (row.attack, row.members, row.kept);
    if output == Output::Json {
        let broken = &row.broken;
        let text = json!({"attack": attack, "n": members, "broken": broken, "keptPercent": kept});
        say!("{text}");
        return;
    }
    let kept = kept.map_or(String::new(), |kept| {
        format!(", {kept} % of throughput kept")
    });
    say!(
        "{attack:<24} n={members:<3} {} broken{kept}",
        row.broken.len()
    );
    for line in row.broken.iter().take(3) {
        say!("    {}", line.chars().take(400).collect::<String>());
    }
}
