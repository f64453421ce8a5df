//! The plan of step 3: the edits of the inventory, then the playbooks.

use super::{Action, Step, action::edit_file::EditFile, action::run_playbook::RunPlaybook};
use crate::{
    answers::Answers,
    kubespray::{edit::FileEdit, playbook::PlaybookRun},
    version::Version,
};

/// Plans step 3. Without `ansible-playbook` here, or when the user wants only to see them, the playbooks are blocked
/// and shown.
pub fn variables_step(
    edits: &[FileEdit],
    playbooks: Vec<PlaybookRun>,
    answers: &Answers,
    ansible: Option<&Version>,
    has_ansible: bool,
) -> Vec<Action> {
    let edits = edits.iter().map(|edit| {
        let file = edit.path.display().to_string();
        let mut action =
            Action::new(Step::Variables, &format!("edit-file:{file}"), EditFile::from(edit), &[("file", file)]);
        action.diff = Some(edit.diff());
        action
    });
    let playbooks = playbooks.into_iter().enumerate().map(|(index, run)| {
        let playbook = run.playbook.clone();
        let kind = RunPlaybook { run, ansible_core: ansible.cloned() };
        let id = format!("run-playbook:{}:{playbook}", index + 1);
        let mut action = Action::new(Step::Variables, &id, kind, &[("playbook", playbook)]);
        // Without Ansible here the commands are shown for the Ansible host; the edits need not wait for it.
        action.skipped = !answers.run_playbooks || !has_ansible;
        action.blocked = (!has_ansible).then(|| "no-ansible".to_owned());
        action
    });
    let mut actions: Vec<_> = edits.chain(playbooks).collect();
    for action in &mut actions {
        action.skipped |= answers.leave_out.contains(&action.id);
    }
    actions
}

/// Plans step 3 for a machine without the inventory: the values go into a file to carry to the Ansible host, and the
/// commands that read it there are shown.
pub fn carried_variables(edit: &FileEdit, playbooks: Vec<PlaybookRun>, answers: &Answers) -> Vec<Action> {
    let args = [("file", edit.path.display().to_string())];
    let write = Action::new(Step::Variables, "write-vars-file", EditFile::from(edit), &args);
    let write = Action { diff: Some(edit.diff()), ..write };
    let shown = variables_step(&[], playbooks, answers, None, false);
    std::iter::once(write).chain(shown).collect()
}
