//! What Kubespray will write to containerd's configuration, shown with the playbook that writes it, and read by the
//! node's own containerd.

use std::path::Path;

use crate::{
    answers::Answers,
    facts::containerd::{
        KUBESPRAYS,
        config::{self, RuntimeEntry, Switch},
        parse_version,
    },
    host::{Command, Host},
    kubespray::{
        Preview,
        render::{self, NotRendered, Rendered},
        runtime_entry,
    },
    owner,
    plan::{Action, ActionSpec},
    text::printable,
    version::Version,
};

/// The file, as the header of its change.
const FILE: &str = "/etc/containerd/config.toml";
/// Where the rendered files lie while a containerd reads them, below the session's folder.
const SCRATCH: &str = "render";

/// Adds to the playbook that writes containerd's configuration what it will write, or why that is not known.
pub(super) fn show(host: &Host, answers: &Answers, preview: &Preview, folder: &Path, actions: &mut [Action]) {
    let writes = |action: &Action| matches!(&action.kind, ActionSpec::RunPlaybook(run) if run.run.configures_runtime());
    let changes = owner::values(preview, answers);
    let is_ours = changes.iter().any(|change| change.variable == runtime_entry::VARIABLE);
    let Some(action) = actions.iter_mut().find(|action| writes(action)).filter(|_| is_ours) else { return };
    let was_there = host.files.exists(folder);
    let told = match render::containerd(host, preview, &changes, &folder.join(SCRATCH)) {
        Ok(rendered) => {
            let diff = similar::TextDiff::from_lines(&rendered.before, &rendered.after);
            action.diff = Some(diff.unified_diff().context_radius(3).header(FILE, FILE).to_string());
            held(host, &rendered, folder)
        }
        Err(NotRendered::NoAnsible) => ("run-playbook-unrendered", "ansible-playbook: -".to_owned()),
        Err(NotRendered::Failed(words)) => ("run-playbook-unrendered", words),
    };
    if !was_there {
        // A plan leaves nothing.
        let _ = host.files.remove_all(folder);
    }
    told.0.clone_into(&mut action.why);
    action.args.push(("words".to_owned(), told.1));
}

/// Lets this node's containerd read both files: it must start with the new one, run NVIDIA's runtime by the right
/// program, and run everything else as before.
fn held(host: &Host, rendered: &Rendered, folder: &Path) -> (&'static str, String) {
    let Some(program) = [KUBESPRAYS, "containerd"].into_iter().find(|program| host.commands.locate(program).is_some())
    else {
        return ("run-playbook-rendered", "containerd: -".to_owned());
    };
    let version = host
        .commands
        .capture(&Command::new(program, ["--version"]))
        .ok()
        .and_then(|output| parse_version(&output.stdout));
    let scratch = folder.join(SCRATCH);
    let read = [&rendered.before, &rendered.after].map(|text| read_by(host, program, text, &scratch));
    let _ = host.files.remove_all(&scratch);
    match (&read[0], &read[1]) {
        (_, Err(words)) => ("run-playbook-refused", format!("containerd {}: {words}", version.unwrap_or_default())),
        (before, Ok(after)) => judged(before.as_ref().ok(), after, version.as_deref()),
    }
}

/// What a containerd makes of a file, by `containerd config dump`; the error is its own words.
fn read_by(host: &Host, program: &str, text: &str, scratch: &Path) -> Result<config::ContainerdConfig, String> {
    let file = scratch.join("config.toml");
    host.files.write(&file, text.as_bytes(), 0o600).map_err(|error| error.to_string())?;
    let command = Command::new(program, []).option("--config", file.display()).words(["config", "dump"]);
    let output = host.commands.capture(&command).map_err(|error| error.to_string())?;
    if !output.exit.is_success() {
        return Err(printable(output.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()));
    }
    config::parse(&output.stdout)
}

fn judged(
    before: Option<&config::ContainerdConfig>,
    after: &config::ContainerdConfig,
    version: Option<&str>,
) -> (&'static str, String) {
    let release: Option<Version> = version.and_then(|version| version.parse().ok());
    let told = |entry: &RuntimeEntry| {
        let cgroup = match entry.cgroup(release.as_ref()) {
            Some(Switch::On) => "true".to_owned(),
            Some(Switch::Off) => "false".to_owned(),
            Some(Switch::NotASwitch(text)) => format!("\"{text}\""),
            None => "-".to_owned(),
        };
        let program = entry.program(release.as_ref()).unwrap_or("-");
        format!(
            "{} = {program}, SystemdCgroup = {cgroup}, {}",
            entry.name,
            entry.base_runtime_spec.as_deref().unwrap_or("-")
        )
    };
    let name = format!("containerd {}", version.unwrap_or("-"));
    let Some(entry) = after.runtime(runtime_entry::NAME).filter(|entry| after.knows(entry)) else {
        return ("run-playbook-refused", format!("{name}: runtimes.nvidia: -"));
    };
    let is_right = entry
        .program(release.as_ref())
        .is_some_and(|program| program != "/usr/local/bin/runc" && program.contains("nvidia"))
        && matches!(entry.cgroup(release.as_ref()), Some(Switch::On | Switch::Off));
    let others = |config: &config::ContainerdConfig| -> Vec<RuntimeEntry> {
        config.runtimes.iter().filter(|entry| entry.name != runtime_entry::NAME).cloned().collect()
    };
    let is_same =
        before.is_none_or(|before| others(before) == others(after) && before.default_runtime == after.default_runtime);
    let why = if is_right && is_same { "run-playbook-held" } else { "run-playbook-refused" };
    (why, format!("{name}: {}", told(entry)))
}
