//! What a package brings, told by the source package it was built from, and by its name only where no source tells.
//!
//! The maintainer or vendor tells nothing more: NVIDIA's own repository says "Ubuntu Core Developers" of its driver,
//! and the people who keep Debian's driver keep `nvtop` too. What a package needs is another question, which
//! [`super::dependents`] answers.

use serde::{Deserialize, Serialize};

use super::Package;

/// What an NVIDIA package brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The kernel driver, its libraries and tools, or a companion of the same version (fabric manager, IMEX, NSCQ).
    Driver,
    /// A CUDA toolkit or one of its libraries.
    Toolkit,
    /// Firmware that a driver loads; it lies in a folder of its version and disturbs no other driver.
    Firmware,
    /// What drivers of several sources share, or what clients link to; brings no driver.
    Helper,
    /// Somebody else's, whatever its name says: container tools, monitoring, repositories, applications.
    Other,
}

use Role::{Driver, Firmware, Helper, Other, Toolkit};

/// The packages of one source: `*` stands for any text, `#` for a digit.
struct Source {
    name: &'static str,
    role: Role,
    /// Packages of the source that bring something else.
    except: &'static [(&'static str, Role)],
}

const fn source(name: &'static str, role: Role) -> Source {
    Source { name, role, except: &[] }
}

/// Source packages; the first that matches counts. Looked up in: Packages of Debian bookworm and trixie (non-free,
/// contrib); the `.dsc` and package pages of Ubuntu's nvidia-graphics-drivers-*, linux-restricted-*, fabric-manager-*,
/// libnvidia-nscq-*; NVIDIA's local repository 550.54.15 for Ubuntu 22.04; RPM Fusion, negativo17 and SUSE's spec
/// files.
const SOURCES: &[Source] = &[
    // Debian, Ubuntu and NVIDIA's repository for both.
    Source {
        name: "nvidia-graphics-drivers*",
        role: Driver,
        except: &[
            ("firmware-nvidia*", Firmware),
            ("nvidia-firmware*", Firmware),
            // Names the driver that fits a card, and needs none.
            ("nvidia-detect*", Other),
            ("libxnvctrl*", Helper),
            // Libraries for older drivers below /usr/local/cuda-X.Y/compat: they take nobody's place (seen on a machine
            // with an H200).
            ("cuda-compat*", Other),
        ],
    },
    source("nvidia-open-gpu-kernel-modules*", Driver),
    Source {
        name: "nvidia-settings*",
        role: Driver,
        except: &[("libxnvctrl*", Helper), ("nvidia-libXNVCtrl*", Helper)],
    },
    source("libxnvctrl*", Helper),
    source("nvidia-modprobe*", Driver),
    source("nvidia-persistenced*", Driver),
    source("nvidia-xconfig*", Driver),
    // The modules' options and aliases belong to a driver; asking about old installers does not.
    Source { name: "nvidia-support", role: Helper, except: &[("nvidia-kernel-common", Driver)] },
    source("glx-alternatives", Helper),
    source("egl-wayland*", Helper),
    source("nvidia-egl-gbm*", Helper),
    source("nvidia-egl-wayland*", Helper),
    source("egl-gbm*", Helper),
    source("egl-x11*", Helper),
    source("nvidia-prime*", Helper),
    source("ubuntu-drivers-common", Helper),
    source("firmware-nonfree", Firmware),
    source("linux-firmware*", Firmware),
    // Modules that Ubuntu built and signed; `linux-nvidia*` is a kernel.
    Source {
        name: "linux-restricted-*",
        role: Other,
        except: &[
            ("linux-modules-nvidia-fs-*", Other),
            ("linux-modules-nvidia-#*", Driver),
            ("linux-objects-nvidia-#*", Driver),
            ("linux-signatures-nvidia-#*", Driver),
        ],
    },
    // Companions of exactly the driver's version.
    source("fabricmanager*", Driver),
    source("fabric-manager*", Driver),
    source("nvidia-fabricmanager*", Driver),
    source("nvidia-fabric-manager*", Driver),
    source("libnvidia-nscq*", Driver),
    source("libnvsdm*", Driver),
    source("nvidia-imex*", Driver),
    source("imex", Driver),
    // The repository of NVIDIA: its packages of the driver, and what helps to get them.
    source("cuda-drivers*", Driver),
    source("nvidia-driver-local-repo*", Other),
    source("nvidia-driver-assistant*", Other),
    source("nvidia-driver-pinning*", Other),
    source("cuda-keyring*", Other),
    source("cuda-repo*", Other),
    // Libraries of a newer driver below /usr/local/cuda, which are loaded only when a program asks for them.
    source("cuda-compat*", Other),
    // rpm: NVIDIA's repository, negativo17, RPM Fusion, ELRepo and SUSE.
    Source {
        name: "nvidia-driver*",
        role: Driver,
        except: &[("nvidia-gpu-firmware*", Firmware), ("libxnvctrl*", Helper)],
    },
    source("nvidia-open", Driver),
    source("nvidia-open-*", Driver),
    source("nvidia-kmod*", Driver),
    source("nvidia-*-kmod", Driver),
    source("kmod-nvidia*", Driver),
    source("dkms-nvidia*", Driver),
    source("xorg-x11-drv-nvidia*", Driver),
    source("nvidia-x11-drv*", Driver),
    source("nvidia-gfxG0*", Driver),
    source("x11-video-nvidiaG0*", Driver),
    source("nvidia-video-G0*", Driver),
    // Toolkits.
    Source { name: "nvidia-cuda-toolkit", role: Toolkit, except: &[("nvidia-fs-dkms", Other)] },
    // Container tools, monitoring and libraries that belong to neither.
    source("nvidia-container*", Other),
    source("libnvidia-container*", Other),
    source("nvidia-docker*", Other),
    source("datacenter-gpu-manager*", Other),
    source("nvidia-cg-toolkit", Other),
    source("nvidia-texture-tools", Other),
    source("nvidia-cudnn*", Other),
    source("nvidia-nccl*", Other),
    source("nvidia-cutlass*", Other),
    source("nvidia-vaapi-driver", Other),
    source("nvidia-fs*", Other),
];

/// Names, for packages whose source no row of [`SOURCES`] knows; the first that matches counts. They are written
/// narrowly: a name that only begins like NVIDIA's is somebody else's.
const NAMES: &[(&str, Role)] = &[
    ("firmware-nvidia*", Firmware),
    ("nvidia-firmware*", Firmware),
    ("nvidia-gpu-firmware*", Firmware),
    ("libnvidia-container*", Other),
    ("libnvidia-egl-*", Helper),
    ("libnvidia-ml-dev", Toolkit),
    ("nvidia-common", Other),
    ("nvidia-prime*", Helper),
    ("nvidia-installer-cleanup", Helper),
    ("nvidia-support", Helper),
    ("nvidia-egl-gbm*", Helper),
    ("nvidia-egl-wayland*", Helper),
    ("nvidia-driver-assistant*", Other),
    ("nvidia-driver-local-repo*", Other),
    ("nvidia-driver-pinning*", Other),
    ("linux-modules-nvidia-fs-*", Other),
    ("nvidia-fs*", Other),
    // The driver's modules.
    ("nvidia-kernel-*", Driver),
    ("nvidia-dkms*", Driver),
    ("nvidia-open", Driver),
    ("nvidia-open-*", Driver),
    ("nvidia-kmod*", Driver),
    ("nvidia-*-kmp-*", Driver),
    ("nvidia-gfxG0*", Driver),
    ("kmod-nvidia*", Driver),
    ("akmod-nvidia*", Driver),
    ("dkms-nvidia*", Driver),
    ("linux-modules-nvidia-#*", Driver),
    ("linux-objects-nvidia-#*", Driver),
    ("linux-signatures-nvidia-#*", Driver),
    // Its libraries and tools.
    ("cuda-drivers*", Driver),
    ("nvidia-driver*", Driver),
    ("nvidia-headless*", Driver),
    ("nvidia-utils*", Driver),
    ("nvidia-compute*", Driver),
    ("nvidia-video-G0*", Driver),
    ("nvidia-gl*G0*", Driver),
    ("nvidia-common-G0*", Driver),
    ("nvidia-userspace-meta-G0*", Driver),
    ("nvidia-libs-*", Driver),
    ("nvidia-x11-drv*", Driver),
    ("nvidia-current*", Driver),
    // Old Ubuntu: `nvidia-340`, `nvidia-384-dev`.
    ("nvidia-#*", Driver),
    ("nvidia-legacy-*", Driver),
    ("nvidia-tesla*", Driver),
    ("nvidia-alternative*", Driver),
    ("nvidia-egl-common", Driver),
    ("nvidia-egl-icd", Driver),
    ("nvidia-opencl-common", Driver),
    ("nvidia-opencl-icd*", Driver),
    ("nvidia-libopencl1*", Driver),
    ("nvidia-vulkan-*", Driver),
    ("nvidia-nonglvnd-*", Driver),
    ("nvidia-vdpau-driver*", Driver),
    ("nvidia-suspend-common", Driver),
    ("nvidia-powerd*", Driver),
    ("nvidia-smi*", Driver),
    ("nvidia-cuda-mps", Driver),
    ("nvidia-settings*", Driver),
    ("nvidia-modprobe*", Driver),
    ("nvidia-persistenced*", Driver),
    ("nvidia-xconfig*", Driver),
    ("nvidia-fabricmanager*", Driver),
    ("nvidia-fabric-manager*", Driver),
    ("nvidia-imex*", Driver),
    ("imex", Driver),
    ("libnvidia-*", Driver),
    ("libnvsdm*", Driver),
    ("libcuda1*", Driver),
    ("libcudadebugger1", Driver),
    ("libnvcuvid1", Driver),
    ("libnvoptix1", Driver),
    ("libegl-nvidia*", Driver),
    ("libgl1-nvidia*", Driver),
    ("libgles-nvidia*", Driver),
    ("libglx-nvidia*", Driver),
    ("xserver-xorg-video-nvidia*", Driver),
    ("xlibre-xserver-video-nvidia*", Driver),
    ("xorg-x11-drv-nvidia*", Driver),
    ("xorg-x11-nvidia*", Driver),
    ("x11-video-nvidia*", Driver),
    // Toolkits of NVIDIA's repository, whose packages are sources of their own.
    ("cuda-keyring*", Other),
    ("cuda-repo*", Other),
    ("cuda-compat*", Other),
    ("cuda", Toolkit),
    ("cuda-*", Toolkit),
    ("nvidia-cuda-*", Toolkit),
    ("nvidia-gds*", Toolkit),
    ("gds-tools*", Toolkit),
    ("nvidia-opencl-dev", Toolkit),
    ("nvidia-profiler", Toolkit),
    ("nvidia-visual-profiler", Toolkit),
    ("libcublas*", Toolkit),
    ("libcudart*", Toolkit),
    ("libcufft*", Toolkit),
    ("libcufile*", Toolkit),
    ("libcurand*", Toolkit),
    ("libcusolver*", Toolkit),
    ("libcusparse*", Toolkit),
    ("libnpp*", Toolkit),
    ("libnvfatbin*", Toolkit),
    ("libnvjitlink*", Toolkit),
    ("libnvjpeg*", Toolkit),
    ("libnvvm*", Toolkit),
    ("nsight-*", Toolkit),
];

impl Package {
    /// Returns what the package brings.
    pub fn role(&self) -> Role {
        let of_source = |source: &str| {
            let row = SOURCES.iter().find(|row| matches(row.name, source))?;
            Some(row.except.iter().find(|(name, _)| matches(name, &self.name)).map_or(row.role, |(_, role)| *role))
        };
        // A package without a source of its own name is its own source; so is one of which the database does not tell.
        of_source(self.source.as_deref().unwrap_or(&self.name)).unwrap_or_else(|| role_of_name(&self.name))
    }
}

/// Returns what a package brings as far as its name alone tells, which is all that old records have.
pub fn role_of_name(name: &str) -> Role {
    NAMES.iter().find(|(pattern, _)| matches(pattern, name)).map_or(Other, |(_, role)| *role)
}

/// Tells whether a name matches a pattern, in which `*` stands for any text and `#` for a digit.
fn matches(pattern: &str, name: &str) -> bool {
    bytes_match(pattern.as_bytes(), name.as_bytes())
}

/// Bytes will do, as no pattern ends within a letter. Every package is held against every row.
fn bytes_match(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) | ([b'*'], _) => true,
        ([b'*', left @ ..], _) => (0..=name.len()).any(|start| bytes_match(left, &name[start..])),
        ([wanted, left @ ..], [byte, rest @ ..]) => {
            (if *wanted == b'#' { byte.is_ascii_digit() } else { byte == wanted }) && bytes_match(left, rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
