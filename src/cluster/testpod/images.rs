//! Images for the test pod.

use crate::version::Version;

/// `base` images of `nvidia/cuda`, newest first: CUDA version and tag. Only the last update of each release, because
/// NVIDIA deletes a tag when an update of the same release supersedes it or its driver branch ends; all of CUDA 10 and
/// all short tags are gone. Source: NVIDIA's `doc/supported-tags.md` and `doc/unsupported-tags.md` of
/// gitlab.com/nvidia/container-images/cuda (support policy in the same folder), NVIDIA/nvidia-docker issues 1735 and
/// 1768.
const TAGS: [(&str, &str); 17] = [
    ("12.9", "12.9.1-base-ubuntu22.04"),
    ("12.8", "12.8.1-base-ubuntu22.04"),
    ("12.6", "12.6.3-base-ubuntu22.04"),
    ("12.5", "12.5.1-base-ubuntu22.04"),
    ("12.4", "12.4.1-base-ubuntu22.04"),
    ("12.3", "12.3.2-base-ubuntu22.04"),
    ("12.2", "12.2.2-base-ubuntu22.04"),
    ("12.1", "12.1.1-base-ubuntu22.04"),
    ("12.0", "12.0.1-base-ubuntu22.04"),
    ("11.8", "11.8.0-base-ubuntu22.04"),
    ("11.7", "11.7.1-base-ubuntu20.04"),
    ("11.6", "11.6.2-base-ubuntu20.04"),
    ("11.4", "11.4.3-base-ubuntu20.04"),
    ("11.3", "11.3.1-base-ubuntu20.04"),
    ("11.2", "11.2.2-base-ubuntu20.04"),
    ("11.1", "11.1.1-base-ubuntu20.04"),
    ("11.0", "11.0.3-base-ubuntu20.04"),
];
/// Where NVIDIA publishes the same tags. Source: supported-tags.md ("Repos").
const REGISTRIES: [&str; 2] = ["docker.io/nvidia/cuda", "nvcr.io/nvidia/cuda"];
/// How many releases are tried.
const RELEASES: usize = 3;

/// Images of NVIDIA's vectorAdd sample, newest first: CUDA version and image. Source: NVIDIA's GPU Operator
/// documentation, "Getting Started" and its older editions. Whether the registry still has them shows when they are
/// pulled.
const SAMPLES: [(&str, &str); 3] = [
    ("12.5", "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda12.5.0"),
    ("11.7", "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda11.7.1-ubuntu20.04"),
    ("10.2", "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda10.2"),
];

/// Returns images of the CUDA sample that fit a driver which supports up to `cuda`, best first.
pub fn samples(cuda: Option<&Version>) -> Vec<String> {
    let fits = |version: &str| match (cuda, version.parse::<Version>()) {
        (Some(cuda), Ok(version)) => version <= *cuda,
        _ => true,
    };
    SAMPLES.iter().filter(|(version, _)| fits(version)).map(|(_, image)| (*image).to_owned()).collect()
}

/// Returns images that fit a driver which supports up to `cuda`, best first: the newest that is not newer than the
/// driver, from both registries, then older ones. A driver from before CUDA 11 gets the oldest images: `nvidia-smi`
/// itself comes from the driver.
pub fn candidates(cuda: Option<&Version>) -> Vec<String> {
    let fits = |tag: &str| match (cuda, tag.parse::<Version>()) {
        (Some(cuda), Ok(version)) => version <= *cuda,
        _ => tag <= "11.8",
    };
    let mut tags: Vec<_> =
        TAGS.iter().filter(|(version, _)| fits(version)).take(RELEASES).map(|(_, tag)| *tag).collect();
    if tags.is_empty() {
        tags.extend(TAGS.iter().rev().take(1).map(|(_, tag)| *tag));
    }
    tags.iter().flat_map(|tag| REGISTRIES.map(|registry| format!("{registry}:{tag}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_newer_than_the_driver() {
        let first = |cuda: &str| candidates(Some(&cuda.parse().unwrap())).remove(0);
        assert_eq!(first("11.0"), "docker.io/nvidia/cuda:11.0.3-base-ubuntu20.04");
        assert_eq!(first("11.5"), "docker.io/nvidia/cuda:11.4.3-base-ubuntu20.04");
        assert_eq!(first("13.0"), "docker.io/nvidia/cuda:12.9.1-base-ubuntu22.04");
        assert_eq!(first("10.2"), "docker.io/nvidia/cuda:11.0.3-base-ubuntu20.04");
        assert_eq!(candidates(None)[0], "docker.io/nvidia/cuda:11.8.0-base-ubuntu22.04");
    }

    #[test]
    fn the_second_choice_is_the_same_image_from_the_other_registry() {
        assert_eq!(candidates(Some(&"11.0".parse().unwrap()))[1], "nvcr.io/nvidia/cuda:11.0.3-base-ubuntu20.04");
    }
}
