//! The command line: what there is, and nothing of how it is done.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};

use crate::{
    error::Expected,
    host::{Command, replay::Scenario},
    i18n::{Lang, msg},
    input::{FilePath, InventoryPath, NodeName, PciId},
};

/// The version, with the commit of a release, and the month up to which the catalog knows the world.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("GPUNODE_COMMIT"), ", catalog of ", env!("GPUNODE_CATALOG"), ")");

/// Turns a machine with an NVIDIA card into a working GPU node of a Kubespray cluster.
#[derive(Debug, Parser)]
#[command(name = "gpunode", version = VERSION, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Without a command, the wizard starts on this machine, or goes on where it was.\nTry `gpunode --demo` first: it changes nothing on this machine."
)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// The command; the wizard if absent.
    #[command(subcommand)]
    pub command: Option<Verb>,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Use a simulated machine instead of this one (see `gpunode scenarios`)
    #[arg(long, global = true, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "seed", conflicts_with_all = ["replay", "root"])]
    pub demo: Option<String>,
    /// Use a recorded machine: a file of `gpunode record`, or a scenario folder
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "root")]
    pub replay: Option<PathBuf>,
    /// Keep the session in this file (or name it in the variable `GPUNODE_SESSION`)
    #[arg(long, global = true, value_name = "FILE")]
    pub session: Option<PathBuf>,
    /// Begin a new session; the old one is kept beside it
    #[arg(long, global = true)]
    pub new: bool,
    /// Read /proc, /sys, /etc and the rest below this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// How fast a simulated machine answers: 1 is real time, 0 at once
    #[arg(long, global = true, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Language of the texts
    #[arg(long, global = true, value_enum)]
    pub lang: Option<Lang>,
    /// Draw with ASCII characters only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Ask with plain prompts, line by line: for dumb terminals, serial lines and screen readers
    #[arg(long, global = true)]
    pub plain: bool,
}

impl Global {
    /// Returns the language that was asked for, or else the environment's.
    pub fn lang(&self) -> Lang {
        self.lang.unwrap_or_else(|| Lang::from_env(|name| std::env::var(name).ok()))
    }

    /// Returns the command that comes back to this session. It has the words of this one, the program first, but begins
    /// nothing anew; what `get` knows of the environment may be another then: a session that it names is an option, and
    /// root by `sudo` stays root.
    pub fn again(&self, words: impl IntoIterator<Item = OsString>, get: &impl Fn(&str) -> Option<String>) -> String {
        let value = |name: &str| get(name).filter(|value| !value.is_empty());
        let session = value("GPUNODE_SESSION").filter(|_| self.session.is_none());
        let mut said: Vec<String> =
            words.into_iter().map(|word| word.to_string_lossy().into_owned()).filter(|word| word != "--new").collect();
        // A program that was called by a path from here, and a session beside here, are found from everywhere.
        if let Some(program) = said.first_mut().filter(|program| program.contains('/')) {
            *program = absolute(program);
        }
        if let Some(place) = said.iter().position(|word| word == "--session").filter(|place| place + 1 < said.len()) {
            said[place + 1] = absolute(&said[place + 1]);
        }
        let sudo = value("SUDO_USER").map(|_| "sudo".to_owned());
        let session = session.into_iter().flat_map(|path| ["--session".to_owned(), path]);
        Command::from_line(sudo.into_iter().chain(said).chain(session)).to_string()
    }
}

/// Returns a path that leads to the same place from every folder.
fn absolute(path: &str) -> String {
    let clean = path.strip_prefix("./").unwrap_or(path);
    std::path::absolute(clean).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Step 1: what is in this machine, and who owns its driver
    Detect {
        /// Print the documented JSON
        #[arg(long)]
        json: bool,
    },
    /// The drivers and CUDA toolkits that fit
    Drivers(DriversArgs),
    /// Step 3: which value wins, and what Kubespray will do with it
    Vars(VarsArgs),
    /// All actions with commands and diffs; changes nothing
    Plan {
        /// The answers file
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// Print the documented JSON
        #[arg(long)]
        json: bool,
    },
    /// Do it, with progress as lines
    Apply(ApplyArgs),
    /// The live tail of the installer pod, with diagnosis
    Tail {
        /// Read this log file instead of the cluster's
        #[arg(long, value_name = "LOG")]
        file: Option<PathBuf>,
        /// The answers file, for node and kubeconfig
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// How to reach the cluster
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Known failures in a log, from a file or standard input
    Diagnose {
        /// The log; standard input if absent
        file: Option<PathBuf>,
        /// Print the documented JSON
        #[arg(long)]
        json: bool,
    },
    /// Step 4's checks, once
    Verify {
        /// Print the documented JSON
        #[arg(long)]
        json: bool,
        /// Judge for the second boot: note this boot, or prove again what was noted before it
        #[arg(long)]
        after_boot: bool,
        /// The answers file, for node and kubeconfig
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// How to reach the cluster
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Where the session stands
    Status {
        /// Print the documented JSON
        #[arg(long)]
        json: bool,
    },
    /// Take back what was done, newest first
    Undo {
        /// Really do it
        #[arg(long)]
        yes: bool,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// What is there, what was changed, what proves it
    Report {
        /// The form
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Print the session's answers as an answers file instead
        #[arg(long)]
        answers: bool,
    },
    /// Record this machine's facts into a scenario, without names and serial numbers
    Record {
        /// The file to write
        file: PathBuf,
    },
    /// The simulated machines and the failures to practise; a machine of your own
    Scenarios {
        /// What to do; a list if absent
        #[command(subcommand)]
        what: Option<ScenarioVerb>,
    },
    /// For a class: an exercise sheet, and a table of how far everybody is
    Lab {
        /// What to do
        #[command(subcommand)]
        what: LabVerb,
    },
    /// Where the nodes of a fleet stand, by the reports of the Ansible collection
    Fleet(FleetArgs),
    /// Write the Ansible collection that prepares many nodes
    Ansible {
        /// The folder to write it to, to be named in `ANSIBLE_COLLECTIONS_PATH`
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// A gpunode for another architecture, to be copied to nodes that have it; may be given more than once
        #[arg(long, value_name = "FILE")]
        binary: Vec<PathBuf>,
    },
    /// Shell completions
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The manual page, in roff
    Man,
    /// Licences of the crates that this program is linked with
    Licences,
}

/// What `scenarios` does besides listing.
#[derive(Debug, Clone, Subcommand)]
pub enum ScenarioVerb {
    /// Write a documented scenario into a new folder
    New {
        /// The folder
        dir: PathBuf,
    },
    /// Say what is wrong with a scenario, by file and line
    Check {
        /// The folder
        dir: PathBuf,
    },
    /// Let the simulated machine that `--demo` names begin anew
    Reset,
}

/// What `lab` makes.
#[derive(Debug, Clone, Subcommand)]
pub enum LabVerb {
    /// An exercise sheet in Markdown, for these scenarios; all failures if none is named
    Sheet {
        /// Names of scenarios, or folders
        names: Vec<String>,
    },
    /// A table for the trainer, from the students' `status --json` files
    Table {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Options of `drivers`.
#[derive(Debug, Clone, Args)]
pub struct DriversArgs {
    /// A card by PCI id instead of this host's; may be given more than once
    #[arg(long, value_name = "10de:XXXX")]
    pub gpu: Vec<PciId>,
    /// The wanted CUDA version
    #[arg(long, value_name = "X.Y")]
    pub cuda: Option<crate::version::Version>,
    /// For this owner of the driver instead of the recommended one
    #[arg(long, value_enum)]
    pub owner: Option<crate::answers::DriverOwner>,
    /// Show what does not fit too, with the reason
    #[arg(long)]
    pub all: bool,
    /// Print the documented JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `vars`.
#[derive(Debug, Clone, Args)]
pub struct VarsArgs {
    /// The Kubespray checkout
    #[arg(long, value_name = "DIR")]
    pub kubespray: Option<FilePath>,
    /// The inventory, absolute or below the checkout
    #[arg(long, value_name = "PATH")]
    pub inventory: Option<InventoryPath>,
    /// This machine's name in the inventory
    #[arg(long, value_name = "NAME")]
    pub node: Option<NodeName>,
    /// The OS of the first control plane, as the role will see it
    #[arg(long, value_name = "ID-VERSION")]
    pub control_plane_os: Option<String>,
    /// For this owner of the driver instead of the session's or the recommended one
    #[arg(long, value_enum)]
    pub owner: Option<crate::answers::DriverOwner>,
    /// Print the documented JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// The answers file
    #[arg(long, value_name = "FILE")]
    pub answers: PathBuf,
    /// Really do it
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Stop after this step
    #[arg(long, value_name = "STEP", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub until: u8,
    /// Do only these steps
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=4), conflicts_with = "until")]
    pub steps: Vec<u8>,
}

/// Options of `fleet`.
#[derive(Debug, Clone, Args)]
pub struct FleetArgs {
    /// The folder of the reports; beside the inventory if absent
    #[arg(value_name = "DIR", required_unless_present = "inventory")]
    pub folder: Option<PathBuf>,
    /// Kubespray's inventory, whose nodes are shown also where no run has come to them yet
    #[arg(short, long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// The inventory's group of GPU nodes
    #[arg(long, value_name = "NAME", default_value = "gpu_node")]
    pub group: String,
    /// Print the documented JSON
    #[arg(long)]
    pub json: bool,
}

/// How to reach the cluster.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// The kubeconfig
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<FilePath>,
    /// This machine's name in the cluster
    #[arg(long, value_name = "NAME")]
    pub node: Option<NodeName>,
}

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal.
    Text,
    /// Markdown.
    Md,
    /// JSON.
    Json,
}

/// Returns what is wrong with a command line in the form of all errors here; nothing where clap only has something to
/// tell (help, version). `words` are the command line's own.
pub fn usage_error(error: &clap::Error, words: &[OsString]) -> Option<Expected> {
    if !error.use_stderr() {
        return None;
    }
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what).to_owned();
    if let Some(name) = demo_without_equals(error, words) {
        return Some(Expected::new(
            msg::error::usage::demo(name),
            msg::error::usage::demo::hint(Scenario::names().join(", ")),
        ));
    }
    let rest: Vec<String> = paragraphs.collect();
    let tip = rest.iter().find_map(|part| part.strip_prefix("tip: "));
    let usage = rest.iter().find_map(|part| part.strip_prefix("Usage: ")).map(|usage| format!("use it as `{usage}`; "));
    let hint =
        tip.map_or_else(|| format!("{}`gpunode --help` shows all there is", usage.unwrap_or_default()), str::to_owned);
    Some(Expected::new(what, hint))
}

/// Returns the word after a `--demo` that clap took for a command.
fn demo_without_equals(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    words.windows(2).any(|pair| pair[0] == "--demo" && pair[1] == name.as_str()).then(|| name.clone())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err("expected a number from 0 on, such as 1, 10 or 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_command_that_comes_back_finds_the_same_session_and_keeps_it() {
        let again = |words: &[&str], environment: &[(&str, &str)]| {
            let get =
                |name: &str| environment.iter().find(|(there, _)| *there == name).map(|(_, value)| (*value).to_owned());
            Cli::parse_from(words).global.again(words.iter().map(OsString::from), &get)
        };
        assert_eq!(again(&["gpunode"], &[]), "gpunode");
        assert_eq!(again(&["gpunode", "--new"], &[("SUDO_USER", "kim"), ("GPUNODE_SESSION", "")]), "sudo gpunode");
        let own = ["./gpunode", "--demo=other", "--session", "/tmp/my node.yaml"];
        let here = std::env::current_dir().unwrap().join("gpunode").display().to_string();
        assert_eq!(again(&own, &[]), format!("{here} --demo=other --session '/tmp/my node.yaml'"));
        assert_eq!(again(&own[..2], &[("GPUNODE_SESSION", "/tmp/x")]), format!("{here} --demo=other --session /tmp/x"));
        assert_eq!(again(&own, &[("GPUNODE_SESSION", "/tmp/x")]), again(&own, &[]), "the option is stronger");
    }

    #[test]
    fn the_demo_takes_a_name_only_with_an_equals_sign() {
        assert_eq!(Cli::parse_from(["gpunode", "--demo"]).global.demo.as_deref(), Some("seed"));
        let cli = Cli::parse_from(["gpunode", "--demo=other", "detect"]);
        assert_eq!(cli.global.demo.as_deref(), Some("other"));
        assert!(matches!(cli.command, Some(Verb::Detect { json: false })));
    }
}
