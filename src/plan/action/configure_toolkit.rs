//! Set keys of the container toolkit's configuration, by the toolkit's own program; what it would write is looked at
//! and kept before.
//!
//! Under CRI-O, Kubespray's low-level runtimes are in no PATH (`/usr/libexec/crio`), and NVIDIA's wrapper finds them by
//! whole paths only. Nothing here touches the container engine's own files: on a Kubespray node these are Kubespray's.
//! Source: `nvidia-ctk config --help`, v1.17 to v1.20; NVIDIA/nvidia-container-toolkit issue 681.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict, ended},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
    valid,
};
use crate::{
    host::{Command, Host},
    i18n::msg,
    input::PlainPath,
};

const FILE: &str = "/etc/nvidia-container-runtime/config.toml";

/// Sets the low-level runtimes that NVIDIA's wrapper hands over to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureToolkit {
    /// Names or whole paths, the first that is there counts.
    pub runtimes: Vec<String>,
}

impl ConfigureToolkit {
    /// Prints what the configuration would be.
    fn command(&self) -> Command {
        let value = format!("nvidia-container-runtime.runtimes={}", self.runtimes.join(":"));
        Command::new("nvidia-ctk", ["config"]).option("--config-file", FILE).words(["--set"]).operand(value)
    }

    fn wanted(&self, host: &Host) -> Result<String, Failure> {
        let output = host.commands.capture(&self.command()).map_err(Failure::own_words)?;
        if output.exit.is_success() && output.stdout.contains("[nvidia-container-runtime]") {
            return Ok(output.stdout);
        }
        Err(Failure::new(msg::failure::undo::command_said(self.command(), ended(output.exit), output.stderr.trim())))
    }
}

impl ActionKind for ConfigureToolkit {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Etc, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        Preview { details: vec![msg::details::configure_toolkit(FILE)], ..Preview::of([self.command()]) }
    }

    fn validate(&self) -> Result<(), Failure> {
        self.runtimes.iter().try_for_each(|name| valid::is::<PlainPath>(&format!("/{}", name.trim_start_matches('/'))))
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let text = host.files.read_text(FILE).ok()?;
        let wanted = self.runtimes.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let line = text.lines().map(str::trim).find(|line| line.replace(' ', "").starts_with("runtimes="))?;
        let is_so = line.split_once('[').is_some_and(|(_, list)| list.trim_end_matches(']').trim() == wanted);
        is_so.then(|| vec![format!("{FILE}: {line}")])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        let wanted = self.wanted(context.host)?;
        Ok(Undo::Files(vec![context.save_file(Path::new(FILE), wanted.as_bytes())?]).into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        let wanted = self.wanted(context.host)?;
        context.write(Path::new(FILE), wanted.as_bytes())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        Verdict::by(self.check(host))
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        undo.restore(&[Path::new(FILE)])
    }
}
