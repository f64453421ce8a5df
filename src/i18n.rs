//! Every text a user sees, in English and Korean.
//!
//! The texts live in `assets/locales/<language>/<area>.yaml`, one flat map of `key: "text"` a file and a line an entry, with `{name}`
//! where a value goes. Only the lines are found at the start; a text is unquoted when it is needed, so that a quick command does not
//! parse a thousand of them.
//! A value below the faces carries a key and its arguments (see [`crate::finding::Finding`]); the language is chosen at the edge.

use std::{collections::HashMap, sync::OnceLock};

use include_dir::{Dir, include_dir};

static LOCALES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/locales");

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
    /// Returns the language of the environment: the first of `LC_ALL`, `LC_MESSAGES`, `LANG` that is set decides. The Linux console
    /// has no Korean glyphs, so `TERM=linux` and `vt100` stay English whatever the locale says.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Self {
        if matches!(get("TERM").as_deref(), Some("linux" | "vt100")) {
            return Self::En;
        }
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| get(name).filter(|value| !value.is_empty()));
        if locale.is_some_and(|value| value.starts_with("ko")) { Self::Ko } else { Self::En }
    }

    /// Returns the code that names the language's folder in `assets/locales`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    /// Returns the text of `key` with each `{name}` replaced by its argument. A key without a text comes back as it is, so that
    /// nothing is ever blank; a test demands that every key has a text in both languages.
    pub fn text(self, key: &str, args: &[(&str, &str)]) -> String {
        let quoted = texts(self).get(key).or_else(|| texts(Self::En).get(key));
        // What both formats call a quoted text is read as JSON, which is quick.
        let template: Option<String> = quoted.and_then(|text| serde_json::from_str(text).ok());
        fill(template.as_deref().unwrap_or(key), args)
    }

    /// Tells whether `key` has a text in this language.
    pub fn has(self, key: &str) -> bool {
        texts(self).contains_key(key)
    }
}

/// Replaces each `{name}` in one pass, so that an argument that holds braces is not read again.
fn fill(template: &str, args: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let known = rest.find('}').and_then(|close| Some((close, args.iter().find(|(name, _)| *name == &rest[1..close])?)));
        if let Some((close, (_, value))) = known {
            out.push_str(value);
            rest = &rest[close + 1..];
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The texts by their keys, still quoted.
type Texts = HashMap<&'static str, &'static str, foldhash::fast::RandomState>;

fn texts(lang: Lang) -> &'static Texts {
    static EN: OnceLock<Texts> = OnceLock::new();
    static KO: OnceLock<Texts> = OnceLock::new();
    match lang {
        Lang::En => EN.get_or_init(|| load(Lang::En)),
        Lang::Ko => KO.get_or_init(|| load(Lang::Ko)),
    }
}

fn load(lang: Lang) -> Texts {
    let Some(folder) = LOCALES.get_dir(lang.code()) else { return Texts::default() };
    let files = folder.files().filter_map(include_dir::File::contents_utf8);
    let mut texts = Texts::with_capacity_and_hasher(1500, foldhash::fast::RandomState::default());
    for file in files {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', file.as_bytes()) {
            texts.extend(entry(&file[start..end]));
            start = end + 1;
        }
    }
    texts
}

/// Splits a line into its key and its text.
fn entry(line: &'static str) -> Option<(&'static str, &'static str)> {
    let colon = memchr::memchr(b':', line.as_bytes()).filter(|_| !line.starts_with('#'))?;
    Some((line[..colon].trim_matches('"'), line[colon + 1..].trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What a YAML reader makes of all files of a language.
    fn as_yaml(lang: Lang) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for file in LOCALES.get_dir(lang.code()).unwrap().files() {
            let parsed = serde_yaml::from_str::<BTreeMap<String, String>>(file.contents_utf8().unwrap());
            for (key, text) in parsed.unwrap_or_else(|error| panic!("{}: {error}", file.path().display())) {
                assert!(all.insert(key.clone(), text).is_none(), "{key} stands in two files");
            }
        }
        all
    }

    #[test]
    fn every_text_is_read_as_yaml_reads_it() {
        for lang in [Lang::En, Lang::Ko] {
            let yaml = as_yaml(lang);
            assert_eq!(texts(lang).len(), yaml.len());
            for (key, text) in yaml {
                assert_eq!(lang.text(&key, &[]), text, "{key}: write it as `key: \"text\"` in one line");
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_keys_with_the_same_arguments() {
        let (english, korean) = (as_yaml(Lang::En), as_yaml(Lang::Ko));
        assert_eq!(english.keys().collect::<Vec<_>>(), korean.keys().collect::<Vec<_>>());
        let placeholder = regex::Regex::new(r"\{[a-z_]+\}").unwrap();
        for (key, text) in &english {
            let names = |text: &str| placeholder.find_iter(text).map(|m| m.as_str().to_owned()).collect::<BTreeSet<_>>();
            assert_eq!(names(text), names(&korean[key]), "arguments of {key}");
        }
    }

    #[test]
    fn arguments_are_not_expanded_twice() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]), "{b} and x");
        assert_eq!(fill("{unknown} {", &[]), "{unknown} {");
    }

    #[test]
    fn the_linux_console_stays_english() {
        let env = |name: &str| Some(if name == "TERM" { "linux" } else { "ko_KR.UTF-8" }.to_owned());
        assert_eq!(Lang::from_env(env), Lang::En);
        assert_eq!(Lang::from_env(|name| (name == "LANG").then(|| "ko_KR.UTF-8".to_owned())), Lang::Ko);
    }
}
