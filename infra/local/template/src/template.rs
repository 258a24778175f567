//! The sections of a template, before anything is resolved.

use crate::yaml::{Entry, Kind, Node};

/// A resource as written, with the `Globals` of its type merged in.
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) line: usize,
    pub(crate) kind: String,
    pub(crate) properties: Node,
    pub(crate) metadata: Option<Node>,
    pub(crate) condition: Option<String>,
    /// The whole resource, for a look at every reference in it.
    pub(crate) whole: Node,
}

pub(crate) struct Template {
    pub(crate) parameters: Vec<Entry>,
    pub(crate) mappings: Node,
    pub(crate) conditions: Vec<Entry>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) outputs: Vec<Entry>,
}

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
];

impl Template {
    /// Sorts a document into its sections. `fail` takes line, place and message of each fault.
    pub(crate) fn read(root: &Node, fail: &mut dyn FnMut(usize, &str, String)) -> Template {
        for entry in root.entries() {
            if !SECTIONS.contains(&entry.key.as_str()) {
                fail(entry.line, &entry.key, "unknown section of a template".to_owned());
            } else if !matches!(
                entry.key.as_str(),
                "AWSTemplateFormatVersion" | "Transform" | "Description"
            ) && !entry.value.is_map()
                && !entry.value.is_null()
            {
                fail(entry.line, &entry.key, "must be a mapping".to_owned());
            }
        }
        let section = |name: &str| root.get(name).map(|n| n.entries().to_vec()).unwrap_or_default();
        let globals = root.get("Globals");
        let mut resources = Vec::new();
        for entry in section("Resources") {
            match resource(&entry, globals) {
                Ok(resource) => resources.push(resource),
                Err(message) => fail(entry.line, &entry.key, message),
            }
        }
        if resources.is_empty() {
            fail(root.line, "Resources", "the template has no resources".to_owned());
        }
        Template {
            parameters: section("Parameters"),
            mappings: root.get("Mappings").cloned().unwrap_or_else(|| Node::empty_map(root.line)),
            conditions: section("Conditions"),
            resources,
            outputs: section("Outputs"),
        }
    }

    pub(crate) fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| r.id == id)
    }
}

fn resource(entry: &Entry, globals: Option<&Node>) -> Result<Resource, String> {
    let kind = entry
        .value
        .get("Type")
        .and_then(Node::text)
        .ok_or_else(|| "the resource has no Type".to_owned())?;
    if !entry.key.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err("a logical id has letters and digits only".to_owned());
    }
    let own = entry.value.get("Properties").cloned().unwrap_or_else(|| Node::empty_map(entry.line));
    let global = kind.strip_prefix("AWS::Serverless::").and_then(|name| globals?.get(name));
    let properties = match global {
        Some(global) => merge(global, &own),
        None => own,
    };
    Ok(Resource {
        id: entry.key.clone(),
        line: entry.line,
        kind,
        properties,
        metadata: entry.value.get("Metadata").cloned(),
        condition: entry.value.get("Condition").and_then(Node::text),
        whole: entry.value.clone(),
    })
}

/// As SAM merges `Globals`: mappings key by key, lists one after the other, the rest replaced.
fn merge(global: &Node, own: &Node) -> Node {
    if global.intrinsic().is_some() || own.intrinsic().is_some() {
        return own.clone();
    }
    match (&global.kind, &own.kind) {
        (Kind::Map(below), Kind::Map(above)) => {
            let mut merged: Vec<Entry> = Vec::new();
            for entry in below {
                let value = match above.iter().find(|e| e.key == entry.key) {
                    Some(over) => merge(&entry.value, &over.value),
                    None => entry.value.clone(),
                };
                merged.push(Entry { key: entry.key.clone(), line: value.line, value });
            }
            let added = above.iter().filter(|e| below.iter().all(|b| b.key != e.key));
            merged.extend(added.cloned());
            Node { line: own.line, kind: Kind::Map(merged) }
        }
        (Kind::Seq(below), Kind::Seq(above)) => {
            let items = below.iter().chain(above).cloned().collect();
            Node { line: own.line, kind: Kind::Seq(items) }
        }
        _ => own.clone(),
    }
}
