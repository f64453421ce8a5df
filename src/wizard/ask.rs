//! Ask: one line of text from the user, in front of whatever asks for it.
//!
//! A [`Subject`] says what the text is for. Who asks calls `open`; on Enter
//! `update` hands the text to whoever takes it, and a text that cannot be taken stays in the field, with the reason
//! below it.

use tui_input::{Input, InputRequest};

use super::{App, Dialog, keymap::Intent};
use crate::{
    i18n::{Message, msg},
    text::width,
};

/// Most characters of one answer: no path of Linux is longer.
const LIMIT: usize = 4096;

/// What a text is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Where step 3 reads from.
    Source(Source),
    /// The kubeconfig for step 4.
    Kubeconfig,
    /// Where the installer's log is written to.
    LogFile,
    /// The password for `sudo` on the hosts of the inventory.
    SudoPassword,
    /// The value of a Kubespray variable.
    Value {
        /// Its name.
        variable: String,
    },
    /// Words that the shown drivers have.
    DriverFilter,
}

/// Where the variables of step 3 come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The folder of the Kubespray checkout.
    Checkout,
    /// The inventory file or folder.
    Inventory,
    /// The inventory host that this machine is.
    Node,
}

impl Subject {
    /// Returns its title and its text.
    pub fn texts(&self) -> (Message, Message) {
        use msg::wizard::ask;
        match self {
            Self::Source(Source::Checkout) => (ask::checkout::title(), ask::checkout::text()),
            Self::Source(Source::Inventory) => (ask::inventory::title(), ask::inventory::text()),
            Self::Source(Source::Node) => (ask::node::title(), ask::node::text()),
            Self::Kubeconfig => (ask::kubeconfig::title(), ask::kubeconfig::text()),
            Self::LogFile => (ask::log_file::title(), ask::log_file::text()),
            Self::SudoPassword => (ask::password::title(), ask::password::text()),
            Self::Value { variable } => (ask::value::title(variable), ask::value::text()),
            Self::DriverFilter => (ask::driver_filter::title(), ask::driver_filter::text()),
        }
    }

    /// Tells whether what is typed must not be shown.
    pub fn is_secret(&self) -> bool {
        *self == Self::SudoPassword
    }
}

/// A question with what has been typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What the text is for.
    pub subject: Subject,
    /// What has been typed.
    pub field: Field,
    /// Why the text cannot be taken.
    pub error: Option<String>,
}

/// An editable line. Its text does not show in debug output: it may be a secret.
#[derive(Clone, Default)]
pub struct Field(Input);

impl Field {
    /// Makes a field with a text to begin with; the cursor stands at its end.
    pub fn new(text: &str) -> Self {
        Self(Input::new(text.to_owned()))
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        self.0.value()
    }

    /// Changes the text or moves the cursor; other intents change nothing.
    pub(super) fn edit(&mut self, intent: Intent) {
        let request = match intent {
            Intent::Type(c) if c.is_control() || self.text().chars().count() >= LIMIT => return,
            Intent::Type(c) => InputRequest::InsertChar(c),
            Intent::Erase => InputRequest::DeletePrevChar,
            Intent::EraseNext => InputRequest::DeleteNextChar,
            Intent::EraseWord => InputRequest::DeletePrevWord,
            Intent::EraseLine => InputRequest::DeleteLine,
            Intent::Left => InputRequest::GoToPrevChar,
            Intent::Right => InputRequest::GoToNextChar,
            Intent::First => InputRequest::GoToStart,
            Intent::Last => InputRequest::GoToEnd,
            _ => return,
        };
        self.0.handle(request);
    }

    /// Returns the part of the text around the cursor that fits into `cells` cells, and the cell that the cursor is in.
    /// `mark` stands where there is more at an end.
    pub fn window(&self, cells: usize, mark: &str) -> (String, usize) {
        let (total, cursor, mark_cells) = (width(self.text()), self.0.visual_cursor(), width(mark));
        if total <= cells {
            return (self.text().to_owned(), cursor);
        }
        let after = if cursor < total { mark_cells } else { 0 };
        let first = (cursor + after).saturating_sub(cells);
        let marked = |is_cut: bool| if is_cut { mark } else { "" };
        let (left, right) = (marked(first > 0), marked(first + cells < total));
        let (from, to) = (first + width(left), (first + cells).saturating_sub(width(right)));
        let mut shown = left.to_owned();
        let mut at = 0;
        for c in self.text().chars() {
            let end = at + width(c.encode_utf8(&mut [0; 4]));
            if at >= from && end <= to {
                shown.push(c);
            } else if at < to && end > from {
                // Half of a wide character is outside.
                shown.push(' ');
            }
            at = end;
        }
        (shown + right, cursor.saturating_sub(first))
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        (self.text(), self.0.cursor()) == (other.text(), other.0.cursor())
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field").field("cursor", &self.0.cursor()).finish_non_exhaustive()
    }
}

/// Asks for a text; `now` is in the field to begin with.
pub(super) fn open(app: &mut App, subject: Subject, now: &str) {
    app.open(Dialog::Ask(Ask { subject, field: Field::new(now), error: None }));
}

/// A key in the field: edits it, or gives up.
pub(super) fn intend(app: &mut App, intent: Intent) {
    match intent {
        Intent::Close => drop(app.dialog.take()),
        intent => {
            if let Some(Dialog::Ask(ask)) = &mut app.dialog {
                ask.error = None;
                ask.field.edit(intent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(intents: &[Intent]) -> Field {
        let mut field = Field::new("/opt/한글");
        for intent in intents {
            field.edit(*intent);
        }
        field
    }

    #[test]
    fn edits_at_the_cursor_with_wide_characters() {
        assert_eq!(typed(&[Intent::Erase, Intent::Type('국')]).text(), "/opt/한국");
        assert_eq!(typed(&[Intent::Left, Intent::Left, Intent::Type('x'), Intent::EraseNext]).text(), "/opt/x글");
        assert_eq!(typed(&[Intent::First, Intent::EraseNext]).text(), "opt/한글");
        assert_eq!(typed(&[Intent::EraseWord]).text(), "/opt/");
        assert_eq!(typed(&[Intent::EraseLine, Intent::Type('a')]).text(), "a");
        assert_eq!(typed(&[Intent::Type('\u{7}'), Intent::Type('\n')]).text(), "/opt/한글");
    }

    #[test]
    fn a_text_that_is_cut_says_so_at_the_end_where_it_is() {
        let mut field = Field::new("/opt/kubespray/inventory/mycluster");
        assert_eq!(field.window(12, "…"), ("…y/mycluster".to_owned(), 12));
        assert_eq!(field.window(12, "..."), ("...mycluster".to_owned(), 12));
        field.edit(Intent::First);
        assert_eq!(field.window(12, "…"), ("/opt/kubesp…".to_owned(), 0));
        (0..15).for_each(|_| field.edit(Intent::Right));
        assert_eq!(field.window(12, "…"), ("…kubespray/…".to_owned(), 11));
        assert_eq!(Field::new("short").window(12, "…"), ("short".to_owned(), 5));
    }

    #[test]
    fn a_field_does_not_tell_its_text_to_a_log() {
        assert!(!format!("{:?}", Field::new("s3cret")).contains("s3cret"));
    }

    proptest! {
        #[test]
        fn the_cursor_is_always_in_the_window(text in "[a-z/가-힣]{0,60}", cells in 4usize..40, moves in prop::collection::vec(any::<bool>(), 0..60)) {
            let mut field = Field::new(&text);
            for left in moves {
                field.edit(if left { Intent::Left } else { Intent::Right });
                let (shown, cursor) = field.window(cells, "…");
                prop_assert!(width(&shown) <= cells, "{shown:?}");
                prop_assert!(cursor <= cells && cursor <= width(&shown) , "{cursor} in {shown:?} of {cells}");
            }
        }
    }
}
