//! What a value typed by a person must be like to be one of the GPU node's variables.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{
    spec::{Shape, VariableSpec},
    yaml11,
};
use crate::i18n::{Message, msg};

/// Why a text is not a value of this variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueError {
    /// Neither `true` nor `false`.
    Bool,
    /// No driver version.
    Version,
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

/// Reads a value as a person types it: a list as names with commas between them, labels as `key=value` pairs.
pub fn parse(variable: &str, text: &str) -> Result<Value, ValueError> {
    let text = text.trim();
    let items =
        || text.trim_matches(['[', ']']).split([',', ' ']).map(|item| item.trim_matches(['"', '\''])).filter(|item| !item.is_empty());
    let value = match shape_of(variable)? {
        Shape::Bool => Value::Bool(boolean(text).ok_or(ValueError::Bool)?),
        Shape::ImageOrFalse => boolean(text).map_or_else(|| Value::from(text), Value::Bool),
        Shape::Names | Shape::Taints => items().map(Value::from).collect(),
        Shape::Labels => labels(items())?,
        Shape::Runtimes => yaml11::parse(text).ok().flatten().map(|node| node.value()).ok_or(ValueError::Runtimes)?,
        _ => Value::from(text),
    };
    check(variable, &value)?;
    Ok(value)
}

/// Tells whether a value can be written for a variable.
pub fn check(variable: &str, value: &Value) -> Result<(), ValueError> {
    let text = || value.as_str().filter(|text| !text.is_empty());
    let fits =
        |pattern: &Regex, wrong: ValueError| text().filter(|text| is_template(text) || pattern.is_match(text)).map(|_| ()).ok_or(wrong);
    let all = |pattern: &Regex, wrong: ValueError| {
        let items = value.as_array().ok_or(wrong)?;
        let is_item = |item: &Value| item.as_str().is_some_and(|item| pattern.is_match(item));
        if items.iter().all(is_item) { Ok(()) } else { Err(wrong) }
    };
    let patterns = patterns();
    match shape_of(variable)? {
        Shape::Bool => value.as_bool().map(|_| ()).ok_or(ValueError::Bool),
        Shape::Version => fits(&patterns.version, ValueError::Version),
        Shape::BaseUrl => fits(&patterns.base_url, ValueError::BaseUrl),
        Shape::Url => fits(&patterns.url, ValueError::Url),
        Shape::Flavor => fits(&patterns.flavor, ValueError::Flavor),
        Shape::ImageOrFalse if value == &Value::Bool(false) => Ok(()),
        Shape::ImageOrFalse if value == &Value::Bool(true) => Err(ValueError::ImageTrue),
        Shape::Image | Shape::ImageOrFalse => fits(&patterns.image, ValueError::Image),
        Shape::Name => fits(&patterns.name, ValueError::Names),
        Shape::Names => all(&patterns.name, ValueError::Names),
        Shape::Quantity => fits(&patterns.quantity, ValueError::Quantity),
        Shape::Manager => fits(&patterns.manager, ValueError::Manager),
        Shape::Labels => {
            let is_label = |(key, value): (&String, &Value)| {
                patterns.key.is_match(key) && value.as_str().is_some_and(|text| patterns.label.is_match(text))
            };
            if value.as_object().is_some_and(|map| map.iter().all(is_label)) { Ok(()) } else { Err(ValueError::Labels) }
        }
        Shape::Taints => all(&patterns.taint, ValueError::Taints),
        Shape::Runtimes => {
            let is_runtime = |item: &Value| item["name"].as_str().is_some_and(|name| patterns.name.is_match(name));
            if value.as_array().is_some_and(|items| items.iter().all(is_runtime)) { Ok(()) } else { Err(ValueError::Runtimes) }
        }
        Shape::Text => text().map(|_| ()).ok_or(ValueError::Empty),
    }
}

fn shape_of(variable: &str) -> Result<Shape, ValueError> {
    VariableSpec::of(variable).map(|spec| spec.shape).ok_or(ValueError::Unknown)
}

/// Returns a value as it is typed: what [`parse`] reads back as the same.
pub fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().any(Value::is_object) => value.to_string(),
        Value::Array(items) => items.iter().map(typed).collect::<Vec<_>>().join(", "),
        Value::Object(map) => map.iter().map(|(key, value)| format!("{key}={}", typed(value))).collect::<Vec<_>>().join(", "),
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
    base_url: Regex,
    url: Regex,
    flavor: Regex,
    image: Regex,
    name: Regex,
    quantity: Regex,
    manager: Regex,
    key: Regex,
    label: Regex,
    taint: Regex,
}

/// Sources: distribution/reference for images; Kubernetes' documentation of names, labels, taints and quantities.
#[expect(clippy::unwrap_used, reason = "the patterns are constants, and a test compiles them")]
fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    let key = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
    let label = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?";
    PATTERNS.get_or_init(|| Patterns {
        version: Regex::new(r"^[0-9]{2,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?$").unwrap(),
        base_url: Regex::new(r"^(?:https?|file)://[^\s]+/$").unwrap(),
        url: Regex::new(r"^(?:https?|file)://[^\s]+$").unwrap(),
        flavor: Regex::new(r"^(?i:tesla|gtx)$").unwrap(),
        image: Regex::new(
            r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$",
        )
        .unwrap(),
        name: Regex::new(r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$").unwrap(),
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
            ("nvidia_driver_version", "450.80", json!("450.80")),
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
            ("containerd_additional_runtimes", "[{name: a, options: {x: 'true'}}]", json!([{"name": "a", "options": {"x": "true"}}])),
        ] {
            let read = parse(variable, text).unwrap_or_else(|wrong| panic!("{variable} {text}: {wrong:?}"));
            assert_eq!(read, value, "{variable} {text}");
            assert_eq!(parse(variable, &typed(&read)), Ok(read), "{variable} is typed as it is read");
        }
    }

    #[test]
    fn refuses_what_the_role_cannot_use() {
        for (variable, text, wrong) in [
            ("nvidia_accelerator_enabled", "maybe", ValueError::Bool),
            ("nvidia_driver_version", "latest", ValueError::Version),
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
            assert_eq!(parse(variable, text), Err(wrong), "{variable} {text}");
        }
        assert_eq!(check("nvidia_driver_version", &json!(450.8)), Err(ValueError::Version));
    }
}
