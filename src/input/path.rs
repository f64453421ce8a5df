//! Paths of files and folders.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{is_visible, parsed};
use crate::i18n::msg;

/// Longest path, in bytes. Source: Linux, `PATH_MAX`.
const LENGTH: usize = 4096;

/// Gives a path type what the standard library expects of a path.
macro_rules! path {
    ($name:ident) => {
        impl Deref for $name {
            type Target = Path;

            fn deref(&self) -> &Path {
                Path::new(&self.0)
            }
        }

        impl From<$name> for PathBuf {
            fn from(path: $name) -> Self {
                path.0.into()
            }
        }

        impl AsRef<Path> for $name {
            fn as_ref(&self) -> &Path {
                self
            }
        }
    };
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.len() <= LENGTH && !text.starts_with('-') && is_visible(text)
}

fn is_absolute(text: &str) -> bool {
    is_path(text) && text.starts_with('/') && !text.split('/').any(|part| part == "..")
}

/// A path that is one argument and one line, absolute or not: it begins with no dash and holds no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

parsed!(FilePath, msg::input::path, is_path);
path!(FilePath);

/// As [`FilePath`], absolute and without `..`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AbsolutePath(String);

parsed!(AbsolutePath, msg::input::absolute_path, is_absolute);
path!(AbsolutePath);

/// As [`FilePath`], without a comma: Ansible takes `-i a,b` for a list of hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InventoryPath(String);

parsed!(InventoryPath, msg::input::inventory, |text| is_path(text) && !text.contains(','));
path!(InventoryPath);

/// As [`AbsolutePath`], of characters that a shell, PATH, the loader's configuration and an installer's script all take
/// as they are: the toolkit's folder is written into files of `/etc` that these read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlainPath(String);

parsed!(PlainPath, msg::input::plain_path, |text| {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+');
    is_absolute(text) && text.bytes().all(plain)
});
path!(PlainPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_line_and_no_option() {
        for good in ["/root/a b.run", "/x/한국", "/a"] {
            assert!(good.parse::<AbsolutePath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "-x",
            "/a\n/b",
            "/a\0",
            "/a/../b",
            "/a\u{202e}b",
            "/a\u{2028}b",
            &format!("/{}", "a".repeat(65536)),
        ] {
            assert!(bad.parse::<AbsolutePath>().is_err(), "{bad:?}");
        }
        for bad in ["/opt/a b", "/opt/$(x)", "/opt/a:b", "/opt/'a", "/opt/{{ a }}", "/opt/a,b"] {
            assert!(bad.parse::<PlainPath>().is_err(), "{bad:?}");
        }
        assert!("inventory/mycluster/hosts.yaml".parse::<InventoryPath>().is_ok());
        assert!("a,b".parse::<InventoryPath>().is_err() && "-i".parse::<InventoryPath>().is_err());
    }
}
