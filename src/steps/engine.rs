//! The runtime of CRI-O and docker: a file on the node that Kubespray never writes.

use crate::{
    answers::Answers,
    cluster::manifest::ObjectKind,
    facts::Facts,
    host::Host,
    kubespray::Preview,
    owner,
    plan::{
        Action, Step,
        action::set_engine_runtime::{self, Engine, Refused, SetEngineRuntime},
    },
};

/// Plans the file where this machine is the node and does not run containerd. Who wants the class of the runtime needs
/// the runtime.
pub(super) fn plan(host: &Host, facts: &Facts, answers: &Answers, preview: &Preview) -> Option<Action> {
    let is_wanted = owner::of(answers.driver_owner).objects().contains(&ObjectKind::RuntimeClass);
    let engine = match preview.container_manager.as_str() {
        "crio" => Engine::Crio,
        "docker" => Engine::Docker,
        _ => return None,
    };
    if !is_wanted || facts.gpus.is_empty() {
        return None;
    }
    let args = [("file", set_engine_runtime::path(engine).display().to_string())];
    let action = |kind: SetEngineRuntime| Action::new(Step::Variables, "set-engine-runtime", kind, &args);
    let refused = |why: &str, path: String| {
        let mut action = action(SetEngineRuntime { engine, before: String::new(), after: String::new() });
        action.args.push(("place".to_owned(), path));
        Some(Action { blocked: Some(why.to_owned()), skipped: true, diff: None, ..action })
    };
    match SetEngineRuntime::of(&*host.files, engine) {
        Ok(kind) => kind.map(action).map(|action| Action { skipped: answers.leave_out.contains(&action.id), ..action }),
        Err(Refused::Unreadable(path)) => refused("engine-file-unreadable", path.display().to_string()),
        Err(Refused::Flag(path)) => refused("docker-runtime-flag", path.display().to_string()),
    }
}
