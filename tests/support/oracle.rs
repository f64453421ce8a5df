//! The real `ansible-inventory`, loaded once and asked many times (`oracle.py`).
//!
//! Ansible is looked for in `target/venv/bin`, then in PATH; without it these tests fail.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::program::tool;
use serde_json::{Map, Value, json};

/// Variables by host.
pub type HostVars = BTreeMap<String, Map<String, Value>>;

/// A running Ansible.
pub struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts it.
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/oracle.py");
        let python = tool("ansible-inventory").with_file_name("python3");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let (questions, answers) =
            (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")));
        Self { child, questions, answers }
    }

    /// Returns what Ansible prints for these arguments, or why it refuses.
    fn ask(&mut self, folder: &Path, args: &[&str]) -> Result<String, String> {
        let question: Vec<&str> = [folder.to_str().expect("UTF-8")].into_iter().chain(args.iter().copied()).collect();
        writeln!(self.questions, "{}", json!(question)).expect("Ansible listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("Ansible answers");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        if answer["status"] == 0 { Ok(text("out")) } else { Err(text("err")) }
    }

    /// Returns all that Ansible says about an inventory: `ansible-inventory --list`.
    pub fn list(&mut self, inventory: &Path, playbooks: &Path) -> Result<Value, String> {
        let folder = inventory.parent().expect("a folder");
        let (playbooks, inventory) = (playbooks.to_str().expect("UTF-8"), inventory.to_str().expect("UTF-8"));
        let vault = folder.join("vault-password");
        let mut args = vec!["--list", "--playbook-dir", playbooks, "-i", inventory];
        if vault.is_file() {
            args.extend(["--vault-password-file", vault.to_str().expect("UTF-8")]);
        }
        let text = self.ask(folder, &args)?;
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    /// Returns what a playbook sees as `groups`: the hosts of each group, in order.
    pub fn groups(&mut self, inventory: &Path) -> BTreeMap<String, Vec<String>> {
        let text = self.ask(inventory.parent().expect("a folder"), &["--groups", inventory.to_str().expect("UTF-8")]);
        serde_json::from_str(&text.expect("groups")).expect("JSON")
    }

    /// Returns the variables of every host that has any.
    pub fn hosts(&mut self, inventory: &Path, playbooks: &Path) -> Result<HostVars, String> {
        let list = bare(self.list(inventory, playbooks)?);
        Ok(serde_json::from_value(list["_meta"]["hostvars"].clone()).expect("hosts with variables"))
    }
}

/// `!unsafe` only says how Ansible may use a text; `ansible-inventory` prints it as a mapping.
fn bare(value: Value) -> Value {
    match value {
        Value::Object(mut map) if map.len() == 1 && map.contains_key("__ansible_unsafe") => {
            map.remove("__ansible_unsafe").expect("the key")
        }
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, bare(value))).collect()),
        Value::Array(items) => items.into_iter().map(bare).collect(),
        other => other,
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It would end by itself when its input does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
