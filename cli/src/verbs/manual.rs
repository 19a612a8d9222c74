//! `swarmlog manual`: completions for a shell, and the manual page.

use crate::Done;
use clap_complete::Shell;

/// Print the completions of a shell, or the manual page.
#[derive(clap::Args)]
pub struct Manual {
    /// Shell to print completions for [default: print the manual page, for man -l]
    #[arg(long, value_enum)]
    complete: Option<Shell>,
}

impl Manual {
    /// Prints what was asked for.
    pub fn run(self, mut command: clap::Command) -> Done {
        let mut out = Vec::new();
        match self.complete {
            Some(shell) => clap_complete::generate(shell, &mut command, "swarmlog", &mut out),
            None => clap_mangen::Man::new(command).render(&mut out)?,
        }
        crate::output::print(String::from_utf8_lossy(&out));
        Ok(())
    }
}
