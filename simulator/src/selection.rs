//! Which runs: the arguments that a seed file, a command line and a reproduction share.

use clap::Parser;

use crate::adversary::AttackKind;
use crate::fault::Faults;
use crate::plan::{Options, REQUESTS};
use crate::sabotage::Bug;

/// The arguments of one run.
#[derive(Debug, Clone, Parser)]
#[command(no_binary_name = true)]
pub struct Selection {
    /// The seed: everything that chance decides
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many replicas
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(4..=31))]
    pub n: u8,
    /// How many requests clients send
    #[arg(long, default_value_t = REQUESTS)]
    pub requests: usize,
    /// Faults that may be present, with commas between them; all by default
    #[arg(long, value_parser = Faults::parse)]
    pub only: Option<Faults>,
    /// Faults that are left out
    #[arg(long, value_parser = Faults::parse)]
    pub without: Option<Faults>,
    /// Faults that are present whatever the seed says
    #[arg(long, value_parser = Faults::parse)]
    pub with: Option<Faults>,
    /// How liars lie
    #[arg(long, value_parser = attack)]
    pub attack: Option<AttackKind>,
    /// How long chaos lasts, in virtual milliseconds
    #[arg(long)]
    pub chaos: Option<u64>,
    /// Clients ask liars' gateways nothing
    #[arg(long)]
    pub shun: bool,
    /// A built-in bug that is switched on
    #[arg(long, value_parser = Bug::parse)]
    pub bug: Option<Bug>,
}

impl Selection {
    /// Reads arguments as they stand in a seed file.
    ///
    /// # Errors
    /// What is wrong with them, in clap's words.
    pub fn parse_line(line: &str) -> Result<Self, String> {
        Self::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())
    }

    /// The run that they ask for.
    pub fn options(&self) -> Options {
        let mut allowed = self.only.unwrap_or(Faults::ALL);
        for fault in self.without.unwrap_or_default().iter() {
            allowed = allowed.without(fault);
        }
        Options {
            seed: self.seed,
            members: usize::from(self.n),
            requests: self.requests,
            allowed,
            forced: self.with.unwrap_or_default(),
            attack: self.attack,
            chaos: self.chaos,
            shun: self.shun,
            bug: self.bug,
        }
    }
}

/// The attack of a name.
///
/// # Errors
/// All names, when there is none.
pub fn attack(name: &str) -> Result<AttackKind, String> {
    let names = || AttackKind::ALL.iter().map(|kind| kind.name());
    let unknown = || {
        let names: Vec<&str> = names().collect();
        format!(
            "no attack is called {name}; the names are {}",
            names.join(", ")
        )
    };
    AttackKind::parse(name).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_its_own_arguments_back() {
        let mut options = Options::swarm(7, 5);
        options.allowed = Faults::parse("loss,liar").unwrap();
        options.forced = Faults::parse("kill").unwrap();
        options.attack = Some(AttackKind::Equivocate);
        options.chaos = Some(300);
        options.shun = true;
        let read = Selection::parse_line(&options.arguments()).unwrap();
        assert_eq!(read.options(), options);
    }
}
