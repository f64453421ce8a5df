//! Write the description of the cards for the Container Device Interface. From version 1.18 on the toolkit has a unit
//! for it, which is enabled instead. Source: NVIDIA container toolkit, "Support for Container Device Interface"; issues
//! 1611 and 1982 for its race at boot.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    kind::{ActionContext, ActionKind, Failure, Prepared, Traces, Verdict},
    properties::{Preview, Properties, Reversal, RootReason},
    undo::{Undo, WayBack},
};
use crate::{
    host::{Command, Host},
    i18n::msg,
};

/// Survives a boot, other than `/var/run/cdi`.
const SPEC: &str = "/etc/cdi/nvidia.yaml";

/// Writes the description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdiSpec {
    /// The cards that it must name.
    pub cards: usize,
}

impl CdiSpec {
    fn command() -> Command {
        Command::new("nvidia-ctk", ["cdi", "generate", "--output=/etc/cdi/nvidia.yaml"])
            .deadline(Some(std::time::Duration::from_mins(1)))
    }

    /// Returns the devices in a description, without `all`, and the driver's version among its libraries.
    fn read(text: &str) -> Option<(usize, Option<String>)> {
        let spec: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
        let devices = spec.get("devices")?.as_sequence()?;
        let is_card = |device: &&serde_yaml::Value| {
            let name = device
                .get("name")
                .and_then(|name| name.as_str().map(str::to_owned).or_else(|| name.as_u64().map(|n| n.to_string())));
            name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let version = text.split("libcuda.so.").filter_map(|rest| rest.split(['\n', '"', ' ', ',']).next());
        let version = version.filter(|version| version.contains('.')).map(str::to_owned).next();
        Some((devices.iter().filter(is_card).count(), version))
    }
}

impl ActionKind for CdiSpec {
    fn properties(&self) -> Properties {
        Properties::on_machine(RootReason::Etc, Reversal::Whole)
    }

    fn preview(&self) -> Preview {
        Preview::of([Self::command()])
    }

    fn validate(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn check(&self, host: &Host) -> Option<Vec<String>> {
        let (devices, version) = Self::read(&host.files.read_text(SPEC).ok()?)?;
        let loaded = host
            .files
            .read_text("/proc/driver/nvidia/version")
            .ok()
            .and_then(|text| crate::facts::parse::parse_driver_version(&text).0);
        let fits = devices == self.cards && version.is_some() && version == loaded;
        fits.then(|| vec![format!("{SPEC} names {devices} cards of driver {}", version.unwrap_or_default())])
    }

    fn prepare(&self, context: &ActionContext<'_>) -> Result<Prepared, Failure> {
        // What will be written nobody knows before; a file that was there is kept, and put back over whatever is there
        // then.
        let there = context.host.files.exists(Path::new(SPEC));
        Ok(if there { Undo::Nothing } else { Undo::Parameters }.into())
    }

    fn execute(&self, context: &mut ActionContext<'_>) -> Result<(), Failure> {
        context.run(&Self::command())
    }

    fn judge(&self, host: &Host, _traces: &Traces<'_>) -> Verdict {
        let proof = self.check(host);
        if proof.is_none()
            && let Ok(text) = host.files.read_text(SPEC)
        {
            let (devices, version) = Self::read(&text).unwrap_or_default();
            return Verdict::Failed(Failure::new(msg::failure::cdi_differs(
                self.cards,
                devices,
                version.unwrap_or_default(),
            )));
        }
        Verdict::by(proof)
    }

    fn way_back(&self, _host: &Host, undo: &Undo) -> Result<WayBack, Failure> {
        let remove = WayBack::Run { command: Command::new("rm", ["--force", "--", SPEC]), gone: Some(SPEC.into()) };
        Ok(if *undo == Undo::Parameters { remove } else { WayBack::Nothing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_cards_and_finds_the_version() {
        let text = "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits: {}\n- name: GPU-5c89\n- name: 1\n- name: all\n\
            containerEdits:\n  mounts:\n  - hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05\n";
        assert_eq!(CdiSpec::read(text), Some((2, Some("580.95.05".to_owned()))));
        assert_eq!(CdiSpec::read("devices: []\n"), Some((0, None)));
        assert_eq!(CdiSpec::read(": ["), None);
    }
}
