//! Checks that ask the network: is the runfile where it should be, and do the registries of the images answer?

use std::{collections::BTreeSet, time::Duration};

use super::{Request, wrong_size};
use crate::{
    host::{Command, Exit, Output},
    i18n::msg,
    plan::{ActionSpec, action::fetch_runfile::FetchRunfile},
    prediction::{
        CheckKind, Evidence,
        Forecast::{self, Ok, Unknown, Warning, WillFail},
        Prediction,
    },
};

pub(super) fn checks(request: Request<'_>) -> Vec<Prediction> {
    let mut found: Vec<_> = request
        .actions
        .iter()
        .filter_map(|action| if let ActionSpec::FetchRunfile(fetch) = &action.kind { Some(fetch) } else { None })
        .map(|fetch| runfile(request, fetch))
        .collect();
    let registries: BTreeSet<&str> = request.images.iter().map(|image| registry(image)).collect();
    found.extend(registries.into_iter().map(|name| answers(request, name)));
    found
}

fn ask(url: &str) -> Command {
    let words = ["--silent", "--show-error", "--location", "--max-time", "15", "--output", "/dev/null", "--globoff"];
    Command::new("curl", words).operand(url).deadline(Some(Duration::from_secs(20)))
}

/// Asks for the head of the file: its length tells it from a page that some proxy answers with.
fn runfile(request: Request<'_>, fetch: &FetchRunfile) -> Prediction {
    let command = fetch.head_command();
    let url = &fetch.url;
    let (says, seen): (Forecast, Evidence) = match request.host.commands.capture(&command) {
        // A recorded machine knows only what it was asked when it was recorded.
        Err(error) if error.is_of_the_picture() => (Unknown, error.to_string().into()),
        Err(error) => (WillFail, error.to_string().into()),
        Result::Ok(output) if output.exit.is_success() => match (length(&output), fetch.size) {
            (Some(length), Some(size)) if length != size => (WillFail, wrong_size(url, length, size).into()),
            _ => (Ok, msg::preflight::seen::answers(url).into()),
        },
        Result::Ok(output) => {
            let said = output.stderr.lines().next().unwrap_or_default().trim().to_owned();
            // 404, a name nobody knows, a port nobody listens to: that will not mend itself. A slow server may.
            let surely = matches!(output.exit, Exit::Code(5..=7)) || said.contains("error: 40");
            (if surely { WillFail } else { Warning }, format!("{url}: {said}").into())
        }
    };
    Prediction::new(CheckKind::RunfileAddress, says, seen)
        .about("fetch-runfile", &["runfile-404", "runfile-unreachable", "runfile-tls"])
}

/// The length in the head of the last answer: redirects have their own.
fn length(output: &Output) -> Option<u64> {
    let value = |line: &str| {
        line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok()
    };
    output.stdout.lines().rev().find_map(value)
}

/// Returns the registry of an image's name: what stands before the first slash, if it is a host. Source: the reference
/// grammar of docker.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "registry-1.docker.io",
    }
}

/// Any answer will do, also "log in first". The container runtime may go other ways than curl (mirrors, a proxy of its
/// own), so that silence proves nothing.
fn answers(request: Request<'_>, name: &str) -> Prediction {
    let said = |text: String| Evidence::Raw(crate::text::printable(&text));
    let (says, seen): (Forecast, Evidence) = match request.host.commands.capture(&ask(&format!("https://{name}/v2/"))) {
        Result::Ok(output) if output.exit.is_success() => (Ok, msg::preflight::seen::registry_answers(name).into()),
        Result::Ok(output) => {
            (Warning, said(format!("{name}: {}", output.stderr.lines().next().unwrap_or_default().trim())))
        }
        Err(error) => (Unknown, said(format!("{name}: {error}"))),
    };
    Prediction::new(CheckKind::Registry.on(name), says, seen).about("watch-installer", &["image-pull"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_read_from_an_images_name() {
        assert_eq!(registry("atzedevries/nvidia-centos-driver-installer:2"), "registry-1.docker.io");
        assert_eq!(registry("k8s.gcr.io/nvidia-gpu-device-plugin@sha256:08"), "k8s.gcr.io");
        assert_eq!(registry("localhost:5000/x"), "localhost:5000");
        assert_eq!(registry("busybox"), "registry-1.docker.io");
    }
}
