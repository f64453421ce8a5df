//! Turns the texts of `assets/locales` into the table that the program reads, and into one constructor a key.
//!
//! The locale files are the only declaration of a text: a key that is misspelt in the source, or an argument that is
//! missing, does not compile, a text that nobody uses is dead code, and a text without its translation ends the build
//! here, with the file's name.
//!
//! It also packs the longest files that the program carries; `src/packed.rs` reads them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{self, Write as _},
    path::Path,
};

use flate2::{Compression, write::DeflateEncoder};

/// Files of a megabyte together, of which a run reads one or none.
const PACKED: [&str; 3] = ["assets/catalog/drivers.yaml", "assets/catalog/gpus.yaml", "THIRD-PARTY-NOTICES.txt"];

const LOCALES: &str = "assets/locales";
const DRIVERS: &str = "assets/catalog/drivers.yaml";

/// Families of texts that are looked up by a name: signatures and reasons for an owner have it from the catalog, the
/// others from what a session keeps of an action, a remedy or an answer of the cluster. A test demands the texts of
/// each name.
const NAMED_BY_DATA: [&str; 8] =
    ["signature.", "owner.reason.", "action.", "why.", "undo.", "blocked.", "cluster.", "offer."];

/// Families whose texts come in parts that share their values: `finding.<id>.message` and `.remedy` have one
/// constructor, `finding::<id>`.
const IN_PARTS: [(&str, &[&str]); 2] = [("finding.", &[".message", ".remedy"]), ("capability.", &[".why", ".instead"])];

/// Words that cannot be the name of a function or a parameter as they are.
const RESERVED: [&str; 10] = ["for", "in", "loop", "match", "move", "type", "unsafe", "use", "virtual", "where"];

/// What a text says, still quoted, by its key.
type Texts = BTreeMap<String, Text>;

/// One entry of a locale file.
struct Text {
    file: String,
    quoted: String,
}

impl Text {
    /// Returns the names between braces, in alphabetical order: rewording a text must not swap the arguments of its
    /// callers.
    fn placeholders(&self) -> BTreeSet<&str> {
        let parts = self.quoted.split('{').skip(1).filter_map(|part| part.split_once('}'));
        parts
            .map(|(name, _)| name.split('|').next().unwrap_or(name))
            .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
            .collect()
    }
}

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={LOCALES}");
    println!("cargo::rerun-if-changed=build.rs");
    // `include_dir!` does not tell cargo what it has read.
    println!("cargo::rerun-if-changed=assets/ansible");
    version()?;
    let (english, korean) = (read("en")?, read("ko")?);
    compare(&english, &korean)?;
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let out = Path::new(&out);
    fs::write(out.join("texts.rs"), table(&english, &korean))?;
    fs::write(out.join("msg.rs"), Module::of(&english).source(0))?;
    PACKED.iter().try_for_each(|file| pack(Path::new(file), out))
}

/// Tells the program what it was built from: the commit, where a release names it, and the month up to which the
/// catalog knows drivers.
fn version() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=GPUNODE_COMMIT");
    println!("cargo::rerun-if-changed={DRIVERS}");
    let commit = env::var("GPUNODE_COMMIT").ok().filter(|commit| !commit.is_empty());
    println!("cargo::rustc-env=GPUNODE_COMMIT={}", commit.as_deref().unwrap_or("development"));
    let text = fs::read_to_string(DRIVERS)?;
    let dated = text.lines().find_map(|line| line.strip_prefix("compiled_from_material_dated_up_to: "));
    let month = dated.and_then(|dated| dated.trim_matches('"').get(..7));
    let month = month.ok_or_else(|| io::Error::other(format!("{DRIVERS} says no date")))?;
    println!("cargo::rustc-env=GPUNODE_CATALOG={month}");
    Ok(())
}

/// Writes a file, deflated, under its own name into `out`.
fn pack(file: &Path, out: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", file.display());
    let name = file.file_name().ok_or_else(|| io::Error::other("a file has a name"))?;
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&fs::read(file)?)?;
    fs::write(out.join(name), packer.finish()?)
}

fn read(language: &str) -> io::Result<Texts> {
    let mut texts = Texts::new();
    for file in fs::read_dir(Path::new(LOCALES).join(language))? {
        let path = file?.path();
        let name = path.display().to_string();
        for (number, line) in fs::read_to_string(&path)?.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| io::Error::other(format!("{name}:{}: {what}", number + 1));
            let (key, quoted) = entry(line)
                .ok_or_else(|| wrong("a line is `key: \"text\"`, with no escapes but \\\" \\\\ \\n and \\t"))?;
            if texts.insert(key.to_owned(), Text { file: name.clone(), quoted: quoted.to_owned() }).is_some() {
                return Err(wrong(&format!("`{key}` stands here a second time")));
            }
        }
    }
    Ok(texts)
}

/// Splits a line into key and quoted text. YAML and Rust read these quoted texts alike, so that the text need not be
/// unquoted.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, quoted) = line.split_once(": ")?;
    let key = key.trim_matches('"');
    let fits =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '"' || (c == '\\' && !matches!(chars.next(), Some('"' | '\\' | 'n' | 't'))) {
            return None;
        }
    }
    fits.then_some((key, quoted))
}

fn compare(english: &Texts, korean: &Texts) -> io::Result<()> {
    for (one, other, language) in [(english, korean, "ko"), (korean, english, "en")] {
        for (key, text) in one {
            let translated = other
                .get(key)
                .ok_or_else(|| io::Error::other(format!("{}: `{key}` has no text in {language}", text.file)))?;
            if text.placeholders() != translated.placeholders() {
                return Err(io::Error::other(format!("{}: `{key}` has other {{arguments}} in {language}", text.file)));
            }
        }
    }
    Ok(())
}

/// The texts as one sorted table: nothing is read or hashed when the program starts.
fn table(english: &Texts, korean: &Texts) -> String {
    let rows = english
        .iter()
        .zip(korean.values())
        .map(|((key, en), ko)| format!("    ({key:?}, {}, {}),\n", en.quoted, ko.quoted));
    format!("pub(super) static TEXTS: &[(&str, &str, &str)] = &[\n{}];\n", rows.collect::<String>())
}

/// A segment of the keys: the text that ends here with its parts, and what goes on below.
#[derive(Default)]
struct Module<'a> {
    key: &'a str,
    texts: Vec<&'a Text>,
    below: BTreeMap<&'a str, Module<'a>>,
}

impl<'a> Module<'a> {
    fn of(texts: &'a Texts) -> Self {
        let mut root = Self::default();
        for (key, text) in texts {
            let key = whole(key);
            let place = key.split('.').fold(&mut root, |module, segment| module.below.entry(segment).or_default());
            place.key = key;
            place.texts.push(text);
        }
        root
    }

    fn source(&self, depth: usize) -> String {
        let indent = "    ".repeat(depth);
        let mut out = String::new();
        for (segment, module) in &self.below {
            let name = identifier(segment);
            if !module.texts.is_empty() {
                out += &constructor(&indent, &name, module.key, &module.texts);
            }
            if !module.below.is_empty() {
                let inner = module.source(depth + 1);
                out += &format!("{indent}pub(crate) mod {name} {{\n{inner}{indent}}}\n");
            }
        }
        out
    }
}

/// Returns the key without its part, if it has one.
fn whole(key: &str) -> &str {
    let family = IN_PARTS.iter().find(|(family, _)| key.starts_with(family));
    family.and_then(|(_, parts)| parts.iter().find_map(|part| key.strip_suffix(part))).unwrap_or(key)
}

fn constructor(indent: &str, name: &str, key: &str, texts: &[&Text]) -> String {
    let names: BTreeSet<_> = texts.iter().flat_map(|text| text.placeholders()).collect();
    let parameters: Vec<_> =
        names.iter().map(|name| format!("{}: impl Into<crate::i18n::Arg>", identifier(name))).collect();
    let arguments: Vec<_> = names.iter().map(|name| format!("({name:?}, {}.into())", identifier(name))).collect();
    let by_name = NAMED_BY_DATA.iter().any(|family| key.starts_with(family));
    let allowed =
        if by_name { format!("{indent}#[allow(dead_code, reason = \"looked up by name\")]\n") } else { String::new() };
    let docs: String = texts.iter().map(|text| format!("{indent}#[doc = {}]\n", text.quoted)).collect();
    format!(
        "{docs}{allowed}{indent}pub(crate) fn {name}({}) -> crate::i18n::Message {{\n{indent}    crate::i18n::Message::new({key:?}, [{}])\n{indent}}}\n",
        parameters.join(", "),
        arguments.join(", ")
    )
}

fn identifier(name: &str) -> String {
    let name = name.replace('-', "_");
    if RESERVED.contains(&name.as_str()) { format!("r#{name}") } else { name }
}
