//! `gpunode scenarios`: the built-in simulated machines.

use super::print;
use crate::{error::Expected, exit_code::ExitCode, host::replay::Scenario, i18n::msg, workspace::Workspace};

/// Prints names, titles and lessons.
pub(super) fn run(workspace: &Workspace) -> Result<ExitCode, Expected> {
    let mut text = String::new();
    for name in Scenario::names() {
        let scenario = Scenario::built_in(&name).map_err(|error| Expected::new(error.message(), msg::error::bug()))?;
        let code = workspace.lang.code();
        let of = |texts: &std::collections::BTreeMap<String, String>| texts.get(code).cloned().unwrap_or_default();
        text += &format!(
            "{name}\n  {}\n  {}\n  gpunode --demo={name}\n\n",
            of(&scenario.about.title),
            of(&scenario.about.lesson)
        );
    }
    print(&text)
}
