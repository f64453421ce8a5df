//! `ansible.cfg`, as far as it changes what Ansible reads: sections of `key = value`, as Python's configparser reads
//! them.

use std::{collections::HashMap, path::Path};

use crate::host::Files;

/// The settings of one `ansible.cfg`; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(HashMap<(String, String), String>);

impl Config {
    /// Reads the `ansible.cfg` of a folder: the one that counts when Ansible is started there.
    pub fn read(files: &dyn Files, folder: &Path) -> Self {
        Self::parse(&files.read_text(folder.join("ansible.cfg")).unwrap_or_default())
    }

    /// Reads the text of an `ansible.cfg`. Lines that Python would refuse are passed over.
    pub fn parse(text: &str) -> Self {
        let mut found = HashMap::new();
        let mut section = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                name.0.clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once(['=', ':']) {
                // Ansible takes `;` behind a blank for a comment.
                let value = value.split(" ;").next().unwrap_or_default();
                found.insert((section.clone(), key.trim().to_lowercase()), value.trim().to_owned());
            }
        }
        Self(found)
    }

    /// Returns a setting.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.0.get(&(section.to_owned(), key.to_owned())).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubespray_writes() {
        let config = Config::parse(
            "[defaults]\n# x=1\nHash_Behaviour=merge ; why\n\n[inventory]\nignore_patterns = artifacts, credentials\n",
        );
        assert_eq!(config.get("defaults", "hash_behaviour"), Some("merge"));
        assert_eq!(config.get("inventory", "ignore_patterns"), Some("artifacts, credentials"));
        assert_eq!(config.get("defaults", "x"), None);
    }
}
