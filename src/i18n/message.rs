//! A message: a text of the locale files with its values, which has no language until somebody reads it.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display};

use serde::{Deserialize, Serialize};

use super::{Lang, fill};

/// A text and its values. The constructors are in `super::msg`, one a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The key in the locale files. A session of another version may carry a key that this one does not have.
    key: Cow<'static, str>,
    /// Pairs of name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<(Cow<'static, str>, Arg)>,
}

/// A value in a text: something read off the machine, or messages again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Arg {
    /// Put in as it is.
    Plain(String),
    /// Told in the reader's language, with commas between them.
    Messages(Vec<Message>),
}

impl<T: Display> From<T> for Arg {
    fn from(value: T) -> Self {
        Self::Plain(value.to_string())
    }
}

impl From<Message> for Arg {
    fn from(message: Message) -> Self {
        Self::Messages(vec![message])
    }
}

impl Arg {
    /// Returns the value for a reader of `lang`.
    pub fn text(&self, lang: Lang) -> Cow<'_, str> {
        match self {
            Self::Plain(text) => text.into(),
            Self::Messages(messages) => {
                messages.iter().map(|message| message.text(lang)).collect::<Vec<_>>().join(", ").into()
            }
        }
    }
}

impl Message {
    /// Makes a message of the key that [`super::msg`] stands for.
    pub(super) fn new<const N: usize>(key: &'static str, args: [(&'static str, Arg); N]) -> Self {
        Self { key: key.into(), args: args.map(|(name, value)| (name.into(), value)).into() }
    }

    /// Makes a message of a key that data names, such as the id of a failure's signature; a test demands the text.
    pub(crate) fn named(key: String, args: &BTreeMap<String, String>) -> Self {
        let args = args.iter().map(|(name, value)| (name.clone().into(), value.into())).collect();
        Self { key: key.into(), args }
    }

    /// Returns what comes after the first dot of the key: the stable name within its family.
    pub fn id(&self) -> &str {
        self.key.split_once('.').map_or(&self.key, |(_, id)| id)
    }

    /// Returns the values as programs get them, in English.
    pub fn plain_args(&self) -> BTreeMap<String, String> {
        self.args().map(|(name, value)| (name.to_owned(), value.text(Lang::En).into_owned())).collect()
    }

    /// Returns the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the values with their names.
    pub fn args(&self) -> impl Iterator<Item = (&str, &Arg)> {
        self.args.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Tells whether there is a text for its key.
    pub fn is_known(&self) -> bool {
        super::find(&self.key).is_some()
    }

    /// Returns the text. An unknown key comes back as it is, so that nothing is ever blank.
    pub fn text(&self, lang: Lang) -> String {
        let value = |name: &str| self.args().find(|(known, _)| *known == name).map(|(_, value)| value.text(lang));
        fill(lang.template(&self.key), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::msg;

    #[test]
    fn messages_nest_and_survive_the_session_file() {
        let what = Arg::Messages(vec![msg::preflight::seen::for_download(), msg::preflight::seen::for_toolkit()]);
        let seen = msg::preflight::seen::space(9, 10, "/var", what);
        assert_eq!(seen.text(Lang::En), "/var: 9 free, 10 needed (download, toolkit)");
        assert_eq!(seen.text(Lang::Ko), "/var: 남은 공간 9, 필요한 공간 10(내려받기, 툴킷)");
        let text = serde_yaml::to_string(&seen).expect("a text");
        assert_eq!(serde_yaml::from_str::<Message>(&text).expect("the same"), seen);
    }

    #[test]
    fn a_key_of_another_version_is_told_and_kept() {
        let text = "key: preflight.seen.from-the-future\nargs:\n- - place\n  - /var\n";
        let message: Message = serde_yaml::from_str(text).expect("a message");
        assert_eq!(message.text(Lang::Ko), "preflight.seen.from-the-future");
        assert_eq!(serde_yaml::to_string(&message).expect("a text"), text);
    }
}
