//! Instances: where there may be several of a kind, the one that the settings choose.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// An instance of something of which there may be several, with its own settings: a deploy target,
/// a test runner, a metric source. What they mean is the instance's affair: it parses them into
/// its own type. On the wire one object, with `kind` beside the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Instance {
    /// The word that chooses it.
    pub kind: String,
    /// Its own settings, in the form of the file; what the file leaves out is not there.
    pub settings: Map<String, Value>,
}

impl Instance {
    /// An instance whose settings all have their defaults.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), settings: Map::new() }
    }

    /// An instance with these settings.
    ///
    /// # Errors
    /// They cannot be written as a JSON object.
    pub fn with(kind: &str, settings: impl Serialize) -> Result<Self, serde_json::Error> {
        match serde_json::to_value(settings)? {
            Value::Object(settings) => Ok(Self { kind: kind.to_owned(), settings }),
            _ => Err(serde::ser::Error::custom("the settings of an instance are an object")),
        }
    }

    /// The settings as the instance's own type.
    ///
    /// # Errors
    /// They are none.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.settings.clone()))
    }
}

impl TryFrom<Map<String, Value>> for Instance {
    type Error = &'static str;

    fn try_from(mut settings: Map<String, Value>) -> Result<Self, Self::Error> {
        match settings.remove("kind") {
            Some(Value::String(kind)) => Ok(Self { kind, settings }),
            _ => Err("an instance without its kind"),
        }
    }
}

impl From<Instance> for Map<String, Value> {
    fn from(instance: Instance) -> Self {
        let mut out = Self::new();
        out.insert("kind".to_owned(), instance.kind.into());
        out.extend(instance.settings);
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_is_one_object_on_the_wire() {
        let wire = json!({ "kind": "x", "a": 1 });
        let instance: Instance = serde_json::from_value(wire.clone()).expect("an instance");
        assert_eq!((instance.kind.as_str(), instance.settings.len()), ("x", 1));
        assert_eq!(serde_json::to_value(instance).expect("json"), wire);
        for wrong in [json!({ "a": 1 }), json!({ "kind": 1 }), json!([])] {
            assert!(serde_json::from_value::<Instance>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
