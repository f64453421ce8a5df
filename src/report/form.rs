//! Form: how a report is written, as plain text or Markdown.

/// How the parts of a report are written.
pub(super) trait Form {
    fn title(&self, text: &str) -> String;
    fn heading(&self, text: &str) -> String;
    fn paragraph(&self, text: &str) -> String;
    fn item(&self, text: &str) -> String;
    fn detail(&self, text: &str) -> String;
    fn code(&self, text: &str) -> String;
}

pub(super) struct Plain;

impl Form for Plain {
    fn title(&self, text: &str) -> String {
        format!("{text}\n{}\n", "=".repeat(crate::text::width(text)))
    }
    fn heading(&self, text: &str) -> String {
        format!("\n{text}\n{}\n", "-".repeat(crate::text::width(text)))
    }
    fn paragraph(&self, text: &str) -> String {
        format!("{text}\n")
    }
    fn item(&self, text: &str) -> String {
        format!("- {text}\n")
    }
    fn detail(&self, text: &str) -> String {
        format!("    {text}\n")
    }
    fn code(&self, text: &str) -> String {
        text.lines().map(|line| format!("    {}\n", crate::text::printable(line))).collect()
    }
}

pub(super) struct Markdown;

impl Form for Markdown {
    fn title(&self, text: &str) -> String {
        format!("# {text}\n\n")
    }
    fn heading(&self, text: &str) -> String {
        format!("\n## {text}\n\n")
    }
    fn paragraph(&self, text: &str) -> String {
        format!("{text}\n\n")
    }
    fn item(&self, text: &str) -> String {
        format!("- {text}\n")
    }
    fn detail(&self, text: &str) -> String {
        format!("  - `{}`\n", text.replace('`', "'"))
    }
    fn code(&self, text: &str) -> String {
        let body: String = text.lines().map(|line| format!("  {}\n", crate::text::printable(line))).collect();
        format!("\n  ```diff\n{body}  ```\n\n")
    }
}
