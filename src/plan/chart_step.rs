//! The end of step 3 for an owner that comes as a Helm chart: its values file, and the release.

use std::path::PathBuf;

use super::{
    Action, Step,
    action::{
        edit_file::EditFile,
        helm_install::{HelmInstall, VALUES},
    },
};
use crate::{answers::Answers, cluster::chart_values::Clash, kubespray::edit::FileEdit};

/// Why Helm cannot be run from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// There is none on this machine.
    NoHelm,
    /// It is of no use; in its own words.
    Useless(String),
    /// The cluster cannot be asked from here; in the words of who asked.
    NoCluster(String),
}

/// What is installed already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Installed {
    /// The chart with its version.
    pub chart: String,
    /// The values that were given to it, as a file.
    pub values: String,
    /// Its newest operation was begun and not ended.
    pub is_pending: bool,
}

/// A release to install, or to bring to other values, and what was found out about it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartPlan {
    /// What will be installed.
    pub install: HelmInstall,
    /// Why Helm cannot do it from here.
    pub lack: Option<Lack>,
    /// What is there.
    pub installed: Option<Installed>,
    /// Values that the user's own file has otherwise.
    pub clashes: Vec<Clash>,
    /// The folder for a values file that is to be carried to where Helm is.
    pub folder: PathBuf,
    /// What that file has now.
    pub file_before: String,
}

/// Plans the release. Where Helm cannot do it from here, the values file is written all the same, and the commands are
/// shown for where it can.
pub fn chart_step(plan: &ChartPlan, answers: &Answers) -> Vec<Action> {
    let mut actions: Vec<Action> = plan.lack.as_ref().map(|_| carried(plan)).into_iter().collect();
    actions.push(release(plan));
    for action in &mut actions {
        action.skipped |= answers.leave_out.contains(&action.id);
    }
    actions
}

/// Plans that a chart cannot be installed: it is shown, and why.
pub fn refused_chart(install: HelmInstall, why: &str, args: &[(&'static str, String)]) -> Action {
    let release = install.release.name.clone();
    let mut action = Action::new(Step::Variables, "helm-install", install, args);
    let has_chart = args.iter().any(|(name, _)| *name == "chart");
    let chart = (!has_chart).then(|| ("chart".to_owned(), String::new()));
    action.args.extend(chart.into_iter().chain([("release".to_owned(), release)]));
    Action { blocked: Some(why.to_owned()), skipped: true, commands: Vec::new(), diff: None, ..action }
}

fn carried(plan: &ChartPlan) -> Action {
    let path = plan.folder.join(VALUES);
    let edit = FileEdit {
        path: path.clone(),
        before: plan.file_before.clone(),
        after: plan.install.values.clone(),
        changes: Vec::new(),
    };
    let args = [("file", path.display().to_string())];
    let action = Action::new(Step::Variables, "write-chart-values", EditFile::from(&edit), &args);
    Action { diff: Some(edit.diff()), ..action }
}

fn release(plan: &ChartPlan) -> Action {
    let install = &plan.install;
    let named = [
        ("release", format!("{}/{}", install.release.namespace, install.release.name)),
        ("chart", format!("v{}", install.version)),
    ];
    let mut action = Action::new(Step::Variables, "helm-install", install.clone(), &named);
    if let Some(installed) = &plan.installed {
        let diff = similar::TextDiff::from_lines(&installed.values, &install.values);
        action.diff = Some(diff.unified_diff().context_radius(3).header(&installed.chart, VALUES).to_string());
        action.args.push(("installed".to_owned(), installed.chart.clone()));
        let why = if installed.is_pending { "helm-install-pending" } else { "helm-upgrade" };
        why.clone_into(&mut action.why);
    }
    if !plan.clashes.is_empty() {
        let told = plan.clashes.iter().map(|clash| format!("{}: {} <- {}", clash.key, clash.theirs, clash.ours));
        action.args.push(("clashes".to_owned(), told.collect::<Vec<_>>().join("; ")));
        "helm-install-clash".clone_into(&mut action.why);
    }
    if let Some(lack) = &plan.lack {
        let (why, words) = match lack {
            Lack::NoHelm => ("no-helm", String::new()),
            Lack::Useless(words) => ("helm-useless", words.clone()),
            Lack::NoCluster(words) => ("object-not-compared", words.clone()),
        };
        action.args.push(("words".to_owned(), words));
        action.args.push(("file".to_owned(), plan.folder.join(VALUES).display().to_string()));
        action.blocked = Some(why.to_owned());
        action.skipped = true;
    }
    action
}
