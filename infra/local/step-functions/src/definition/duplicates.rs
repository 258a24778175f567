//! States that are written twice, of which a JSON object keeps only one.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The paths of the states in `text` whose names occur before in the same `States`, each with the
/// name.
pub(super) fn twice(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let walk = Walk { path: String::new(), found: &mut found };
    let mut reader = serde_json::Deserializer::from_str(text);
    // What is not JSON is told elsewhere.
    drop(walk.deserialize(&mut reader));
    found
}

struct Walk<'a> {
    path: String,
    found: &'a mut Vec<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut known = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = format!("{}/{name}", self.path);
            if self.path.ends_with("/States") && !known.insert(name.clone()) {
                self.found.push((path.clone(), name));
            }
            members.next_value_seed(Walk { path, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let path = format!("{}[{index}]", self.path);
            if items.next_element_seed(Walk { path, found: &mut *self.found })?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_count() {
        let text = r#"{ "States": { "A": { "Output": { "x": 1, "x": 2 } },
            "B": { "Branches": [{}, { "States": { "C": 1, "C": [true, null, "t", -1, 0.5] } }] },
            "A": {} }"#;
        let found = twice(text);
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["/States/B/Branches[1]/States/C", "/States/A"]);
        assert!(twice("no JSON").is_empty());
    }
}
