//! The checks of the pre-flight, by name.

use crate::i18n::{Message, msg};

/// A kind of check. Of one that looks at several things, each has an id of its own: `space:/var`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckKind {
    /// The chosen owner of the driver and this node.
    Owner,
    /// The chosen driver and the cards.
    DriverFits,
    /// A driver on the host, which the pod would find.
    HostDriver,
    /// The kernel's own drivers.
    Nouveau,
    /// Secure Boot.
    SecureBoot,
    /// Kernel headers.
    Headers,
    /// The repositories of the installer's image.
    PodRepositories,
    /// Who uses the driver that goes.
    Holders,
    /// What a removal takes with it.
    Removal,
    /// The host's package repositories.
    Repositories,
    /// The toolkit with cards, driver and C library.
    ToolkitFits,
    /// The compiler for nvcc.
    Compiler,
    /// A runfile that was given.
    LocalRunfile,
    /// Room on a file system.
    Space,
    /// Mounts that let nothing run or be written.
    Mounts,
    /// The library of NVIDIA's installer.
    Libxml2,
    /// The installer's log in /tmp.
    InstallerLog,
    /// The address of the runfile.
    RunfileAddress,
    /// A registry of the pod's images.
    Registry,
}

impl CheckKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Owner,
        Self::DriverFits,
        Self::HostDriver,
        Self::Nouveau,
        Self::SecureBoot,
        Self::Headers,
        Self::PodRepositories,
        Self::Holders,
        Self::Removal,
        Self::Repositories,
        Self::ToolkitFits,
        Self::Compiler,
        Self::LocalRunfile,
        Self::Space,
        Self::Mounts,
        Self::Libxml2,
        Self::InstallerLog,
        Self::RunfileAddress,
        Self::Registry,
    ];

    /// Returns the name, as it stands in JSON and under `despite` of the answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::DriverFits => "driver-fits",
            Self::HostDriver => "host-driver",
            Self::Nouveau => "nouveau",
            Self::SecureBoot => "secure-boot",
            Self::Headers => "headers",
            Self::PodRepositories => "pod-repositories",
            Self::Holders => "holders",
            Self::Removal => "removal",
            Self::Repositories => "repositories",
            Self::ToolkitFits => "toolkit-fits",
            Self::Compiler => "compiler",
            Self::LocalRunfile => "local-runfile",
            Self::Space => "space",
            Self::Mounts => "mounts",
            Self::Libxml2 => "libxml2",
            Self::InstallerLog => "installer-log",
            Self::RunfileAddress => "runfile-address",
            Self::Registry => "registry",
        }
    }

    /// Returns the kind of the check with this id; none for one of another version.
    pub fn of(id: &str) -> Option<Self> {
        let name = id.split(':').next().unwrap_or(id);
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the id of the check that looks at `subject`.
    pub fn on(self, subject: impl std::fmt::Display) -> String {
        format!("{}:{subject}", self.name())
    }

    /// Returns what is checked.
    pub fn title(self) -> Message {
        use msg::preflight as text;
        match self {
            Self::Owner => text::owner::title(),
            Self::DriverFits => text::driver_fits::title(),
            Self::HostDriver => text::host_driver::title(),
            Self::Nouveau => text::nouveau::title(),
            Self::SecureBoot => text::secure_boot::title(),
            Self::Headers => text::headers::title(),
            Self::PodRepositories => text::pod_repositories::title(),
            Self::Holders => text::holders::title(),
            Self::Removal => text::removal::title(),
            Self::Repositories => text::repositories::title(),
            Self::ToolkitFits => text::toolkit_fits::title(),
            Self::Compiler => text::compiler::title(),
            Self::LocalRunfile => text::local_runfile::title(),
            Self::Space => text::space::title(),
            Self::Mounts => text::mounts::title(),
            Self::Libxml2 => text::libxml2::title(),
            Self::InstallerLog => text::installer_log::title(),
            Self::RunfileAddress => text::runfile_address::title(),
            Self::Registry => text::registry::title(),
        }
    }

    /// Returns what to do about it.
    pub fn remedy(self) -> Message {
        use msg::preflight as text;
        match self {
            Self::Owner => text::owner::remedy(),
            Self::DriverFits => text::driver_fits::remedy(),
            Self::HostDriver => text::host_driver::remedy(),
            Self::Nouveau => text::nouveau::remedy(),
            Self::SecureBoot => text::secure_boot::remedy(),
            Self::Headers => text::headers::remedy(),
            Self::PodRepositories => text::pod_repositories::remedy(),
            Self::Holders => text::holders::remedy(),
            Self::Removal => text::removal::remedy(),
            Self::Repositories => text::repositories::remedy(),
            Self::ToolkitFits => text::toolkit_fits::remedy(),
            Self::Compiler => text::compiler::remedy(),
            Self::LocalRunfile => text::local_runfile::remedy(),
            Self::Space => text::space::remedy(),
            Self::Mounts => text::mounts::remedy(),
            Self::Libxml2 => text::libxml2::remedy(),
            Self::InstallerLog => text::installer_log::remedy(),
            Self::RunfileAddress => text::runfile_address::remedy(),
            Self::Registry => text::registry::remedy(),
        }
    }
}

impl From<CheckKind> for String {
    fn from(kind: CheckKind) -> Self {
        kind.name().to_owned()
    }
}
