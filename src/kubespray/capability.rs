//! The capability verdict: what Kubespray's GPU role will do on this control plane, once it is switched on.
//!
//! The role acts only where it has an image for the installer. It has one where its `vars` folder knows the system of
//! the first control plane, or where the inventory gives an image of its own together with
//! `nvidia_driver_install_supported: true`. Everywhere else it skips its tasks and reports nothing. The container
//! manager does not matter: neither DaemonSet uses it.

use serde_json::Value;

use super::{
    Capability, GpuRole, Verdict,
    context::KubesprayContext,
    spec::DOWNLOAD_URL,
    truth::{as_bool, as_text, is_truthy},
    variables::ResolvedVariables,
};
use crate::{
    i18n::{Lang, Message, msg},
    version::Version,
};

/// The first ansible-core that refuses a text as a condition, which the role's tasks are.
const STRICT_CORE: (u32, u32) = (2, 19);

/// Judges one combination of release, system and settings for an owner that wants the role, or wants it to stay off.
pub fn judge(context: &KubesprayContext, variables: &ResolvedVariables<'_>, wanted: GpuRole) -> Capability {
    let (verdict, text) = match wanted {
        GpuRole::Installs => decide(context, variables),
        GpuRole::StaysOff if variables.is_templated("nvidia_accelerator_enabled") => {
            (Verdict::Unknown, msg::capability::templated())
        }
        GpuRole::StaysOff if is_on(variables) => (Verdict::Broken, msg::capability::second_owner()),
        GpuRole::StaysOff => (Verdict::Unused, msg::capability::stays_off()),
    };
    let (reason, args) = (text.id().to_owned(), text.plain_args());
    let part = |part: &str| Message::named(format!("capability.{reason}.{part}"), &args);
    let instead = part("instead");
    Capability {
        verdict,
        why: part("why").text(Lang::En),
        instead: instead.is_known().then(|| instead.text(Lang::En)),
        reason,
        args,
    }
}

/// What the verdict rests on.
const DECISIVE: [&str; 5] = [
    "nvidia_accelerator_enabled",
    "nvidia_gpu_nodes",
    "nvidia_gpu_flavor",
    "nvidia_driver_install_container",
    "nvidia_driver_install_supported",
];

fn decide(context: &KubesprayContext, variables: &ResolvedVariables<'_>) -> (Verdict, Message) {
    use msg::capability as text;
    let release = || context.release.as_ref().map(ToString::to_string).unwrap_or_default();
    let os = || context.control_plane_os.as_ref().map(ToString::to_string).unwrap_or_default();
    let value = |name: &str| variables.role_value(name).map(|value| as_text(&value)).unwrap_or_default();
    let core = || context.ansible_core().map(ToString::to_string).unwrap_or_default();
    if DECISIVE.iter().any(|name| variables.is_templated(name)) {
        return (Verdict::Unknown, text::templated());
    }
    let flavor =
        variables.role_value("nvidia_gpu_flavor").map(|value| as_text(&value).to_lowercase()).unwrap_or_default();
    if !matches!(flavor.as_str(), "tesla" | "gtx") && variables.own(DOWNLOAD_URL).is_none() {
        return (Verdict::Broken, text::unknown_flavor(value("nvidia_gpu_flavor")));
    }
    if is_switch_missing(variables) {
        return (Verdict::Broken, text::switch_missing());
    }
    if context.control_plane_os.is_none() {
        return (Verdict::Unknown, text::os_unknown());
    }
    if context.release.is_none() && context.checkout.is_none() {
        return (Verdict::Unknown, text::release_unknown());
    }
    let image = variables.role_value("nvidia_driver_install_container").unwrap_or(Value::Null);
    let supported = variables.role_value("nvidia_driver_install_supported").is_some_and(|value| is_truthy(&value));
    let works = match (is_on(variables), variables.is_os_supported()) {
        (false, _) => text::works_once_on(value("nvidia_driver_install_container"), os(), release()),
        (true, true) => text::works(value("nvidia_driver_install_container"), os(), release()),
        (true, false) => text::works_with_own_image(value("nvidia_driver_install_container"), os(), release()),
    };
    match (&image, supported) {
        (image, _) if !is_truthy(image) => (Verdict::NoOp, text::os_not_listed(os(), release())),
        (image, true) if is_boolean(image) => {
            (Verdict::Broken, text::image_true(value("nvidia_driver_install_container"), os()))
        }
        (image, false) if is_boolean(image) => {
            (Verdict::NoOp, text::image_true_not_applied(value("nvidia_driver_install_container"), os()))
        }
        (_, false) => (Verdict::NoOp, text::image_not_applied(value("nvidia_driver_install_container"))),
        (_, true) if context.ansible_core().is_some_and(is_strict) => (Verdict::Broken, text::strict_core(core())),
        (_, true) => (Verdict::Works, works),
    }
}

/// Tells whether the role is switched on where its tasks run.
pub fn is_on(variables: &ResolvedVariables<'_>) -> bool {
    variables.role_value("nvidia_accelerator_enabled").is_some_and(|value| as_bool(&value))
}

/// Tells whether GPU nodes are named and the switch is defined nowhere: the role that sets the label then fails on
/// every host, because the GPU role's default does not reach it.
pub fn is_switch_missing(variables: &ResolvedVariables<'_>) -> bool {
    variables.node_value("nvidia_gpu_nodes").is_some_and(|nodes| is_truthy(&nodes))
        && variables.own("nvidia_accelerator_enabled").is_none()
}

/// Tells whether a boolean stands where an image belongs; in an INI inventory `true` is a text, with the same effect.
pub fn is_boolean(image: &Value) -> bool {
    image.is_boolean()
        || (image.is_string()
            && (as_bool(image) || matches!(as_text(image).to_lowercase().as_str(), "false" | "no" | "off")))
}

fn is_strict(core: &Version) -> bool {
    (core.part(0), core.part(1)) >= STRICT_CORE
}
