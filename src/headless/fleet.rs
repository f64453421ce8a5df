//! `gpunode fleet`: where the nodes of a fleet stand, on the whole screen, as text or as JSON.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{print, print_json};
use crate::{
    cli::{FleetArgs, Global},
    error::{Expected, reason},
    exit_code::ExitCode,
    fleet::{FleetNode, Reports, Table, app::FleetApp, node::exit_code},
    i18n::{Lang, msg},
    kubespray::{
        config::Config,
        inventory::{Ignored, Inventory},
    },
    text::{cut_middle, fit},
    tui,
    wizard::Settings,
    workspace::Workspace,
};

/// Where the collection keeps the reports, beside the inventory. Ansible reads no inventory from a hidden folder.
const REPORTS: &str = ".gpunode-reports";
/// How long a column of names may get in the text.
const NAMES: usize = 40;

/// Shows the fleet. Exit: as `verify`, over all nodes that have a card.
pub(super) fn run(workspace: &Workspace, global: &Global, args: &FleetArgs) -> Result<ExitCode, Expected> {
    let (folder, expected) = places(workspace, args)?;
    let mut reports = Reports::new(Arc::clone(&workspace.host.files), folder.clone(), expected);
    reports.look().map_err(|error| {
        Expected::new(msg::error::fleet::unreadable(folder.display(), reason(&error)), msg::error::fleet::hint())
    })?;
    let nodes = reports.nodes();
    if nodes.is_empty() {
        return Err(Expected::new(msg::error::fleet::empty(folder.display()), msg::error::fleet::hint()));
    }
    if args.json {
        print_json(&json_of(&Table::new(nodes.clone(), Lang::En)))?;
        return Ok(exit_code(&nodes));
    }
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    if global.plain || is_dumb || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        print(&text_of(&Table::new(nodes.clone(), workspace.lang), workspace.lang))?;
        return Ok(exit_code(&nodes));
    }
    let get = |name: &str| std::env::var(name).ok();
    let settings = Settings::from_env(&get, workspace.lang, PathBuf::new());
    let look = tui::FleetLook { colors: settings.colors, ascii: settings.ascii || global.ascii };
    let source = args.inventory.as_ref().unwrap_or(&folder).display().to_string();
    let app = FleetApp::new(nodes, crate::text::printable(&source), workspace.lang, workspace.host.clock.now());
    let ended = tui::run_fleet(app, look, reports).map_err(|error| match error {
        tui::RunError::NoTerminal(error) => error,
        tui::RunError::Io(error) => {
            Expected::new(msg::error::terminal::failed(reason(&error)), msg::error::terminal::failed::hint())
        }
    })?;
    Ok(exit_code(&ended.table.nodes))
}

/// Returns the folder of the reports, and the nodes that the inventory names.
fn places(workspace: &Workspace, args: &FleetArgs) -> Result<(PathBuf, Vec<String>), Expected> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(inventory) = args.inventory.as_deref().map(absolute) else {
        return Ok((args.folder.as_deref().map(absolute).unwrap_or_default(), Vec::new()));
    };
    let files = workspace.host.files.as_ref();
    let beside =
        if files.list(&inventory).is_ok() { inventory.as_path() } else { inventory.parent().unwrap_or(&inventory) };
    let folder = args.folder.as_deref().map_or_else(|| beside.join(REPORTS), absolute);
    let read = Inventory::load(files, &inventory, &Ignored::new(&Config::default()))?;
    let group = &*args.group;
    if !read.has_group(group) {
        let what = msg::error::fleet::no_group(group, inventory.display());
        return Err(Expected::new(what, msg::error::fleet::no_group::hint()));
    }
    Ok((folder, read.hosts_of(group).into_iter().map(str::to_owned).collect()))
}

fn json_of(table: &Table) -> Value {
    let node = |node: &FleetNode| {
        json!({
            "node": node.name, "standing": node.standing, "steps": node.steps, "cards": node.cards,
            "driver": node.driver, "os": node.os, "kernel": node.kernel, "written": node.written,
            "text": node.text.as_ref().map(|text| text.text(Lang::En)), "help": node.help, "verify": node.chain,
        })
    };
    let group = |group: &crate::fleet::Group| {
        let first = &table.nodes[group.nodes[0]];
        let names: Vec<&str> = group.nodes.iter().map(|place| table.nodes[*place].name.as_str()).collect();
        json!({"standing": first.standing, "count": names.len(), "nodes": names})
    };
    json!({
        "exit": exit_code(&table.nodes) as u8,
        "groups": table.groups.iter().map(group).collect::<Vec<_>>(),
        "nodes": table.nodes.iter().map(node).collect::<Vec<_>>(),
    })
}

fn text_of(table: &Table, lang: Lang) -> String {
    let mut out = String::new();
    for group in &table.groups {
        let first = &table.nodes[group.nodes[0]];
        let names: Vec<&str> = group.nodes.iter().map(|place| table.nodes[*place].name.as_str()).collect();
        let title = first.standing.title().text(lang);
        let facts: Vec<&str> = [&*first.cards, &first.driver, &first.os, &first.kernel]
            .into_iter()
            .filter(|fact| !fact.is_empty())
            .collect();
        out += &format!("{}  {:>5}  {}\n", fit(&title, 14, "…"), names.len(), facts.join(" · "));
        if let Some(text) = &first.text {
            out += &format!("    {}\n", text.text(lang));
        }
        if !first.help.is_empty() {
            out += &format!("    {}\n", first.help);
        }
        for line in names.chunks(6) {
            let line: Vec<String> = line.iter().map(|name| cut_middle(name, NAMES, "…")).collect();
            out += &format!("      {}\n", line.join(" "));
        }
    }
    out
}
