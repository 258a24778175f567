//! Waves: the regions and accounts of an environment. Each becomes an environment of the list with a name
//! of its own, `NAME-REGION` or `NAME-WAVE`, so that nobody who carries a release out has to know of them.

use serde_json::{Map, Value};

use crate::form::{Field, Form, Forms, Seam, Shape};

/// The key of an environment.
pub(crate) const WAVES: &str = "waves";
/// What makes a place of its own: a target without both has no waves.
const REGION: &str = "region";
const ROLE: &str = "role";
/// The keys of a wave that are not its target's.
const NAME: &str = "name";
const IN_PLACE: [&str; 2] = ["health", "watch"];
/// A release is built once, and every wave gets those bytes.
const BUILT: [&str; 2] = ["build", "build_timeout_seconds"];

/// Why a target has none.
pub(crate) const ONE_PLACE: &str = "are regions and accounts, and this target has neither region nor role: its releases are in one place";

/// What to do about that.
pub(crate) fn way_out(forms: &Forms) -> String {
    let able: Vec<_> = forms.of(Seam::Target).iter().filter(|form| has_places(form)).collect();
    let able: Vec<_> = able.iter().map(|form| format!("target = {:?}", form.kind)).collect();
    let able =
        if able.is_empty() { String::new() } else { format!("use {}, or ", able.join(" or ")) };
    format!("{able}write an environment for each place")
}

fn has_places(form: &Form) -> bool {
    [REGION, ROLE].iter().all(|key| form.fields.iter().any(|field| field.name == *key))
}

/// The keys that all instances have, with the waves of this one: of `all` of them that could be meant
/// where it is not known which is. Waves that it cannot have stay as they are.
pub(crate) fn resolved(common: &[Field], form: Option<&Form>, all: &[Form]) -> Vec<Field> {
    let meant: Vec<&Form> = match form {
        Some(form) => vec![form],
        None => all.iter().collect(),
    };
    let able: Vec<&Form> = meant.into_iter().filter(|form| has_places(form)).collect();
    let wave = |field: &Field| {
        let Shape::Waves(own) = &field.shape else { return field.clone() };
        if able.is_empty() {
            return field.clone();
        }
        let mut fields = own.clone();
        for theirs in able.iter().flat_map(|form| &form.fields) {
            let known = fields.iter().any(|field| field.name == theirs.name);
            if !known && !BUILT.contains(&theirs.name.as_str()) {
                let required = theirs.name == REGION;
                fields.push(Field { required, ..theirs.clone() });
            }
        }
        Field { shape: Shape::Tables(fields), ..field.clone() }
    };
    common.iter().map(wave).collect()
}

/// The waves of an environment, in the form of the file; none where it is in one place.
pub(crate) fn of(environment: &Value) -> &[Value] {
    environment.get(WAVES).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What the environment's name is continued with.
pub(crate) fn label(wave: &Value) -> &str {
    let label = wave.get(NAME).or_else(|| wave.get(REGION));
    label.and_then(Value::as_str).unwrap_or_default()
}

/// The environment as one of its waves has it.
pub(crate) fn merged(environment: &Map<String, Value>, wave: &Value) -> Map<String, Value> {
    let mut own = environment.clone();
    own.remove(WAVES);
    for (key, value) in wave.as_object().into_iter().flatten() {
        if IN_PLACE.contains(&key.as_str()) {
            own.insert(key.clone(), value.clone());
        } else if key != NAME
            && let Some(Value::Object(target)) = own.get_mut(Seam::Target.tag())
        {
            target.insert(key.clone(), value.clone());
        }
    }
    own
}

/// An environment of the file as those of the list: itself, or one for each of its waves. Only the first
/// of them asks for an approval, which is one of all.
pub(crate) fn expanded(name: &str, table: Map<String, Value>) -> Vec<(String, Map<String, Value>)> {
    let waves = table.get(WAVES).and_then(Value::as_array).cloned().unwrap_or_default();
    if waves.is_empty() {
        let mut table = table;
        table.remove(WAVES);
        return vec![(name.to_owned(), table)];
    }
    let one = |(index, wave): (usize, &Value)| {
        let mut own = merged(&table, wave);
        if index > 0 {
            own.remove("approval");
        }
        own.insert("wave_of".to_owned(), name.into());
        (format!("{name}-{}", label(wave)), own)
    };
    waves.iter().enumerate().map(one).collect()
}

/// The environment as its waves have it, as far as they are probed and watched in different ways.
pub(crate) fn different(environment: &Value) -> Vec<Value> {
    let (waves, Some(table)) = (of(environment), environment.as_object()) else {
        return Vec::new();
    };
    if waves.is_empty() {
        return vec![environment.clone()];
    }
    let mut all: Vec<Value> = Vec::new();
    for wave in waves {
        let own = Value::Object(merged(table, wave));
        if !all.iter().any(|known| IN_PLACE.iter().all(|key| known.get(key) == own.get(key))) {
            all.push(own);
        }
    }
    all
}
