//! What of a SARIF log is read. Everything is optional, as scanners leave out what they do not
//! know, and every list is bounded while it is read.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A list of at most `N`.
#[derive(Debug)]
pub(super) struct Bounded<T, const N: usize>(pub(super) Vec<T>);

/// Pairs, at most `N`, in the order of the text.
#[derive(Debug)]
pub(super) struct Pairs<T, const N: usize>(pub(super) Vec<(String, T)>);

/// The first of a list.
#[derive(Debug)]
pub(super) struct First<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Bounded<T, N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Visit<T, N> {
            type Value = Bounded<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(one) = list.next_element()? {
                    if out.len() >= N {
                        return Err(A::Error::custom(format!("a list of more than {N}")));
                    }
                    out.push(one);
                }
                Ok(Bounded(out))
            }
        }
        from.deserialize_seq(Visit(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Pairs<T, N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Visit<T, N> {
            type Value = Pairs<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {N} members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(one) = map.next_entry()? {
                    if out.len() >= N {
                        return Err(A::Error::custom(format!(
                            "an object of more than {N} members"
                        )));
                    }
                    out.push(one);
                }
                Ok(Pairs(out))
            }
        }
        from.deserialize_map(Visit(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let first = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        from.deserialize_seq(Visit(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Log {
    pub(super) version: Option<String>,
    pub(super) runs: Option<Bounded<Run, 20>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) tool: Tool,
    pub(super) invocations: Option<Bounded<Invocation, 100>>,
    pub(super) original_uri_base_ids: Option<Pairs<FileReference, 50>>,
    pub(super) artifacts: Option<Bounded<Artifact, 100_000>>,
    pub(super) results: Option<Bounded<SarifResult, 20_000>>,
    pub(super) external_property_file_references: Option<External>,
}

/// Only whether there are results in other files.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct External {
    results: Option<Bounded<IgnoredAny, 1_000>>,
}

impl External {
    pub(super) fn has_results(&self) -> bool {
        self.results.as_ref().is_some_and(|list| !list.0.is_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tool {
    pub(super) driver: Component,
    extensions: Option<Bounded<Component, 200>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Component {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) semantic_version: Option<String>,
    rules: Option<Bounded<Descriptor, 20_000>>,
}

impl Component {
    fn at(&self, index: Option<i64>) -> Option<&Descriptor> {
        self.rules.as_ref()?.0.get(usize::try_from(index?).ok()?)
    }

    fn named(&self, id: Option<&str>) -> Option<&Descriptor> {
        let id = id?;
        self.rules.as_ref()?.0.iter().find(|rule| rule.id.as_deref() == Some(id))
    }
}

impl Tool {
    /// The description of the rule that a result names: by its place, otherwise by its name.
    pub(super) fn rule(&self, result: &SarifResult) -> Option<&Descriptor> {
        let reference = result.rule.as_ref();
        let index = result.rule_index.or_else(|| reference.and_then(|rule| rule.index));
        let extension = reference
            .and_then(|rule| rule.tool_component.as_ref()?.index)
            .and_then(|index| usize::try_from(index).ok());
        let component = match extension {
            Some(index) => self.extensions.as_ref()?.0.get(index)?,
            None => &self.driver,
        };
        let id = result.rule_id.as_deref().or_else(|| reference?.id.as_deref());
        component.at(index).or_else(|| component.named(id)).or_else(|| {
            // `rule/part` is a part of `rule`.
            component.named(id.and_then(|id| id.rsplit_once('/')).map(|(whole, _)| whole))
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) id: Option<String>,
    pub(super) help: Option<Text>,
    pub(super) help_uri: Option<String>,
    pub(super) message_strings: Option<Pairs<Text, 200>>,
    pub(super) default_configuration: Option<Configuration>,
    pub(super) properties: Option<Properties>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Text {
    pub(super) text: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Configuration {
    pub(super) level: Option<String>,
}

/// Of the bag of properties what code hosts made a custom.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Properties {
    /// A number of 0 to 10, as CVSS has it, mostly as text.
    #[serde(rename = "security-severity")]
    pub(super) security_severity: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Invocation {
    pub(super) execution_successful: Option<bool>,
    pub(super) tool_execution_notifications: Option<Bounded<Notification, 1_000>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Notification {
    pub(super) level: Option<String>,
    pub(super) message: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Artifact {
    pub(super) location: Option<FileReference>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FileReference {
    pub(super) uri: Option<String>,
    pub(super) uri_base_id: Option<String>,
    pub(super) index: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SarifResult {
    pub(super) rule_id: Option<String>,
    pub(super) rule_index: Option<i64>,
    pub(super) rule: Option<RuleReference>,
    pub(super) kind: Option<String>,
    pub(super) level: Option<String>,
    pub(super) message: Option<Message>,
    pub(super) locations: Option<First<Location>>,
    pub(super) suppressions: Option<Bounded<Suppression, 20>>,
    pub(super) baseline_state: Option<String>,
    pub(super) properties: Option<Properties>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RuleReference {
    pub(super) id: Option<String>,
    index: Option<i64>,
    tool_component: Option<ComponentReference>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ComponentReference {
    index: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) text: Option<String>,
    pub(super) markdown: Option<String>,
    pub(super) id: Option<String>,
    pub(super) arguments: Option<Bounded<String, 50>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Suppression {
    pub(super) status: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Location {
    pub(super) physical_location: Option<PhysicalLocation>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PhysicalLocation {
    pub(super) artifact_location: Option<FileReference>,
    pub(super) region: Option<Region>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: Option<i64>,
    pub(super) start_column: Option<i64>,
}
