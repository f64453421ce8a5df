//! The password that `sudo` wants on the hosts of the inventory, asked for at the terminal without echo.

use std::io::IsTerminal;

use crate::{
    engine::{Event, Outcome},
    error::Expected,
    host::Cancel,
    i18n::{Lang, msg},
    plan::Step,
    secret::Secret,
    step_driver::StepDriver,
};

/// Runs a step; where `sudo` wants a password and somebody is there to type it, asks for it and goes on. It is handed to Ansible through a
/// pipe and kept nowhere.
pub fn run_with_password(
    driver: &mut StepDriver<'_>,
    step: Step,
    cancel: &Cancel,
    lang: Lang,
    tell: &mut dyn FnMut(&Event),
) -> Result<Outcome, Expected> {
    let mut secret = None;
    loop {
        let mut needed = false;
        let outcome = driver.run(step, cancel, secret.take(), &mut |event| {
            needed |= event == Event::PasswordNeeded;
            tell(&event);
        })?;
        if !needed || !matches!(outcome, Outcome::Failed { .. }) || !std::io::stdin().is_terminal() {
            return Ok(outcome);
        }
        let question = msg::apply::password().text(lang);
        let prompt = inquire::Password::new(&question).without_confirmation().with_display_mode(inquire::PasswordDisplayMode::Hidden);
        match prompt.prompt() {
            Ok(text) if !text.is_empty() => secret = Some(Secret::new(format!("{text}\n"))),
            _ => return Ok(outcome),
        }
    }
}
