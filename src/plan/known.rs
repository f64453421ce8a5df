//! Known: what the answers name under `leave_out`, `take_in` and `despite` must exist. A misspelt id would do the very
//! thing that it was to prevent, so it is refused, with the nearest one that there is.

use super::Action;
use crate::{
    answers::Answers,
    error::Expected,
    i18n::{action_names, msg},
    prediction::CheckKind,
};

/// Refuses ids that no action of `actions` and no check has. What another machine would need is not wrong on this one:
/// an action that is not planned here, such as the removal of a driver that is gone, may be named by its bare name.
pub fn demand(answers: &Answers, actions: &[Action]) -> Result<(), Expected> {
    let planned: Vec<&str> = actions.iter().map(|action| action.id.as_str()).collect();
    let names: Vec<&str> = action_names();
    let candidates = [planned.as_slice(), &names].concat();
    for (key, ids) in [("leave_out", &answers.leave_out), ("take_in", &answers.take_in)] {
        let is_known = |id: &str| match id.split_once(':') {
            _ if planned.contains(&id) => true,
            None => names.contains(&id),
            // A thing that is not there, such as a unit of another machine; beside others of its kind it is a slip.
            Some((name, _)) => names.contains(&name) && !planned.iter().any(|other| is_of(other, name)),
        };
        refuse(key, ids.iter().find(|id| !is_known(id)), &candidates)?;
    }
    let checks: Vec<&str> = CheckKind::ALL.into_iter().map(CheckKind::name).collect();
    refuse("despite", answers.despite.iter().find(|id| CheckKind::of(id).is_none()), &checks)
}

fn is_of(id: &str, name: &str) -> bool {
    id.split_once(':').is_some_and(|(other, _)| other == name)
}

fn refuse(key: &str, id: Option<&String>, candidates: &[&str]) -> Result<(), Expected> {
    let Some(id) = id else { return Ok(()) };
    let shown = crate::text::printable(id);
    let hint = match nearest(id, candidates) {
        Some(near) => msg::error::unknown_id::hint(near),
        None => msg::error::unknown_id::hint_list(),
    };
    Err(Expected::new(msg::error::unknown_id(shown, key), hint))
}

/// Returns what was probably meant: at most a third of the letters are wrong.
fn nearest<'c>(id: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let distances = candidates.iter().map(|candidate| (strsim::damerau_levenshtein(id, candidate), *candidate));
    distances.min().filter(|(distance, _)| *distance * 3 <= id.chars().count().max(3)).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answers::DriverOwner, i18n::Lang};

    fn refused(take: impl Fn(&mut Answers)) -> Option<(String, String)> {
        let mut answers = Answers::new(DriverOwner::InstallerPod);
        take(&mut answers);
        demand(&answers, &[]).err().map(|error| (error.text(Lang::En), error.hint(Lang::En)))
    }

    #[test]
    fn a_misspelt_action_or_check_is_refused_with_the_nearest() {
        let (what, hint) = refused(|answers| answers.leave_out = vec!["remove-runfile-drivr".to_owned()]).unwrap();
        assert!(
            what.contains("`remove-runfile-drivr`")
                && what.contains("leave_out")
                && hint.contains("`remove-runfile-driver`"),
            "{what} {hint}"
        );
        let (_, hint) = refused(|answers| answers.despite = vec!["mount".to_owned()]).unwrap();
        assert!(hint.contains("`mounts`"), "{hint}");
        let (what, hint) = refused(|answers| answers.take_in = vec!["x\u{1b}[2J".to_owned()]).unwrap();
        assert!(!what.contains('\u{1b}') && hint.contains("gpunode plan"), "{what} {hint}");
    }

    #[test]
    fn what_another_machine_would_need_may_be_named() {
        assert_eq!(refused(|answers| answers.leave_out = vec!["remove-runfile-driver".to_owned()]), None);
        assert_eq!(refused(|answers| answers.take_in = vec!["stop-unit:jupyter.service".to_owned()]), None);
        assert_eq!(refused(|answers| answers.despite = vec!["space:/var".to_owned(), "removal".to_owned()]), None);
    }
}
