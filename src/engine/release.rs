//! A run that failed or was stopped lets pods onto the node again: nobody may come for hours to go on with it. The next
//! run drains it anew.

use super::{Event, run::Runner, undo::is_candidate};
use crate::{
    error::Expected,
    i18n::{Lang, Message, msg},
    plan::{
        Effect,
        action::{kind::ended, undo::WayBack},
    },
    session::Status,
};

impl Runner<'_> {
    /// Takes back what keeps pods away, and says so. What cannot be taken back now is told, and left to the undo.
    pub(super) fn let_pods_in(&mut self, emit: &mut dyn FnMut(Event)) -> Result<(), Expected> {
        for place in (0..self.session.journal.len()).rev() {
            let record = &self.session.journal[place];
            let is_ours = !record.is_foreign && !self.session.is_elsewhere(record, &self.host.identity());
            let keeps_away = record.action.has_effect(|effect| *effect == Effect::KeepsPodsAway);
            if !(is_candidate(record) && is_ours && keeps_away) {
                continue;
            }
            let Some(undo) = record.undo.clone() else { continue };
            let kind = &record.action.kind;
            let told = match kind.validate().and_then(|()| kind.way_back(self.host, &undo)) {
                Ok(WayBack::Run { command, .. }) => {
                    emit(Event::Line(format!("$ {command}")));
                    match self.opened(&command) {
                        Ok(()) => self.end(place)?,
                        Err(words) => msg::apply::still_cordoned(words.text(Lang::En)),
                    }
                }
                // Somebody else's cordon, or none any more.
                Ok(_) => continue,
                Err(failure) => msg::apply::still_cordoned(failure.message.text(Lang::En)),
            };
            emit(Event::Line(told.text(Lang::En)));
        }
        Ok(())
    }

    fn opened(&self, command: &crate::host::Command) -> Result<(), Message> {
        match self.host.commands.capture(command) {
            Ok(output) if output.exit.is_success() => Ok(()),
            Ok(output) => Err(msg::failure::undo::command_said(command, ended(output.exit), output.stderr.trim())),
            Err(error) => Err(msg::failure::own_words(error)),
        }
    }

    /// What step 2 has done for the driver stays done.
    fn end(&mut self, place: usize) -> Result<Message, Expected> {
        self.session.journal[place].status = Status::Undone;
        self.store.save(self.session, self.host.clock.now())?;
        Ok(msg::apply::pods_may_come())
    }
}
