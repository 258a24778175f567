//! Amazon States Language as far as the two machines need it.
//!
//! Values are lists, `name: value, name: value`, of JSONata without its marks. A name may be a path
//! of fields; alone it stands for the variable of that name. A literal, as `'staging'` or `null`,
//! becomes what it stands for, and `$response` is short for what an agent answered. A state goes
//! on with the one below it unless it says where.

use std::fmt::Display;

use serde_json::{Value, json};

/// The state that is next in the list.
pub(crate) const BELOW: &str = "(below)";

/// Any error at all.
pub(crate) const ANY: &str = "States.ALL";

/// The order in which one reads the fields of a state.
const ORDER: &str = "Type Comment Resource TimeoutSeconds HeartbeatSeconds Arguments Items MaxConcurrency \
    ItemSelector ItemProcessor Branches Seconds Choices Default Assign Output Retry Catch Error \
    Cause Next End";

/// A state that is being put together.
#[must_use]
pub(crate) struct State {
    name: String,
    fields: Value,
}

macro_rules! kinds {
    ($($function:ident $kind:literal $next:literal,)+) => {
        $(pub(crate) fn $function(name: impl Display, comment: &str) -> State {
            let fields = json!({ "Type": $kind, "Comment": comment, $next: BELOW });
            State { name: name.to_string(), fields }
        })+
    };
}

kinds! {
    task "Task" "Next", pass "Pass" "Next", wait "Wait" "Next", map "Map" "Next",
    parallel "Parallel" "Next", choice "Choice" "Default", succeed "Succeed" "", fail "Fail" "",
}

/// States, one after another: each is made, and told one thing after another, up to its semicolon.
macro_rules! states {
    ($($make:ident($($made:expr),*) $($told:ident($($what:expr),*))*;)+) => {
        vec![$($make($($made),*)$(.$told($($what),*))*),+]
    };
}
pub(crate) use states;

impl State {
    /// Puts values into fields.
    pub(crate) fn put(self, values: &str) -> Self {
        self.put_in("", values)
    }

    pub(crate) fn put_json(mut self, path: &str, value: Value) -> Self {
        *path
            .trim_start_matches('/')
            .split('/')
            .fold(&mut self.fields, |at, field| &mut at[field]) = value;
        self
    }

    /// Puts values into a field's own fields.
    pub(crate) fn put_in(self, path: &str, values: &str) -> Self {
        pairs(values).fold(self, |s, (name, value)| s.put_json(&format!("{path}/{name}"), value))
    }

    /// Keeps values in variables.
    pub(crate) fn assign(self, variables: &str) -> Self {
        self.put_in("Assign", variables)
    }

    pub(crate) fn next(self, next: impl Display) -> Self {
        self.put(&format!("Next: '{next}'"))
    }

    /// Ends the branch or the iteration.
    pub(crate) fn end(self) -> Self {
        self.put("Next: null, End: true")
    }

    /// Where a Choice leads on a condition.
    pub(crate) fn when(self, condition: &str, next: impl Display) -> Self {
        self.push("Choices", json!({ "Condition": term(condition), "Next": next.to_string() }))
    }

    /// Where a Choice leads otherwise.
    pub(crate) fn otherwise(self, next: impl Display) -> Self {
        self.put(&format!("Default: '{next}'"))
    }

    /// A Choice that goes on below if a condition holds.
    pub(crate) fn only_if(self, condition: &str, otherwise: impl Display) -> Self {
        self.when(condition, BELOW).otherwise(otherwise)
    }

    /// Keeps values in variables after an error, and goes on elsewhere.
    pub(crate) fn catch(self, error: &str, variables: &str, next: impl Display) -> Self {
        let mut entry = json!({ "ErrorEquals": [error] });
        pairs(variables).for_each(|(name, value)| entry["Assign"][name] = value);
        entry["Next"] = json!(next.to_string());
        self.push("Catch", entry)
    }

    /// What a Parallel does beside its other branches.
    pub(crate) fn branch(self, comment: &str, states: Vec<State>) -> Self {
        self.push("Branches", graph(json!({ "Comment": comment }), states))
    }

    /// What a Map does with each item, one after another; `input` is what each begins with.
    pub(crate) fn each(self, input: &str, states: Vec<State>) -> Self {
        let iteration = graph(json!({ "ProcessorConfig": { "Mode": "INLINE" } }), states);
        self.put("MaxConcurrency: 1")
            .put_in("ItemSelector", input)
            .put_json("ItemProcessor", iteration)
    }

    fn push(mut self, list: &str, entry: Value) -> Self {
        match &mut self.fields[list] {
            Value::Array(entries) => entries.push(entry),
            empty => *empty = json!([entry]),
        }
        self
    }

    /// A state that is entered for every environment: whatever knows it by its name, stages, keys
    /// and faults, knows it by that of the environment too.
    pub(crate) fn of_environment(self) -> Self {
        let name = "$states.context.State.Name";
        self.replaced(name, &format!("{name} & '.' & $environment"))
    }

    /// The state with another text for one, wherever it stands.
    fn replaced(self, from: &str, to: &str) -> Self {
        let fields = self.fields.to_string().replace(from, to);
        Self { fields: serde_json::from_str(&fields).unwrap_or_default(), ..self }
    }

    /// The fields in their order; `below` is the name of the next state.
    fn json(self, below: Option<&String>) -> Value {
        let below = below.map_or("", String::as_str);
        let last = below.is_empty() && self.fields["Next"] == BELOW;
        let mut state = if last { self.end() } else { self.replaced(BELOW, below) };
        let fields = ORDER.split(' ').map(|field| (field, state.fields[field].take()));
        fields.filter(|(_, value)| !value.is_null()).collect()
    }
}

/// States that lead to each other, the first one at the start: a machine, a branch, an iteration.
pub(crate) fn graph(mut head: Value, states: Vec<State>) -> Value {
    let names: Vec<String> = states.iter().map(|state| state.name.clone()).collect();
    head["StartAt"] = json!(names.first());
    for ((index, name), state) in (1..).zip(&names).zip(states) {
        head["States"][name] = state.json(names.get(index));
    }
    head
}

/// How a whole machine begins.
pub(crate) fn head(comment: &str, timeout_seconds: u32) -> Value {
    json!({ "Comment": comment, "QueryLanguage": "JSONata", "TimeoutSeconds": timeout_seconds })
}

/// Values with their names; a comma inside of one does not end it.
pub(crate) fn pairs(values: &str) -> impl Iterator<Item = (String, Value)> {
    let (mut depth, mut quoted) = (0, false);
    let ends = move |c| {
        quoted ^= c == '\'';
        depth += i32::from(!quoted && "([{".contains(c)) - i32::from(!quoted && ")]}".contains(c));
        c == ',' && depth == 0 && !quoted
    };
    let pairs = values.split(ends).map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(|pair| match pair.split_once(": ") {
        Some((name, value)) => (name.to_owned(), term(value)),
        None => (pair.to_owned(), term(&format!("${pair}"))),
    })
}

/// One value, on one line.
fn term(value: &str) -> Value {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    if let Some(text) = text.filter(|text| !text.contains('\'')) {
        return json!(text);
    }
    let expression = line.replace("$response", "$states.result.Payload.response");
    serde_json::from_str(&line).unwrap_or_else(|_| json!(format!("{{% {expression} %}}")))
}
