//! What plans are made from: a machine, its facts, and the answers.

use std::{cell::OnceCell, path::Path};

use super::{
    chart, config, demand_card, demand_gpu_nodes, demand_node_name, driver_cuda, driver_table, engine, folder,
    import_image, joining, newcomer, objects, owners, preview, preview_request, propose,
};
use crate::{
    answers::Answers,
    cluster::testpod,
    error::Expected,
    facts::Facts,
    host::Host,
    i18n::{Lang, msg},
    kubespray::{self, Edited, Preview, edit, spec::DRIVER_VERSION, values},
    owner,
    plan::{self, Action, Step, VerifyPlan},
    prediction::Prediction,
    preflight,
    session::Session,
    version::Version,
};

/// What plans are made from: a machine, its facts, and the answers. The inventory is read once, when it is first
/// needed.
pub struct Planner<'a> {
    host: &'a Host,
    facts: &'a Facts,
    answers: &'a Answers,
    preview: OnceCell<Result<Preview, Expected>>,
    owners: OnceCell<Vec<owner::Fit>>,
}

impl<'a> Planner<'a> {
    /// Begins to plan. Nothing is read yet.
    pub fn new(host: &'a Host, facts: &'a Facts, answers: &'a Answers) -> Self {
        Self { host, facts, answers, preview: OnceCell::new(), owners: OnceCell::new() }
    }

    /// Returns the preview of the variables as they are.
    pub fn preview(&self) -> Result<&Preview, Expected> {
        let made = self.preview.get_or_init(|| preview(self.host, self.facts, self.answers));
        made.as_ref().map_err(Clone::clone)
    }

    /// Judges who may own the driver.
    pub fn owners(&self) -> &[owner::Fit] {
        self.owners.get_or_init(|| owners(self.host, self.facts, self.answers))
    }

    /// Plans one step for the session in the file `session`. Nothing is changed.
    pub fn plan_step(&self, step: Step, session: &Path) -> Result<Vec<Action>, Expected> {
        let Self { host, facts, answers, .. } = *self;
        let folder = folder(host, session);
        if step != Step::Detect {
            demand_card(facts, answers)?;
        }
        match step {
            Step::Detect => Ok(Vec::new()),
            Step::Driver => {
                let places = plan::Places { session, downloads: &folder.join("downloads") };
                Ok(owner::driver_step(facts, answers, places))
            }
            Step::Variables => self.plan_variables(&folder),
            Step::Verify => {
                let on = self.verify_plan();
                demand_node_name(Some(&on.node))?;
                Ok(plan::verify_step(answers, &on))
            }
        }
    }

    /// Gathers what the plan of step 4 rests on.
    fn verify_plan(&self) -> VerifyPlan {
        let Self { host, facts, answers, .. } = *self;
        let wanted = self.wanted_driver();
        let node = self.node_name();
        VerifyPlan {
            watch: owner::of(answers.driver_owner).watch(answers, &node),
            runtime_class: owner::of(answers.driver_owner).stack().runtime_class(),
            node,
            cuda: driver_cuda(&self.answers_as_written()),
            expected: testpod::Expected {
                driver: wanted.as_ref().map(|(version, _)| version.clone()),
                driver_source: wanted.map(|(_, source)| source.to_owned()).unwrap_or_default(),
                gpus: facts.gpus.iter().map(|gpu| gpu.pci_address.clone()).collect(),
            },
            import: answers.test_image_file.as_deref().map(|file| import_image(host, facts, file)),
        }
    }

    /// Returns the driver that somebody has said, and where: the user's own choice, else what the inventory says. One
    /// that is only recommended was chosen by nobody.
    fn wanted_driver(&self) -> Option<(Version, &'static str)> {
        let Self { host, facts, answers, .. } = *self;
        if !owner::of(answers.driver_owner).brings_chosen_driver() {
            return None;
        }
        let table = driver_table(host, facts, answers, answers.cuda()).ok();
        let recommended =
            table.as_ref().and_then(|table| table.drivers.iter().find(|row| row.recommended)).map(|row| &row.version);
        let is_variable = answers.variables.contains_key(DRIVER_VERSION);
        let chosen = answers.driver_version.as_ref().filter(|version| !is_variable && Some(*version) != recommended);
        if let Some(chosen) = chosen {
            return Some((chosen.clone(), "driver_version"));
        }
        let written = answers.variables.get(DRIVER_VERSION).filter(|value| !value.is_null());
        let version = written.map_or_else(|| self.inventory_driver(), as_version)?;
        Some((version, DRIVER_VERSION))
    }

    /// Returns the driver that the inventory names now.
    fn inventory_driver(&self) -> Option<Version> {
        self.preview().ok()?.variable(DRIVER_VERSION)?.value.as_ref().and_then(as_version)
    }

    /// Returns the answers with the driver that will be brought: a value that was chosen for the variable counts more
    /// than `driver_version`, and one that is left as it is stays that of the inventory. What a template becomes nobody
    /// knows here.
    fn answers_as_written(&self) -> Answers {
        let mut answers = self.answers.clone();
        if owner::of(answers.driver_owner).brings_chosen_driver()
            && let Some(value) = answers.variables.get(DRIVER_VERSION)
        {
            answers.driver_version = if value.is_null() { self.inventory_driver() } else { as_version(value) };
        }
        answers
    }

    /// Plans step 3: the inventory's files, then the playbooks. Without an inventory here, a file to carry to where it
    /// is.
    fn plan_variables(&self, folder: &Path) -> Result<Vec<Action>, Expected> {
        let Self { host, facts, answers, .. } = *self;
        values::check(answers, &facts.driver_versions())?;
        let preview = self.preview()?;
        demand_node_name(preview.inventory_host.as_deref().filter(|_| answers.node.is_none()))?;
        if preview.inventory.is_none() {
            let commands = owner::of(answers.driver_owner).playbooks(preview, answers);
            let lines: String = commands.iter().map(|command| format!("\n  {command}")).collect();
            let head = msg::vars::carry(lines, &preview.layout.cluster_group).text(Lang::En);
            let file = edit::vars_file(folder.join("gpu-vars.yml"), owner::values(preview, answers), &head);
            return Ok(plan::carried_variables(&file, commands, answers));
        }
        demand_gpu_nodes(answers, preview)?;
        let answers = joining(facts, answers, preview)?;
        let edits = propose(host, facts, &answers, preview)?;
        let program = preview.layout.ansible_playbook.as_deref().unwrap_or(Path::new("ansible-playbook"));
        let has_ansible = host.commands.locate(&program.display().to_string()).is_some();
        let node = preview.node.clone().unwrap_or_else(|| facts.host.hostname.clone());
        let objects = objects::ask(host, &answers, &node, preview.layout.release.as_ref());
        let mut actions = plan::variables_step(
            &edits,
            owner::of(answers.driver_owner).playbooks(preview, &answers),
            &answers,
            preview.layout.ansible_core.as_ref(),
            has_ansible,
        );
        config::show(host, &answers, preview, folder, &mut actions);
        actions.extend(engine::plan(host, facts, &answers, preview));
        actions.extend(plan::objects_step(&objects, &answers));
        actions.extend(chart::plan(&chart::Request { host, facts, answers: &answers, preview, node: &node, folder })?);
        Ok(actions)
    }

    /// As [`Self::preview`], judged by the values that will be once step 3 has written its edits: what a person should
    /// know before saying yes.
    pub fn planned_preview(&self) -> Result<Preview, Expected> {
        let Self { host, facts, answers, .. } = *self;
        let now = self.preview()?;
        if now.inventory.is_none() {
            return Ok(now.clone());
        }
        // What cannot be edited is said where the plan is made.
        let edits = joining(facts, answers, now).and_then(|answers| propose(host, facts, &answers, now));
        let Ok(edits) = edits else { return Ok(now.clone()) };
        let after = kubespray::preview(&Edited::new(&*host.files, &edits), &preview_request(facts, answers))?;
        // That a machine is written into the inventory is no finding any more once it stands there.
        let joined = newcomer(facts, answers, now).map(|newcomer| newcomer.finding());
        let findings = joined.into_iter().chain(after.findings).collect();
        Ok(Preview { capability: after.capability, findings, ..now.clone() })
    }

    /// Runs the pre-flight of step 2 over what is still to be done of `actions`.
    pub fn preflight(&self, actions: &[Action], session: Option<&Session>) -> Result<Vec<Prediction>, Expected> {
        let Self { host, facts, .. } = *self;
        let answers = &self.answers_as_written();
        let table = driver_table(host, facts, answers, answers.cuda())?;
        // What was done before a run was cut off, and takes effect at the boot that is still to come, is not done yet.
        let waits = |action: &Action| action.is_reboot() && action.kind.check(host).is_none();
        let boot_is_to_come = actions.iter().any(waits);
        let is_done = |action: &Action| {
            session.is_some_and(|session| session.is_done(&action.id)) && !(boot_is_to_come && action.needs_reboot)
        };
        let open: Vec<Action> = actions.iter().filter(|action| !action.skipped && !is_done(action)).cloned().collect();
        let owner = owner::of(answers.driver_owner);
        let known = self.preview().ok();
        let images = known.map(|preview| owner.images(preview)).unwrap_or_default();
        let request = preflight::Request { host, facts, answers, table: &table, actions: &open, images: &images };
        let knows_inventory = known.is_some_and(|preview| preview.inventory.is_some());
        let mut own: Vec<Prediction> =
            owner::forecast(self.owners(), answers.driver_owner, knows_inventory).into_iter().collect();
        own.extend(owner.checks(request));
        Ok(preflight::check(request, own))
    }

    /// Returns this machine's name in the cluster.
    pub fn node_name(&self) -> String {
        let Self { facts, answers, .. } = *self;
        let from_inventory = || self.preview().ok().and_then(|preview| preview.node.clone());
        answers.node.clone().map(String::from).or_else(from_inventory).unwrap_or_else(|| facts.host.hostname.clone())
    }
}

/// Reads a variable's value as a version; a template is none.
fn as_version(value: &serde_json::Value) -> Option<Version> {
    value.as_str()?.parse().ok()
}
