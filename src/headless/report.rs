//! `gpunode report`: the session's report, or its answers as an answers file.

use super::{print, print_json};
use crate::{
    cli::Format, error::Expected, exit_code::ExitCode, i18n::msg, report::Report, steps, workspace::Workspace,
};

/// Prints the report.
pub(super) fn run(workspace: &Workspace, format: Format, answers: bool) -> Result<ExitCode, Expected> {
    let session = workspace.look()?;
    let decided = steps::answers_of(&workspace.host, &session);
    if answers {
        let text = serde_yaml::to_string(&decided)
            .map_err(|error| Expected::new(msg::error::write_answers(error), msg::error::bug()))?;
        return print(&text);
    }
    let preview = steps::preview(&workspace.host, &session.facts, &decided).ok();
    let report = Report::new(&session, preview.as_ref(), workspace.lang);
    match format {
        Format::Text => print(&report.text(workspace.lang)),
        Format::Md => print(&report.markdown(workspace.lang)),
        Format::Json => print_json(&report.json()),
    }
}
