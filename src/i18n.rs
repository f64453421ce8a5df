//! Every text a user sees, in English and Korean.
//!
//! The texts live in `assets/locales/<language>/<area>.yaml`, one flat map of `key: "text"` a file and a line an entry,
//! with `{name}` where a value goes. `build.rs` makes of them the table that is compiled in and a constructor a key in
//! `msg`: the text `plan.count: "{done} of {total}"` is `msg::plan::count(done, total)`, its values in alphabetical
//! order. A misspelt key or a missing value does not compile, and a text that nobody uses is dead code.
//!
//! A value below the faces is a [`Message`], which has no language; `message.text(lang)` is for the edge.

mod message;

use std::borrow::Cow;

pub use message::{Arg, Message};

include!(concat!(env!("OUT_DIR"), "/texts.rs"));

#[expect(clippy::doc_markdown, reason = "the texts are for users, and stand as they are")]
#[expect(clippy::allow_attributes, reason = "of texts that are looked up by name, some are also made here")]
pub(crate) mod msg {
    //! One constructor a text, made by `build.rs`.
    include!(concat!(env!("OUT_DIR"), "/msg.rs"));
}

/// A language of the user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Lang {
    /// English, and the fallback for everything.
    #[default]
    En,
    /// Korean, the language of the document this tool grew from.
    Ko,
}

impl Lang {
    /// Returns the language of the environment: the first of `LC_ALL`, `LC_MESSAGES`, `LANG` that is set decides. The
    /// Linux console has no Korean glyphs, so `TERM=linux` and `vt100` stay English whatever the locale says.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Self {
        if matches!(get("TERM").as_deref(), Some("linux" | "vt100")) {
            return Self::En;
        }
        let locale =
            ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| get(name).filter(|value| !value.is_empty()));
        if locale.is_some_and(|value| value.starts_with("ko")) { Self::Ko } else { Self::En }
    }

    /// Returns the code that names the language's folder in `assets/locales`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    /// Returns the text of `key` with each `{name}` replaced by its argument.
    pub fn text(self, key: &str, args: &[(&str, &str)]) -> String {
        fill(self.template(key), |name| args.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()))
    }

    /// Tells whether `key` has a text.
    pub fn has(self, key: &str) -> bool {
        find(key).is_some()
    }

    /// Returns the text of `key` as it stands in the locale file, and the key itself where there is none.
    fn template(self, key: &str) -> &str {
        match (self, find(key)) {
            (_, None) => key,
            (Self::En, Some((english, _))) => english,
            (Self::Ko, Some((_, korean))) => korean,
        }
    }
}

/// Returns the names of all actions: each has a text that says what it does.
pub fn action_names() -> Vec<&'static str> {
    TEXTS.iter().filter_map(|(key, _, _)| key.strip_prefix("action.")).collect()
}

/// Returns every key and every text of both languages.
pub(crate) fn texts() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().flat_map(|(key, english, korean)| [*key, *english, *korean])
}

/// Returns the English and the Korean text of a key.
fn find(key: &str) -> Option<(&'static str, &'static str)> {
    let index = TEXTS.binary_search_by_key(&key, |(key, _, _)| key).ok()?;
    TEXTS.get(index).map(|(_, english, korean)| (*english, *korean))
}

/// Replaces each `{name}` in one pass, so that a value that holds braces is not read again. `{name|one|many}` is `one`
/// where the value is 1, and else `many`.
fn fill<'a>(template: &str, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let filled = rest.find('}').and_then(|close| {
            let (name, forms) = rest[1..close].split_once('|').unwrap_or((&rest[1..close], ""));
            let value = value(name)?;
            Some((close, if forms.is_empty() { value } else { form(forms, value == "1").into() }))
        });
        if let Some((close, text)) = filled {
            out.push_str(&text);
            rest = &rest[close + 1..];
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Returns the word for one, or for any other number, of `one|many`.
fn form(forms: &str, is_one: bool) -> &str {
    match forms.split_once('|') {
        Some((one, many)) => {
            if is_one {
                one
            } else {
                many
            }
        }
        None => forms,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    /// What a YAML reader makes of all files of a language.
    fn as_yaml(language: &str) -> BTreeMap<String, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/locales").join(language);
        let read = |path: &Path| serde_yaml::from_str::<BTreeMap<String, String>>(&fs::read_to_string(path).unwrap());
        fs::read_dir(folder).unwrap().flat_map(|file| read(&file.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn every_text_is_read_as_yaml_reads_it() {
        for (lang, language) in [(Lang::En, "en"), (Lang::Ko, "ko")] {
            let yaml = as_yaml(language);
            assert_eq!(TEXTS.len(), yaml.len());
            for (key, text) in yaml {
                assert_eq!(lang.text(&key, &[]), text, "{key}");
            }
        }
    }

    #[test]
    fn values_are_not_expanded_twice() {
        let fill = |template, args: &[(&str, &'static str)]| {
            fill(template, |name| args.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()))
        };
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]), "{b} and x");
        assert_eq!(fill("{unknown} {", &[]), "{unknown} {");
        assert_eq!(fill("{n} {n|file|files}", &[("n", "1")]), "1 file");
        assert_eq!(fill("{n} {n|file|files}", &[("n", "12")]), "12 files");
    }

    #[test]
    fn the_linux_console_stays_english() {
        let env = |name: &str| Some(if name == "TERM" { "linux" } else { "ko_KR.UTF-8" }.to_owned());
        assert_eq!(Lang::from_env(env), Lang::En);
        assert_eq!(Lang::from_env(|name| (name == "LANG").then(|| "ko_KR.UTF-8".to_owned())), Lang::Ko);
    }
}
