//! What a value typed by a person must be like to be one of the GPU node's variables.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{
    spec::{Shape, VariableSpec},
    yaml11,
};
use crate::{
    catalog::drivers,
    i18n::{Message, msg},
    input::{AbsolutePath, ImageName, NodeName, WebAddress},
    version::Version,
};

/// Longest value that is taken, in bytes.
const LONGEST: usize = 4096;

/// Why a text is not a value of this variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueError {
    /// Neither `true` nor `false`.
    Bool,
    /// No driver version.
    Version,
    /// A version that no driver has.
    NoDriver,
    /// No address of a folder: `https://…/`.
    BaseUrl,
    /// No address.
    Url,
    /// A flavor that the role does not know.
    Flavor,
    /// No container image.
    Image,
    /// `true` where an image belongs: the role would render the image "True".
    ImageTrue,
    /// No names of hosts.
    Names,
    /// No amount of memory.
    Quantity,
    /// No container manager.
    Manager,
    /// No `key=value`.
    Labels,
    /// No `key=value:Effect`.
    Taints,
    /// No list of runtimes.
    Runtimes,
    /// Nothing.
    Empty,
    /// Not a variable that this program writes.
    Unknown,
}

impl ValueError {
    /// Returns what it must be like.
    pub fn message(self) -> Message {
        use msg::value_error as text;
        match self {
            Self::Bool => text::bool(),
            Self::Version => text::version(),
            Self::NoDriver => text::no_driver(),
            Self::BaseUrl => text::base_url(),
            Self::Url => text::url(),
            Self::Flavor => text::flavor(),
            Self::Image => text::image(),
            Self::ImageTrue => text::image_true(),
            Self::Names => text::names(),
            Self::Quantity => text::quantity(),
            Self::Manager => text::manager(),
            Self::Labels => text::labels(),
            Self::Taints => text::taints(),
            Self::Runtimes => text::runtimes(),
            Self::Empty => text::empty(),
            Self::Unknown => text::unknown(),
        }
    }
}

/// Reads a value as a person types it: a list as names with commas between them, labels as `key=value` pairs. `here` as
/// for [`check`].
pub fn parse(variable: &str, text: &str, here: &[Version]) -> Result<Value, ValueError> {
    let text = text.trim();
    let items = || {
        text.trim_matches(['[', ']'])
            .split([',', ' '])
            .map(|item| item.trim_matches(['"', '\'']))
            .filter(|item| !item.is_empty())
    };
    let value = match shape_of(variable)? {
        Shape::Bool => Value::Bool(boolean(text).ok_or(ValueError::Bool)?),
        Shape::ImageOrFalse => boolean(text).map_or_else(|| Value::from(text), Value::Bool),
        Shape::Names | Shape::Taints => items().map(Value::from).collect(),
        Shape::Labels => labels(items())?,
        Shape::Runtimes => yaml11::parse(text).ok().flatten().map(|node| node.value()).ok_or(ValueError::Runtimes)?,
        _ => Value::from(text),
    };
    check(variable, &value, here)?;
    Ok(value)
}

/// Tells whether a value can be written for a variable. What the answers have a key of the same meaning for is read by
/// that key's own type. `here` are the drivers of this machine: one of them exists, whatever the catalog knows.
pub fn check(variable: &str, value: &Value, here: &[Version]) -> Result<(), ValueError> {
    let shape = shape_of(variable)?;
    match (shape, value) {
        (Shape::Bool, Value::Bool(_)) | (Shape::ImageOrFalse, Value::Bool(false)) => Ok(()),
        (Shape::ImageOrFalse, Value::Bool(true)) => Err(ValueError::ImageTrue),
        (Shape::Names, Value::Array(items)) => all(items, is::<NodeName>, ValueError::Names),
        (Shape::Taints, Value::Array(items)) => all(items, |text| patterns().taint.is_match(text), ValueError::Taints),
        (Shape::Labels, Value::Object(map)) if map.iter().all(|(key, value)| is_label(key, value)) => Ok(()),
        (Shape::Runtimes, Value::Array(items)) if items.iter().all(is_runtime) => Ok(()),
        (Shape::Bool | Shape::Names | Shape::Taints | Shape::Labels | Shape::Runtimes, _) => Err(shape.wrong()),
        (_, Value::String(text)) if !text.is_empty() && is_one_line(text) => check_text(shape, text, here),
        _ => Err(shape.wrong()),
    }
}

/// As [`check`], for the shapes that are one text.
fn check_text(shape: Shape, text: &str, here: &[Version]) -> Result<(), ValueError> {
    let patterns = patterns();
    let is_file = || text.strip_prefix("file://").is_some_and(is::<AbsolutePath>);
    let fits = match shape {
        _ if is_template(text) => true,
        Shape::Version => {
            let version: Version = text.parse().map_err(|_| ValueError::Version)?;
            let is_driver = patterns.version.is_match(text);
            return if !is_driver {
                Err(ValueError::Version)
            } else if drivers::exists(&version, here) {
                Ok(())
            } else {
                Err(ValueError::NoDriver)
            };
        }
        Shape::BaseUrl => text.ends_with('/') && (is::<WebAddress>(text) || is_file()),
        Shape::Url => is::<WebAddress>(text) || is_file(),
        Shape::Image | Shape::ImageOrFalse => is::<ImageName>(text),
        Shape::Name => is::<NodeName>(text),
        Shape::Flavor => patterns.flavor.is_match(text),
        Shape::Quantity => patterns.quantity.is_match(text),
        Shape::Manager => patterns.manager.is_match(text),
        Shape::Text => true,
        Shape::Bool | Shape::Names | Shape::Taints | Shape::Labels | Shape::Runtimes => false,
    };
    if fits { Ok(()) } else { Err(shape.wrong()) }
}

impl Shape {
    fn wrong(self) -> ValueError {
        match self {
            Self::Bool => ValueError::Bool,
            Self::Version => ValueError::Version,
            Self::BaseUrl => ValueError::BaseUrl,
            Self::Url => ValueError::Url,
            Self::Flavor => ValueError::Flavor,
            Self::Image | Self::ImageOrFalse => ValueError::Image,
            Self::Name | Self::Names => ValueError::Names,
            Self::Quantity => ValueError::Quantity,
            Self::Manager => ValueError::Manager,
            Self::Labels => ValueError::Labels,
            Self::Taints => ValueError::Taints,
            Self::Runtimes => ValueError::Runtimes,
            Self::Text => ValueError::Empty,
        }
    }
}

fn is<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// A value is one line of a file, and shows all that is in it.
fn is_one_line(text: &str) -> bool {
    text.len() <= LONGEST && !text.chars().any(crate::text::is_unsafe)
}

fn all(items: &[Value], fits: impl Fn(&str) -> bool, wrong: ValueError) -> Result<(), ValueError> {
    if items.iter().all(|item| item.as_str().is_some_and(&fits)) { Ok(()) } else { Err(wrong) }
}

fn is_runtime(item: &Value) -> bool {
    item["name"].as_str().is_some_and(is::<NodeName>)
}

fn is_label(key: &str, value: &Value) -> bool {
    patterns().key.is_match(key) && value.as_str().is_some_and(|text| patterns().label.is_match(text))
}

fn shape_of(variable: &str) -> Result<Shape, ValueError> {
    VariableSpec::of(variable).map(|spec| spec.shape).ok_or(ValueError::Unknown)
}

/// Tells whether a value has a form in which nothing else can stand: a switch, a version, a name, an image; no address,
/// no free text, no template.
pub fn is_plain(variable: &str, value: &Value) -> bool {
    let is_free =
        matches!(shape_of(variable), Err(_) | Ok(Shape::Text | Shape::Url | Shape::BaseUrl | Shape::Runtimes));
    let has_template = value.as_str().is_some_and(is_template);
    !is_free && !has_template && matches!(check(variable, value, &[]), Ok(()) | Err(ValueError::NoDriver))
}

/// Returns a value as it is typed: what [`parse`] reads back as the same.
pub fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().any(Value::is_object) => value.to_string(),
        Value::Array(items) => items.iter().map(typed).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", typed(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn labels<'t>(items: impl Iterator<Item = &'t str>) -> Result<Value, ValueError> {
    let pair = |item: &str| item.split_once('=').map(|(key, value)| (key.to_owned(), Value::from(value)));
    items.map(pair).collect::<Option<Map<_, _>>>().map(Value::Object).ok_or(ValueError::Labels)
}

/// A person who writes a template knows what it becomes.
fn is_template(text: &str) -> bool {
    text.contains("{{") && text.contains("}}")
}

struct Patterns {
    version: Regex,
    flavor: Regex,
    quantity: Regex,
    manager: Regex,
    key: Regex,
    label: Regex,
    taint: Regex,
}

/// Source: Kubernetes' documentation of labels, taints and quantities.
#[expect(clippy::unwrap_used, reason = "the patterns are constants, and a test compiles them")]
fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    let key = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
    let label = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?";
    PATTERNS.get_or_init(|| Patterns {
        version: Regex::new(r"^[0-9]{2,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?$").unwrap(),
        flavor: Regex::new(r"^(?i:tesla|gtx)$").unwrap(),
        quantity: Regex::new(r"^[0-9]+(?:\.[0-9]+)?(?:[KMGTPE]i|[kMGTPE])?$").unwrap(),
        manager: Regex::new(r"^(?:docker|containerd|crio)$").unwrap(),
        key: Regex::new(&format!("^{key}$")).unwrap(),
        label: Regex::new(&format!("^{label}$")).unwrap(),
        taint: Regex::new(&format!("^{key}(?:={label})?:(?:NoSchedule|PreferNoSchedule|NoExecute)$")).unwrap(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_people_type() {
        for (variable, text, value) in [
            ("nvidia_accelerator_enabled", "yes", json!(true)),
            ("nvidia_driver_version", "450.51", json!("450.51")),
            ("nvidia_driver_install_container", "my.reg:5000/a/img:1.2", json!("my.reg:5000/a/img:1.2")),
            ("nvidia_driver_install_container", "no", json!(false)),
            ("nvidia_gpu_nodes", "node1, gpu-2", json!(["node1", "gpu-2"])),
            ("nvidia_gpu_nodes", "[\"node1\"]", json!(["node1"])),
            ("nvidia_gpu_flavor", "GTX", json!("GTX")),
            ("nvidia_gpu_tesla_base_url", "http://mirror/tesla/", json!("http://mirror/tesla/")),
            ("node_labels", "nvidia.com/gpu=true, a=", json!({"nvidia.com/gpu": "true", "a": ""})),
            ("node_taints", "nvidia.com/gpu=:NoSchedule", json!(["nvidia.com/gpu=:NoSchedule"])),
            ("nvidia_url_end", "{{ nvidia_driver_version }}/x.run", json!("{{ nvidia_driver_version }}/x.run")),
            ("nvidia_gpu_device_plugin_memory", "30Mi", json!("30Mi")),
            (
                "containerd_additional_runtimes",
                "[{name: a, options: {x: 'true'}}]",
                json!([{"name": "a", "options": {"x": "true"}}]),
            ),
        ] {
            let read = parse(variable, text, &[]).unwrap_or_else(|wrong| panic!("{variable} {text}: {wrong:?}"));
            assert_eq!(read, value, "{variable} {text}");
            assert_eq!(parse(variable, &typed(&read), &[]), Ok(read), "{variable} is typed as it is read");
        }
    }

    #[test]
    fn refuses_what_the_role_cannot_use() {
        for (variable, text, wrong) in [
            ("nvidia_accelerator_enabled", "maybe", ValueError::Bool),
            ("nvidia_driver_version", "latest", ValueError::Version),
            ("nvidia_driver_version", "999.99", ValueError::NoDriver),
            ("nvidia_driver_version", "450.80", ValueError::NoDriver),
            ("nvidia_gpu_nodes", "Node_1", ValueError::Names),
            ("kube_override_hostname", "--all", ValueError::Names),
            ("nvidia_gpu_tesla_base_url", "https://me:secret@mirror/", ValueError::BaseUrl),
            ("nvidia_url_end", "a\u{202e}b", ValueError::Empty),
            ("nvidia_driver_install_container", "true", ValueError::ImageTrue),
            ("nvidia_driver_install_container", "My Image", ValueError::Image),
            ("nvidia_driver_install_ubuntu_container", "True", ValueError::Image),
            ("nvidia_gpu_flavor", "geforce", ValueError::Flavor),
            ("nvidia_gpu_tesla_base_url", "https://mirror/tesla", ValueError::BaseUrl),
            ("nvidia_driver_download_url_default", "mirror/x.run", ValueError::Url),
            ("nvidia_gpu_nodes", "node 1;rm", ValueError::Names),
            ("node_taints", "nvidia.com/gpu", ValueError::Taints),
            ("node_labels", "gpu", ValueError::Labels),
            ("container_manager", "podman", ValueError::Manager),
            ("nvidia_url_end", "", ValueError::Empty),
            ("containerd_additional_runtimes", "nvidia", ValueError::Runtimes),
            ("containerd_additional_runtimes", "[nvidia]", ValueError::Runtimes),
            ("containerd_additional_runtimes", "[{name: \"a b\"}]", ValueError::Runtimes),
            ("containerd_additional_runtimes", "[{name: a", ValueError::Runtimes),
            ("nvidia_gpu_device_plugin_enabled", "true", ValueError::Unknown),
        ] {
            assert_eq!(parse(variable, text, &[]), Err(wrong), "{variable} {text}");
        }
        assert_eq!(check("nvidia_driver_version", &json!(450.8), &[]), Err(ValueError::Version));
    }

    #[test]
    fn a_driver_that_is_on_the_machine_exists_whatever_the_catalog_knows() {
        let here = ["999.99".parse().unwrap()];
        assert_eq!(parse("nvidia_driver_version", "999.99", &here), Ok(json!("999.99")));
        assert_eq!(parse("nvidia_driver_version", "999.98", &here), Err(ValueError::NoDriver));
    }
}
