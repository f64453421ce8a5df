//! Input: values from outside that end up in another program's words, each read once, where it comes in.
//!
//! An option's place, curl's configuration, an Ansible pattern, a file of `/etc/profile.d`: every one of them is a
//! small language, and a value that may hold any character can say something in it. So a value has a type that cannot
//! hold what these languages read: the answers, the wizard's editors, the plain prompts and the command line all make
//! the same types, and what a file of the machine or an inventory names goes through them before it reaches a command.

mod address;
mod name;
mod path;

use std::fmt;

pub use address::WebAddress;
pub use name::{DriverBranch, Fingerprint, ImageName, NodeName, ObjectName, PackageName, PciId, Sha256, UnitName};
pub use path::{AbsolutePath, FilePath, InventoryPath, PlainPath};

use crate::{
    i18n::{Lang, Message},
    text::printable,
};

/// Why a text is not a value of its type: what is wrong, and what is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError(pub Message);

/// Longest piece of a wrong value that is repeated to the user, in characters.
const SHOWN: usize = 60;

impl InputError {
    fn new(value: &str, why: impl Fn(String) -> Message) -> Self {
        let cut: String = value.chars().take(SHOWN).collect();
        let mark = if cut.len() < value.len() { "…" } else { "" };
        // A line end shows as such: it is what is wrong.
        let cut = cut.replace('\n', "\\n").replace('\r', "\\r").replace('\0', "\\0");
        Self(why(printable(&cut) + mark))
    }

    /// Returns the sentence.
    pub fn text(&self, lang: Lang) -> String {
        self.0.text(lang)
    }
}

/// In English, as the reader of YAML and the command line have it.
impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}

impl std::error::Error for InputError {}

/// Gives a type around a `String` its one way in, through `fits`, and its ways out; `why` is the sentence about what
/// does not fit.
macro_rules! parsed {
    ($name:ident, $why:expr, $fits:expr) => {
        impl std::str::FromStr for $name {
            type Err = crate::input::InputError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) { Ok(Self(text.to_owned())) } else { Err(crate::input::InputError::new(text, $why)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::input::InputError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
use parsed;

/// Tells whether a text has nothing in it that ends a line, hides, or reorders what is shown.
fn is_visible(text: &str) -> bool {
    !text.chars().any(crate::text::is_unsafe)
}
