//! Input: the terminal's key events as the wizard's keys.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::wizard::Key;

/// What a key event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// A key for the wizard.
    Key(Key),
    /// Ctrl-Z: the terminal's business, not the wizard's.
    Suspend,
    /// Ctrl-L: draw everything again.
    Redraw,
}

/// Translates a key event; keys that not every console has mean nothing. Escape with another key close behind it looks
/// like Alt with that key, and is read as the two keys that were pressed.
pub(super) fn translate(event: KeyEvent) -> Vec<Input> {
    let alt = event.modifiers.contains(KeyModifiers::ALT) && event.kind != KeyEventKind::Release;
    let escape = alt.then_some(Input::Key(Key::Esc));
    escape.into_iter().chain(single(event)).collect()
}

fn single(event: KeyEvent) -> Option<Input> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return match event.code {
            KeyCode::Char('c') => Some(Input::Key(Key::Interrupt)),
            KeyCode::Char('z') => Some(Input::Suspend),
            KeyCode::Char('l') => Some(Input::Redraw),
            KeyCode::Char('j' | 'm') => Some(Input::Key(Key::Enter)),
            KeyCode::Char('h') => Some(Input::Key(Key::Backspace)),
            KeyCode::Char('d') => Some(Input::Key(Key::Delete)),
            // Serial consoles often have no other way to the ends of a line.
            KeyCode::Char('a') => Some(Input::Key(Key::Home)),
            KeyCode::Char('e') => Some(Input::Key(Key::End)),
            KeyCode::Char('u') => Some(Input::Key(Key::EraseLine)),
            KeyCode::Char('w') => Some(Input::Key(Key::EraseWord)),
            _ => None,
        };
    }
    Some(Input::Key(match event.code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    }))
}
