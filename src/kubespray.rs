//! Kubespray: the checkout, the inventory, which value of a variable wins, what the GPU role will do with it, and how
//! to change it.

pub mod ansible;
pub mod capability;
pub mod checkout;
pub mod config;
mod context;
pub mod edit;
mod edited;
mod findings;
pub mod inventory;
mod joining;
mod layout;
mod machine;
mod other_roles;
pub mod playbook;
mod preview;
pub mod release;
pub mod render;
mod report;
pub mod rules;
pub mod runtime_entry;
pub mod spec;
mod template;
mod truth;
pub mod values;
pub mod variables;
pub mod yaml11;

use std::path::PathBuf;

use serde::Serialize;

pub use context::PreviewRequest;
pub use edited::Edited;
pub use joining::Newcomer;
pub use layout::Layout;
pub use preview::preview;
pub use report::{report, report_planned};
pub use template::is_template_within;
pub use truth::as_text;

use crate::{
    finding::Finding,
    i18n::{Lang, Message, msg},
};

/// The variable preview: the documented output of `gpunode vars --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// Kubespray's release, such as `v2.14.2`; absent when it could not be read.
    pub release: Option<String>,
    /// The checkout, when there is one.
    pub checkout: Option<PathBuf>,
    /// The inventory file or folder.
    pub inventory: Option<PathBuf>,
    /// The Kubernetes node name of this machine.
    pub node: Option<String>,
    /// The inventory host of this machine.
    pub inventory_host: Option<String>,
    /// The first host of the control plane: its OS decides about the installer image.
    pub first_control_plane: Option<String>,
    /// `docker`, `containerd`, `crio`.
    pub container_manager: String,
    /// Every variable that matters for a GPU node.
    pub variables: Vec<Variable>,
    /// What the GPU role will do.
    pub capability: Capability,
    /// What a person should know, worst first.
    pub findings: Vec<Finding>,
    /// Where values are written and playbooks stand.
    #[serde(skip)]
    pub layout: Layout,
}

impl Preview {
    /// Returns a variable by its name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

/// One variable with its provenance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The value as the role will see it; templates are shown raw but for plain `{{ name }}`.
    pub value: Option<serde_json::Value>,
    /// Whether a person wrote a template, and the value is what it becomes.
    #[serde(skip)]
    pub is_filled_in: bool,
    /// The value as a person wrote it for this node, templates and all; absent where nobody did.
    #[serde(skip)]
    pub written: Option<serde_json::Value>,
    /// Every place where a person defines it for this node or for the control plane.
    #[serde(skip)]
    pub places: Vec<Place>,
    /// Where the value comes from; absent when no file here says it and the release's built-in data does.
    pub winner: Option<Place>,
    /// Definitions that lose, strongest first.
    pub shadowed: Vec<Shadowed>,
    /// Definitions that Ansible never looks at, or that something overrides in any case.
    pub ignored: Vec<Ignored>,
}

/// Where a value is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The place in Ansible's order of precedence.
    pub level: Level,
}

/// A definition that another one beats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadowed {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The place in Ansible's order of precedence.
    pub level: Level,
    /// The losing value.
    pub value: serde_json::Value,
}

/// A definition without effect. The text is `ignored.<why>` of the locale files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ignored {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// The reason.
    pub why: IgnoredWhy,
}

/// Why a definition has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoredWhy {
    /// Its folder is spelt in another way than the group.
    WrongFolderName,
    /// There is no such group.
    NoSuchGroup,
    /// A folder has the name of the file.
    FolderWins,
    /// It is not for the host that the role runs on.
    OtherHost,
    /// It is not beside the playbooks.
    NotBesidePlays,
    /// The role's vars file overrides it.
    IncludeVars,
    /// The role sets the variable.
    SetFact,
}

impl IgnoredWhy {
    /// Returns it as half a sentence.
    pub fn text(self) -> Message {
        match self {
            Self::WrongFolderName => msg::ignored::wrong_folder_name(),
            Self::NoSuchGroup => msg::ignored::no_such_group(),
            Self::FolderWins => msg::ignored::folder_wins(),
            Self::OtherHost => msg::ignored::other_host(),
            Self::NotBesidePlays => msg::ignored::not_beside_plays(),
            Self::IncludeVars => msg::ignored::include_vars(),
            Self::SetFact => msg::ignored::set_fact(),
        }
    }
}

/// Ansible's order of variable precedence, weakest first.
/// Source: Ansible documentation, "Understanding variable precedence".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Values of command line options such as `-u`.
    CommandLine,
    /// A role's `defaults/main.yml`.
    RoleDefaults,
    /// `[group:vars]` of the inventory file.
    InventoryGroupVars,
    /// `group_vars/all` beside the inventory.
    GroupVarsAll,
    /// `group_vars/all` beside the playbook.
    PlaybookGroupVarsAll,
    /// `group_vars/*` beside the inventory.
    GroupVars,
    /// `group_vars/*` beside the playbook.
    PlaybookGroupVars,
    /// Variables on the host's line of the inventory file.
    InventoryHostVars,
    /// `host_vars/*` beside the inventory.
    HostVars,
    /// `host_vars/*` beside the playbook.
    PlaybookHostVars,
    /// Facts and cached `set_fact`.
    HostFacts,
    /// `vars:` of a play.
    PlayVars,
    /// `vars_prompt:` of a play.
    PlayVarsPrompt,
    /// `vars_files:` of a play.
    PlayVarsFiles,
    /// A role's `vars/main.yml`.
    RoleVars,
    /// `vars:` of a block.
    BlockVars,
    /// `vars:` of a task.
    TaskVars,
    /// `include_vars`.
    IncludeVars,
    /// `set_fact` and `register`.
    SetFact,
    /// Parameters of a role.
    RoleParams,
    /// Parameters of an include.
    IncludeParams,
    /// `-e`.
    ExtraVars,
}

impl Level {
    /// All of them, weakest first.
    pub const ALL: [Self; 22] = [
        Self::CommandLine,
        Self::RoleDefaults,
        Self::InventoryGroupVars,
        Self::GroupVarsAll,
        Self::PlaybookGroupVarsAll,
        Self::GroupVars,
        Self::PlaybookGroupVars,
        Self::InventoryHostVars,
        Self::HostVars,
        Self::PlaybookHostVars,
        Self::HostFacts,
        Self::PlayVars,
        Self::PlayVarsPrompt,
        Self::PlayVarsFiles,
        Self::RoleVars,
        Self::BlockVars,
        Self::TaskVars,
        Self::IncludeVars,
        Self::SetFact,
        Self::RoleParams,
        Self::IncludeParams,
        Self::ExtraVars,
    ];

    /// Returns its number in Ansible's documentation, from 1, the weakest.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// Returns its name.
    pub fn title(self) -> Message {
        use msg::level;
        match self {
            Self::CommandLine => level::command_line(),
            Self::RoleDefaults => level::role_defaults(),
            Self::InventoryGroupVars => level::inventory_group_vars(),
            Self::GroupVarsAll => level::group_vars_all(),
            Self::PlaybookGroupVarsAll => level::playbook_group_vars_all(),
            Self::GroupVars => level::group_vars(),
            Self::PlaybookGroupVars => level::playbook_group_vars(),
            Self::InventoryHostVars => level::inventory_host_vars(),
            Self::HostVars => level::host_vars(),
            Self::PlaybookHostVars => level::playbook_host_vars(),
            Self::HostFacts => level::host_facts(),
            Self::PlayVars => level::play_vars(),
            Self::PlayVarsPrompt => level::play_vars_prompt(),
            Self::PlayVarsFiles => level::play_vars_files(),
            Self::RoleVars => level::role_vars(),
            Self::BlockVars => level::block_vars(),
            Self::TaskVars => level::task_vars(),
            Self::IncludeVars => level::include_vars(),
            Self::SetFact => level::set_fact(),
            Self::RoleParams => level::role_params(),
            Self::IncludeParams => level::include_params(),
            Self::ExtraVars => level::extra_vars(),
        }
    }
}

/// What Kubespray's GPU role will do with these values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capability {
    /// In a word.
    pub verdict: Verdict,
    /// Stable name of the reason; the texts are `capability.<why>.why` and `capability.<why>.instead` of the locale
    /// files.
    #[serde(skip)]
    pub reason: String,
    /// Values for the texts.
    #[serde(skip)]
    pub args: std::collections::BTreeMap<String, String>,
    /// Why, in English.
    pub why: String,
    /// What to set instead, in English; absent when it works.
    pub instead: Option<String>,
}

/// What the driver's owner wants of Kubespray's GPU role, which brings driver and device plugin in one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GpuRole {
    /// It installs both.
    #[default]
    Installs,
    /// It stays off, for somebody else brings them.
    StaysOff,
}

/// The capability verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The DaemonSets come up with a usable image.
    Works,
    /// The role skips everything and reports nothing.
    NoOp,
    /// It fails, or applies something that cannot work.
    Broken,
    /// Not enough is known.
    Unknown,
    /// It is off, as the driver's owner wants it.
    Unused,
}

impl Verdict {
    /// Returns the verdict in a word.
    pub fn title(self) -> Message {
        match self {
            Self::Works => msg::verdict::works(),
            Self::NoOp => msg::verdict::no_op(),
            Self::Broken => msg::verdict::broken(),
            Self::Unknown => msg::verdict::unknown(),
            Self::Unused => msg::verdict::unused(),
        }
    }
}

impl Capability {
    /// Returns why.
    pub fn why(&self, lang: Lang) -> String {
        self.part("why").text(lang)
    }

    /// Returns what to set instead; nothing when it works.
    pub fn instead(&self, lang: Lang) -> Option<String> {
        let part = self.part("instead");
        part.is_known().then(|| part.text(lang))
    }

    fn part(&self, part: &str) -> Message {
        Message::named(format!("capability.{}.{part}", self.reason), &self.args)
    }
}
