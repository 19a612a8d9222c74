//! `swarmlog config show`: every setting with its value, and where it comes from.

use crate::{Done, Global, output, servers::Servers};
use serde_json::json;

/// Show the settings.
#[derive(clap::Args)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Every setting with its value; secrets are not shown
    Show(Box<Show>),
}

#[derive(clap::Args)]
struct Show {
    /// Say where each value comes from: default, a file, a variable of the environment, or a flag
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    servers: Servers,
}

impl Config {
    /// Runs the action.
    pub fn run(self, global: &Global) -> Done {
        let Action::Show(show) = self.action;
        let item = |entry: &service::settings::Entry| {
            let mut item = json!({ "key": entry.key, "value": entry.shown });
            if show.origin {
                item["origin"] = entry.origin.clone().into();
            }
            item
        };
        let items: Vec<_> = show.servers.loaded().entries.iter().map(item).collect();
        let columns: [output::Column; 3] = [
            ("KEY", |item| output::text(&item["key"])),
            ("VALUE", |item| output::text(&item["value"])),
            ("ORIGIN", |item| output::text(&item["origin"])),
        ];
        output::list(global.output, &items, if show.origin { &columns } else { &columns[..2] });
        Ok(())
    }
}
