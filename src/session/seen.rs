//! Seen: what a check saw, as a text of the locale files, so that it can be told in the language of whoever reads it.

use serde::{Deserialize, Serialize};

use crate::i18n::Lang;

/// A text and its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key in the locale files.
    key: String,
    /// Pairs of name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<(String, Value)>,
}

/// A value: something read off the machine, or texts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Plain(String),
    Texts(Vec<Seen>),
}

impl Seen {
    /// Makes the text `preflight.seen.<name>` without values.
    pub fn new(name: &str) -> Self {
        Self::of(format!("preflight.seen.{name}"))
    }

    /// Makes a text of any key.
    pub fn of(key: String) -> Self {
        Self { key, args: Vec::new() }
    }

    /// Gives it a value.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "most values are made on the spot")]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.args.push((name.to_owned(), Value::Plain(value.to_string())));
        self
    }

    /// Gives it texts as a value, with commas between them.
    #[must_use]
    pub fn with_texts(mut self, name: &str, texts: Vec<Self>) -> Self {
        self.args.push((name.to_owned(), Value::Texts(texts)));
        self
    }

    /// Returns the text.
    pub fn text(&self, lang: Lang) -> String {
        let value = |value: &Value| match value {
            Value::Plain(text) => text.clone(),
            Value::Texts(texts) => texts.iter().map(|text| text.text(lang)).collect::<Vec<_>>().join(", "),
        };
        let args: Vec<_> = self.args.iter().map(|(name, arg)| (name.as_str(), value(arg))).collect();
        let args: Vec<_> = args.iter().map(|(name, value)| (*name, value.as_str())).collect();
        lang.text(&self.key, &args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_nest_and_survive_the_session_file() {
        let what = ["for-download", "for-toolkit"].map(Seen::new).to_vec();
        let seen = Seen::new("space").with("place", "/var").with("free", 9).with("needed", 10).with_texts("what", what);
        assert_eq!(seen.text(Lang::En), "/var: 9 free, 10 needed (download, toolkit)");
        assert_eq!(seen.text(Lang::Ko), "/var: 남은 공간 9, 필요한 공간 10(내려받기, 툴킷)");
        let text = serde_yaml::to_string(&seen).expect("a text");
        assert_eq!(serde_yaml::from_str::<Seen>(&text).expect("the same"), seen);
    }
}
