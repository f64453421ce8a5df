//! Made-up inventories: every form that people and tools write, in odd company, and now and then something that Ansible
//! refuses.

use std::{collections::BTreeMap, fs, path::Path};

use proptest::{prelude::*, sample::select};

/// The password of everything that is encrypted here.
pub const VAULT_PASSWORD: &str = "pw";

/// `vaulted: secret`, encrypted as a whole.
const VAULTED_FILE: &str = "$ANSIBLE_VAULT;1.1;AES256
63303133313462616165363639613364356536306262393861656264663965393533653730646238
6663366333306632396236383630323734353866613332350a636539346237383537383062643837
65333264623037343532613831623966353533666331303430663462383532613834333137326538
6161666465373565370a643835353739656363656435326132363764313631336265616638306635
31306465613065303731343631333330373233636235663237396130313863326435
";

/// A single encrypted value.
const VAULTED_VALUE: &str = "!vault |
  $ANSIBLE_VAULT;1.1;AES256
  33363766343537636333376535363264663266366561623132343039386439666262373661346461
  3233313331623165626538373239316634653562306235300a633765303963633266333061333533
  39363238643361353035633037376537396530653330326365343630353365366162363339313262
  3537363237373631350a623330623564373737323737353535653233313230343835653239636237
  3031";

const GROUPS: [&str; 9] = ["k8s-cluster", "kube-node", "kube_node", "gpu", "a1", "z9", "rack.1", "all", "ungrouped"];
/// The groups that may be children, lowest first, so that there is no circle.
const CHILDREN: usize = 7;
const NAMES: [&str; 5] =
    ["nvidia_driver_version", "nvidia_gpu_nodes", "nvidia_accelerator_enabled", "kube_override_hostname", "x"];

/// Hosts as they stand at the start of an INI line or as a key of YAML.
const HOSTS: [&str; 24] = [
    "node1",
    "node1",
    "node2",
    "gpu[01:03]",
    "gpu[01:10:4]",
    "r[a:b]-n[1:3:2]",
    "[a:c]x",
    "n[8:11]",
    "[1:2]y",
    "other.example.com",
    "10.0.0.[1:2]",
    "node_1:2222",
    "n[1:2]:22",
    "[fe80::1]:22",
    "fe80::2",
    "node-:22",
    "n[:2]",
    "n[3:1]",
    "localhost",
    "UPPER",
    "db-[A:C]",
    "노드1",
    "n[x:Z]",
    "node2:0",
];
const BAD_HOSTS: [&str; 7] = ["n[1:2", "n[2]", "n[01:9]", "n:", "n[1:3:0]", "a|b[1:2]", "---"];

/// Values as people write them in an INI inventory, and some that no one should.
const INI_VALUES: [&str; 44] = [
    "450.80",
    "450.51.06",
    "True",
    "true",
    "None",
    "0644",
    "0o17",
    "1_000",
    "1e3",
    "-5",
    "+5",
    "['node1', \"b\"]",
    "[node1]",
    "{'a': [1, (2,)]}",
    "'quoted'",
    "-s",
    "12:30",
    "a=b",
    "0x1f",
    "1.",
    ".5",
    "(1)",
    "()",
    "(1, 2)",
    "1, 2",
    "'a' 'b'",
    "http://h/p",
    "{{ x }}",
    "\"\"",
    "[1, 2,]",
    "[1 2]",
    "{'a': {'b': [True, None]}}",
    "'it\\'s'",
    "r'\\d'",
    "u'x'",
    "'\\x41\\u00e9\\n'",
    "'''triple'''",
    "00",
    "0_7",
    "1__0",
    "9999999999999999999",
    "True False",
    "한글",
    "- 5",
];

/// Values as people write them in YAML, and some that no one should. Lines after the first are indented by the caller.
const YAML_VALUES: [&str; 70] = [
    "450.80",
    "450.51.06",
    "\"450.80\"",
    "yes",
    "Off",
    "oN",
    "y",
    "'yes'",
    "",
    "~",
    "Null",
    "nULL",
    "0644",
    "0o17",
    "08",
    "0_7",
    "1_000",
    "+12",
    "-0",
    "0b",
    "1e3",
    "1.5e+3",
    "1.5e3",
    "1.",
    "-.5",
    "._5",
    "[node1, 'b', 12:30]",
    "[a, [b, {c: d}], ]",
    "{a: 1, yes: no}",
    "{}",
    "[]",
    "12:30:45",
    "190:20:30.15",
    "0000:18:00.0",
    "52:54:00:12:34:56",
    "2020-07-08",
    "2020-7-8",
    "2020-07-08 09:05:00",
    "2020-07-08T09:05:00",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43.10 Z",
    "-s overlay2",
    "a # c",
    "a#c",
    "'it''s'",
    "\"tab\\tx\\u00e9\\x41 \\\"q\\\"\"",
    "\"{{ x }}\"",
    "\"{{a}}x\"",
    "0x1F",
    "0xg",
    "0b11",
    ".5",
    "!unsafe \"{{ x }}\"",
    "!!str 450.80",
    "!!int \"7\"",
    "!!float 7",
    "&anchor text",
    "한글 값",
    "'multi\n  line'",
    "\"folded\n  text \\\n  here\"",
    "plain\n  over lines",
    "\n  - one\n  - two # c\n  -",
    "\n  - a: 1\n    b: 2\n  - [x]",
    "\n- not indented\n- at all",
    "\n  k: v\n  l: [1]",
    "|\n  line\n  two",
    "|-\n  line\n\n  two\n",
    ">-\n  folded\n  text\n\n  more",
    "|2\n   kept",
    "18446744073709551615",
];
const BAD_YAML: [&str; 8] = ["{{ x }}", "-", "a: b", "=", "[a", "!custom x", "\tx: 1\n  - y", "\"open"];

/// Some files below one folder, and which of them is the inventory.
#[derive(Debug, Clone)]
pub struct World {
    /// File or folder, below the world's folder.
    pub inventory: &'static str,
    /// Texts by path.
    pub files: BTreeMap<String, String>,
}

impl World {
    /// Writes the files below `root`. Where a name is a folder already, the file is left out.
    pub fn write(&self, root: &Path) {
        fs::create_dir_all(root.join("playbooks")).expect("a folder");
        for (name, text) in &self.files {
            let path = root.join(name);
            if fs::create_dir_all(path.parent().expect("a parent")).is_ok() && !path.is_dir() {
                fs::write(path, text).expect("a file");
            }
        }
    }
}

/// Makes worlds.
pub fn world() -> impl Strategy<Value = World> {
    let inventories = prop_oneof![
        3 => ini().prop_map(|text| ("inv/inventory.ini", vec![("inv/inventory.ini", text)])),
        2 => ini().prop_map(|text| ("inv/hosts", vec![("inv/hosts", text)])),
        1 => ini().prop_map(|text| ("inv/hosts.yaml", vec![("inv/hosts.yaml", text)])),
        4 => yaml().prop_map(|text| ("inv/hosts.yaml", vec![("inv/hosts.yaml", text)])),
        1 => yaml().prop_map(|text| ("inv/hosts.yml", vec![("inv/hosts.yml", text)])),
        1 => yaml().prop_map(|text| ("inv/hosts", vec![("inv/hosts", text)])),
        1 => json().prop_map(|text| ("inv/hosts.json", vec![("inv/hosts.json", text)])),
        3 => (ini(), yaml(), ini(), ini(), ini()).prop_map(|(first, second, deep, backup, ignored)| {
            let files = [
                ("inv/10-static", first),
                ("inv/20-more.yaml", second),
                ("inv/sub/hosts", deep),
                ("inv/30.bak", backup),
                ("inv/inventory.ini", ignored.clone()),
                ("inv/.hidden", ignored.clone()),
                ("inv/artifacts/x", ignored),
            ];
            ("inv", files.to_vec())
        }),
    ];
    let vars = prop::collection::vec((place(), any::<prop::sample::Index>(), vars_text()), 0..9);
    (inventories, vars).prop_map(|((inventory, sources), vars)| {
        let mut files: BTreeMap<String, String> =
            sources.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        for (place, group, text) in vars {
            files.insert(place.replace("{}", GROUPS[group.index(GROUPS.len())]), text);
        }
        World { inventory, files }
    })
}

fn place() -> impl Strategy<Value = &'static str> {
    select(vec![
        "inv/group_vars/{}",
        "inv/group_vars/{}.yml",
        "inv/group_vars/{}.yml",
        "inv/group_vars/{}.yaml",
        "inv/group_vars/{}.json",
        "inv/group_vars/{}.yml~",
        "inv/group_vars/{}.txt",
        "inv/group_vars/{}/a.yml",
        "inv/group_vars/{}/b",
        "inv/group_vars/{}/Z.yaml",
        "inv/group_vars/{}/sub/c.yaml",
        "inv/group_vars/{}/sub/deep/d.yml",
        "inv/group_vars/{}/sub.d/e.yml",
        "inv/group_vars/{}/f.yml.bak",
        "inv/group_vars/{}/g.yml~",
        "inv/group_vars/{}/.hidden.yml",
        "inv/group_vars/{}/n.txt",
        "inv/group_vars/{}.yml/folder.yml",
        "inv/group_vars/all.yml",
        "inv/group_vars/all/x.yml",
        "inv/host_vars/node1.yml",
        "inv/host_vars/node2/v",
        "inv/host_vars/gpu01.yaml",
        "inv/host_vars/other.example.com",
        "inv/host_vars/노드1.json",
        "inv/host_vars/absent.yml",
        "playbooks/group_vars/{}.yml",
        "playbooks/group_vars/all/p.yml",
        "playbooks/host_vars/node1.yml",
    ])
}

fn indented(value: &str, by: usize) -> String {
    value.replace('\n', &format!("\n{}", " ".repeat(by)))
}

fn yaml_value() -> impl Strategy<Value = String> {
    prop_oneof![
        90 => select(YAML_VALUES.to_vec()).prop_map(str::to_owned),
        2 => Just(VAULTED_VALUE.to_owned()),
        1 => select(BAD_YAML.to_vec()).prop_map(str::to_owned),
        4 => "[-+0-9_.:eExob]{1,9}",
        1 => "[a-z0-9 .:#/-]{1,12}",
    ]
}

/// The text of a file of variables.
fn vars_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        12 => (select(NAMES.to_vec()), yaml_value()).prop_map(|(name, value)| format!("{name}: {value}\n")),
        1 => Just("# nvidia_gpu_nodes:\n#   - kube-gpu-001\n\n".to_owned()),
        1 => Just("base: &base {x: 1, deep: {y: 2}}\nmerged: {<<: *base, x: 3}\nagain: *base\n".to_owned()),
        1 => Just("'quoted key': 1\n\"x\": q\n".to_owned()),
    ];
    let lines = prop::collection::vec(line, 0..4).prop_map(|lines| lines.concat());
    prop_oneof![
        12 => lines.clone(),
        3 => lines.clone().prop_map(|text| format!("---\n{text}")),
        1 => lines.clone().prop_map(|text| format!("---\n{text}...\n")),
        2 => lines.clone().prop_map(|text| text.replace('\n', "\r\n")),
        1 => lines.clone().prop_map(|text| text.trim_end().to_owned()),
        1 => lines.prop_map(|text| format!("\u{feff}{text}")),
        1 => Just(VAULTED_FILE.to_owned()),
        1 => select(vec!["# \u{1b}[31m\nx: 1\n", "x: \"a\u{7f}\"\n", "# c\u{9b}\n", "  # c\n---\n# d\n", "\t# c\nx: 1\n", "x: 1\n\t# c\n", "x: [1,\n\t2]\n"]).prop_map(str::to_owned),
        1 => Just("{\"x\": 1e3,\n\t\"nvidia_gpu_nodes\": [\"node1\", 12]}\n".to_owned()),
        1 => select(vec!["- a\n", "text\n", "a: 1\n---\nb: 2\n", "[]\n", "{}\n"]).prop_map(str::to_owned),
    ]
}

/// Variables behind a host of an INI line, quoted in one of the ways that people quote.
fn line_vars() -> impl Strategy<Value = String> {
    let one =
        (select(NAMES.to_vec()), select(INI_VALUES.to_vec()), 0..4).prop_map(|(name, value, quoting)| match quoting {
            0 => format!(" {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
            1 if !value.contains('\'') => format!(" {name}='{value}'"),
            2 => format!("\t{name}={}", value.replace(' ', "\\ ")),
            _ => format!(" {name}={}", value.replace([' ', '\'', '"', '\\'], "")),
        });
    (prop::collection::vec(one, 0..3), prop::bool::weighted(0.2))
        .prop_map(|(vars, comment)| vars.concat() + if comment { " # why" } else { "" })
}

fn ini() -> impl Strategy<Value = String> {
    let host = || {
        let names = prop_oneof![80 => select(HOSTS.to_vec()), 1 => select(BAD_HOSTS.to_vec())];
        (names, line_vars()).prop_map(|(name, vars)| format!("{name}{vars}\n"))
    };
    let group = || select(GROUPS.to_vec());
    let hosts = (group(), prop::collection::vec(host(), 0..4), select(vec!["", " # hosts", "\t"]))
        .prop_map(|(group, hosts, tail)| format!("[{group}]{tail}\n{}", hosts.concat()));
    let children = (0..CHILDREN, 0..CHILDREN).prop_filter_map("a circle", |(parent, child)| {
        (parent < child).then(|| format!("[{}:children]\n{} # c\n", GROUPS[parent], GROUPS[child]))
    });
    let var = prop_oneof![
        12 => (select(NAMES.to_vec()), select(INI_VALUES.to_vec()), select(vec!["=", " = "])).prop_map(|(name, value, is)| format!("{name}{is}{value}\n")),
        2 => (-2i64..20).prop_map(|priority| format!("ansible_group_priority={priority}\n")),
    ];
    let vars = (group(), prop::collection::vec(var, 1..3))
        .prop_map(|(group, vars)| format!("[{group}:vars]\n{}", vars.concat()));
    let odd = select(vec![
        "\n",
        "# comment [x]\n",
        "; comment\n",
        "  \t\n",
        "[gpu]\n  node1  \n",
        "[gpu:hosts]\nnode2 x=1\n",
    ])
    .prop_map(str::to_owned);
    let bad = select(vec![
        "[gpu:odd]\n",
        "[ gpu ]\n",
        "[a:b:c]\n",
        "[]\n",
        "node1 novalue\n",
        "[gpu:vars]\nnovalue\n",
        "node1 x='open\n",
        "[nowhere:vars]\nx=1\n",
    ]);
    let part = prop_oneof![8 => hosts, 4 => children, 4 => vars, 3 => odd];
    let parts = prop::collection::vec(part, 1..9).prop_map(|parts| parts.concat());
    (host(), parts, prop::option::weighted(0.03, bad), 0..6).prop_map(|(first, parts, bad, form)| {
        // Children may be named before they are declared, but declared they must be.
        let declared: String = GROUPS.iter().take(CHILDREN).map(|name| format!("[{name}]\n")).collect();
        let text = format!("{first}{parts}{}{declared}", bad.unwrap_or_default());
        match form {
            0 => text.replace('\n', "\r\n"),
            1 => text.trim_end().to_owned(),
            _ => text,
        }
    })
}

/// A group of a YAML inventory; its children are of `GROUPS[first..]`.
fn yaml_group(depth: usize, first: usize) -> BoxedStrategy<serde_json::Value> {
    use serde_json::{Map, Value};
    let scalar = || {
        prop_oneof![
            select(vec![
                Value::Null,
                Value::Bool(true),
                Value::from(450.8),
                Value::from(7),
                Value::from("450.80"),
                Value::from("yes")
            ]),
            select(YAML_VALUES.to_vec()).prop_filter("one line", |text| !text.contains('\n')).prop_map(Value::from),
        ]
    };
    let vars = || prop::collection::btree_map(select(NAMES.to_vec()), scalar(), 0..3);
    let object = |map: BTreeMap<&str, Value>| {
        Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let host = vars().prop_map(move |vars| if vars.is_empty() { Value::Null } else { object(vars) });
    let hosts = prop::collection::btree_map(select(HOSTS.to_vec()), host, 0..4);
    let children = if depth == 0 || first >= CHILDREN {
        Just(BTreeMap::new()).boxed()
    } else {
        let child =
            (first..CHILDREN).prop_flat_map(move |index| (Just(GROUPS[index]), yaml_group(depth - 1, index + 1)));
        prop::collection::vec(child, 0..4).prop_map(|children| children.into_iter().collect::<BTreeMap<_, _>>()).boxed()
    };
    (hosts, vars(), children, prop::option::weighted(0.2, -2i64..20), 0..8)
        .prop_map(move |(hosts, vars, children, priority, form)| {
            let mut group = Map::new();
            let mut vars = vars;
            vars.extend(priority.map(|priority| ("ansible_group_priority", Value::from(priority))));
            match form {
                // A single name stands for a mapping of one.
                0 => drop(group.insert("hosts".to_owned(), Value::from("node1"))),
                1 => drop(group.insert("hosts".to_owned(), Value::Null)),
                _ if !hosts.is_empty() => drop(group.insert("hosts".to_owned(), object(hosts))),
                _ => {}
            }
            if !vars.is_empty() {
                group.insert("vars".to_owned(), object(vars));
            }
            if !children.is_empty() {
                group.insert("children".to_owned(), object(children));
            }
            if form == 2 {
                group.insert("unknown".to_owned(), Value::from(1));
            }
            if group.is_empty() { Value::Null } else { Value::Object(group) }
        })
        .boxed()
}

fn groups() -> impl Strategy<Value = serde_json::Value> {
    // `all` and `ungrouped` may have every other group below them.
    let group = (0..GROUPS.len())
        .prop_flat_map(|index| (Just(GROUPS[index]), yaml_group(2, if index < CHILDREN { index + 1 } else { 0 })));
    let top = prop::collection::vec(group, 1..4);
    top.prop_map(|groups| {
        serde_json::Value::Object(groups.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    })
}

fn json() -> impl Strategy<Value = String> {
    (groups(), any::<bool>()).prop_map(|(groups, pretty)| {
        let text = if pretty { serde_json::to_string_pretty(&groups) } else { serde_json::to_string(&groups) };
        text.expect("JSON")
    })
}

fn yaml() -> impl Strategy<Value = String> {
    (groups(), prop::option::weighted(0.5, yaml_value()), 0..6).prop_map(|(groups, value, form)| {
        let mut text = String::new();
        write_yaml(&groups, 0, &mut text);
        if let Some(value) = value {
            // A hand-written part, with all that YAML allows.
            text += &format!("extra:\n  vars:\n    x: {}\n  hosts:\n    node1:\n", indented(&value, 4));
        }
        match form {
            0 => format!("---\n# hosts\n{text}"),
            1 => text.replace('\n', "\r\n"),
            2 => text.trim_end().to_owned(),
            _ => text,
        }
    })
}

/// Block style, with quotes only where a key or a text would be read as something else.
fn write_yaml(value: &serde_json::Value, depth: usize, out: &mut String) {
    let serde_json::Value::Object(map) = value else { return };
    for (key, value) in map {
        let plain = key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let key = if plain { key.clone() } else { serde_json::json!(key).to_string() };
        *out += &format!("{}{key}:", "  ".repeat(depth));
        match value {
            serde_json::Value::Object(inner) if !inner.is_empty() => {
                *out += "\n";
                write_yaml(value, depth + 1, out);
            }
            serde_json::Value::Null => *out += "\n",
            // As it stands, which YAML may read as another type or not at all.
            serde_json::Value::String(text) if !text.starts_with('&') => *out += &format!(" {text}\n"),
            value => *out += &format!(" {value}\n"),
        }
    }
}
