//! Holds a TOML tree against the table of shapes and gives it back as plain JSON, in the form of
//! the file. Goes on after a fault, so that all of them are found.

use std::ops::Range;

use pact_contract::{EnvironmentName, Tier, environments::MAX_ENVIRONMENTS};
use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    Faults,
    form::{Field, Form, Forms, Seam, Shape},
    nearest::nearest,
    shape::{WORKFLOWS, environment_name, root},
    values::Rule,
    waves,
};

/// Most entries of a list of texts or of a free table.
const MAX_ENTRIES: usize = 200;
/// Most tables of a list, and most commands.
const MAX_TABLES: usize = 20;

/// What was right in a file.
pub(crate) struct Checked {
    /// In the form of the settings: the keys of an instance are below the key that names it.
    pub(crate) file: Map<String, Value>,
    /// Every place at which an instance was chosen, in the order of the file.
    pub(crate) choices: Vec<Choice>,
    /// The environments in the order of promotion.
    pub(crate) order: Vec<Ordered>,
}

/// An environment in its order.
pub(crate) struct Ordered {
    pub(crate) name: String,
    pub(crate) tier: Tier,
    /// Where its first table stands.
    begins: usize,
    /// Where its own does.
    span: Range<usize>,
}

/// A table that chooses an instance of a seam.
pub(crate) struct Choice {
    pub(crate) seam: Seam,
    pub(crate) kind: String,
    /// Where the table is.
    pub(crate) path: Vec<String>,
    offset: usize,
    /// The instance's own keys.
    pub(crate) settings: Map<String, Value>,
}

/// Checks the whole file.
pub(crate) fn file(tree: &DeTable<'_>, forms: &Forms, faults: &mut Faults<'_>) -> Checked {
    let mut check = Check::new(faults, forms);
    let fields: Vec<_> = root().iter().collect();
    let file = check.table(tree, &fields, None, None);
    check.builds(tree);
    let (mut choices, order) = (check.choices, check.order);
    choices.sort_by_key(|choice| choice.offset);
    Checked { file, choices, order }
}

/// Checks one table, whose shape is `shape`.
#[cfg(test)]
pub(crate) fn value_of(
    tree: DeTable<'_>,
    shape: &Shape,
    forms: &Forms,
    faults: &mut Faults<'_>,
) -> Option<Value> {
    let node = Spanned::new(0..0, DeValue::Table(tree));
    Check::new(faults, forms).value(&node, shape)
}

struct Check<'f, 't> {
    faults: &'f mut Faults<'t>,
    forms: &'f Forms,
    path: Vec<String>,
    choices: Vec<Choice>,
    order: Vec<Ordered>,
}

type Node<'i> = Spanned<DeValue<'i>>;

impl<'f, 't> Check<'f, 't> {
    fn new(faults: &'f mut Faults<'t>, forms: &'f Forms) -> Self {
        Self { faults, forms, path: Vec::new(), choices: Vec::new(), order: Vec::new() }
    }
}

impl Check<'_, '_> {
    /// The key at hand as people write it: `tests.unit.command`.
    fn key(&self) -> String {
        self.path.join(".")
    }

    /// The table at hand as people write it: `[tests.unit]`.
    fn section(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.key()) }
    }

    fn fault(&mut self, node: &Node<'_>, message: &str, remedy: Option<String>) {
        let message = format!("{} {message}", self.key());
        self.faults.at(Some(node.span()), message, remedy);
    }

    fn table(
        &mut self,
        tree: &DeTable<'_>,
        fields: &[&Field],
        seam: Option<Seam>,
        place: Option<&Node<'_>>,
    ) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, node) in tree {
            let name = key.get_ref().as_ref();
            let Some(field) = fields.iter().find(|f| f.name == name) else {
                let message = format!("unknown key {} in {}", quoted(name), self.section());
                let remedy = way_out(name, fields, seam, self.forms);
                self.faults.at(Some(key.span()), message, Some(remedy));
                continue;
            };
            self.path.push(name.to_owned());
            if let Some(value) = self.value(node, &field.shape) {
                out.insert(name.to_owned(), value);
            }
            self.path.pop();
        }
        for field in fields.iter().filter(|f| f.required) {
            if !tree.iter().any(|(key, _)| key.get_ref().as_ref() == field.name) {
                let message = format!("{} has no {}", self.section(), quoted(&field.name));
                self.faults.at(place.map(Spanned::span), message, Some(example(field)));
            }
        }
        out
    }

    /// A table that chooses an instance of `seam`, and has its keys beside those that all have.
    fn tagged(&mut self, node: &Node<'_>, seam: Seam, common: &[Field]) -> Option<Value> {
        let DeValue::Table(tree) = node.get_ref() else {
            return self.wrong(node, "a table", node.get_ref());
        };
        let forms = self.forms;
        let tag = tag(seam, forms);
        let named = tree.iter().find(|(key, _)| key.get_ref().as_ref() == tag.name);
        let form = match named {
            Some((_, named)) => named.get_ref().as_str().and_then(|kind| forms.find(seam, kind)),
            None => forms.default_of(seam),
        };
        // Where it is not known which one is meant, keys are those of the first that has them.
        let own: Vec<&Form> = match form {
            Some(form) => vec![form],
            None => forms.of(seam).iter().collect(),
        };
        let optional: Vec<Field>;
        let own: Vec<&Field> = match form {
            Some(form) => form.fields.iter().collect(),
            None => {
                let all = own.iter().flat_map(|form| &form.fields).cloned();
                optional = all.map(|field| Field { required: false, ..field }).collect();
                optional.iter().collect()
            }
        };
        let common = &waves::resolved(common, form, forms.of(seam));
        let fields: Vec<&Field> = [&tag].into_iter().chain(common).chain(own).collect();
        let mut out = self.table(tree, &fields, Some(seam), Some(node));
        let mut settings = Map::new();
        out.retain(|key, value| {
            let is_common = common.iter().any(|field| field.name == *key);
            if !is_common && *key != tag.name {
                settings.insert(key.clone(), value.take());
            }
            is_common
        });
        if let Some(form) = form {
            let mut instance = Map::new();
            instance.insert("kind".to_owned(), form.kind.clone().into());
            instance.extend(settings.clone());
            out.insert(tag.name, Value::Object(instance));
            self.choose(seam, form, node, settings);
        }
        Some(Value::Object(out))
    }

    /// Environments by their names, in an order that agrees with their tiers.
    fn environments(&mut self, node: &Node<'_>, seam: Seam, fields: &[Field]) -> Option<Value> {
        let DeValue::Table(tree) = node.get_ref() else {
            return self.wrong(node, "a table", node.get_ref());
        };
        if tree.len() > MAX_ENVIRONMENTS {
            let message = format!("has {} environments; at most {MAX_ENVIRONMENTS}", tree.len());
            self.fault(node, &message, None);
            return None;
        }
        let rule = environment_name();
        let mut out = Map::new();
        for (key, node) in tree {
            let name = key.get_ref().as_ref();
            let known = EnvironmentName::parse(name).ok().as_ref().and_then(Tier::of);
            if let Err(reason) = rule.check(name) {
                let message = format!("the environment's name {} {reason}", quoted(name));
                self.faults.at(Some(key.span()), message, None);
                continue;
            }
            self.path.push(name.to_owned());
            if let Some(value) = self.tagged(node, seam, fields) {
                let said = node.get_ref().get("tier");
                let tier = value.get("tier").and_then(Value::as_str).and_then(Tier::parse);
                match (known, tier) {
                    (Some(known), Some(tier)) if known != tier => {
                        let message = format!("must be {known:?}, as the environment is called so");
                        let message = message.to_lowercase();
                        let remedy = "give the environment another name".to_owned();
                        self.path.push("tier".to_owned());
                        self.fault(said.unwrap_or(node), &message, Some(remedy));
                        self.path.pop();
                    }
                    (Some(tier), _) | (None, Some(tier)) => {
                        let name = name.to_owned();
                        let begins = begins(key.span().start, node);
                        self.order.push(Ordered { name, tier, begins, span: key.span() });
                    }
                    // A wrong word was reported where it stands.
                    (None, None) if said.is_some() => {}
                    (None, None) => {
                        let message = format!("{} has no \"tier\"", self.section());
                        let known = Tier::ALL.iter().map(|tier| tier.as_str());
                        let say = "add tier = \"staging\" or tier = \"production\"";
                        let remedy = match nearest(name, known) {
                            Some(near) => {
                                format!("did you mean [environments.{near}]? Otherwise {say}")
                            }
                            None => say.to_owned(),
                        };
                        self.faults.at(Some(key.span()), message, Some(remedy));
                    }
                }
                out.insert(name.to_owned(), value);
            }
            self.path.pop();
        }
        self.order.sort_by_key(|environment| environment.begins);
        self.promoted_in_order();
        // Stable: otherwise they stay in the order of the file.
        self.order.sort_by_key(|environment| environment.tier);
        Some(Value::Object(out))
    }

    /// What `[build]` has to have depends on who builds.
    fn builds(&mut self, tree: &DeTable<'_>) {
        let build = tree.iter().find(|(key, _)| key.get_ref().as_ref() == "build");
        let Some((key, DeValue::Table(table))) = build.map(|(k, node)| (k, node.get_ref())) else {
            return;
        };
        let of = |name: &str| table.iter().find(|(key, _)| key.get_ref().as_ref() == name);
        let runner = of("runner").and_then(|(_, node)| node.get_ref().as_str());
        if runner == Some(WORKFLOWS) {
            return;
        }
        if of("commands").is_none() {
            let message = "[build] has no \"commands\"".to_owned();
            self.faults.at(Some(key.span()), message, Some("add commands = …".to_owned()));
        }
        for name in ["workflow", "artifact"] {
            if let Some((key, _)) = of(name) {
                let message = format!("unknown key {name:?} in [build]");
                let remedy = format!("it belongs to runner = {WORKFLOWS:?}");
                self.faults.at(Some(key.span()), message, Some(remedy));
            }
        }
    }

    /// Users come last: no environment stands after one of a later tier. The two names that are
    /// tiers have always had their order, wherever they stand.
    fn promoted_in_order(&mut self) {
        let own = |environment: &Ordered| environment.name == environment.tier.as_str();
        let mut faults = Vec::new();
        for (index, late) in self.order.iter().enumerate() {
            let before = self.order.iter().take(index);
            let mut first = before.filter(|early| early.tier > late.tier);
            if let Some(early) = first.find(|early| !(own(early) && own(late))) {
                let (late_tier, early_tier) = (late.tier, early.tier);
                let message = format!(
                    "{} is of the tier {late_tier} and stands after {}, which is of the tier {early_tier}",
                    late.name, early.name
                );
                let remedy = format!(
                    "move [environments.{}] above [environments.{}]",
                    late.name, early.name
                );
                faults.push((late.span.clone(), message, remedy));
            }
        }
        for (span, message, remedy) in faults {
            self.faults.at(Some(span), message, Some(remedy));
        }
    }

    /// A table with a table for each instance that is wanted.
    fn kinds(&mut self, node: &Node<'_>, seam: Seam) -> Option<Value> {
        let DeValue::Table(tree) = node.get_ref() else {
            return self.wrong(node, "a table", node.get_ref());
        };
        let forms = self.forms;
        let tables = tables(seam, forms);
        let fields: Vec<&Field> = tables.iter().collect();
        let out = self.table(tree, &fields, None, Some(node));
        for (key, node) in tree {
            let kind = key.get_ref().as_ref();
            if let (Some(form), Some(Value::Object(settings))) =
                (forms.find(seam, kind), out.get(kind))
            {
                self.path.push(kind.to_owned());
                self.choose(seam, form, node, settings.clone());
                self.path.pop();
            }
        }
        Some(Value::Object(out))
    }

    fn choose(&mut self, seam: Seam, form: &Form, node: &Node<'_>, settings: Map<String, Value>) {
        let (kind, path, offset) = (form.kind.clone(), self.path.clone(), node.span().start);
        self.choices.push(Choice { seam, kind, path, offset, settings });
    }

    fn value(&mut self, node: &Node<'_>, shape: &Shape) -> Option<Value> {
        match shape {
            Shape::Word(words) => self.word(node, words),
            Shape::Text(rule) => self.text(node, rule).map(Value::String),
            Shape::Integer { min, max } => self.integer(node, *min, *max),
            Shape::Number { min, max } => self.number(node, *min, *max),
            Shape::Flag => match node.get_ref() {
                DeValue::Boolean(value) => Some(Value::Bool(*value)),
                other => self.wrong(node, "true or false", other),
            },
            Shape::List { of, min } => self.list(node, of, *min),
            Shape::Command => self.command(node),
            Shape::Commands => self.commands(node),
            Shape::Map { keys, values } => self.map(node, keys, values),
            Shape::Table(fields) => match node.get_ref() {
                DeValue::Table(tree) => {
                    let fields: Vec<_> = fields.iter().collect();
                    Some(Value::Object(self.table(tree, &fields, None, Some(node))))
                }
                other => self.wrong(node, "a table", other),
            },
            Shape::Tables(fields) => self.tables(node, fields),
            Shape::Tagged { seam, fields } => self.tagged(node, *seam, fields),
            Shape::Environments { seam, fields } => self.environments(node, *seam, fields),
            Shape::Waves(_) => {
                let remedy = waves::way_out(self.forms);
                self.fault(node, waves::ONE_PLACE, Some(remedy));
                None
            }
            Shape::Kinds(seam) => self.kinds(node, *seam),
        }
    }

    fn wrong<T>(&mut self, node: &Node<'_>, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        self.fault(node, &format!("must be {wanted}, not {}", kind(found)), None);
        None
    }

    fn word(&mut self, node: &Node<'_>, words: &[String]) -> Option<Value> {
        let DeValue::String(text) = node.get_ref() else {
            return self.wrong(node, &format!("one of {}", list(words)), node.get_ref());
        };
        let text = text.as_ref();
        if words.iter().any(|word| word == text) {
            return Some(Value::String(text.to_owned()));
        }
        let wanted = list(words);
        let planned = |seam: &Seam| {
            self.path.last().is_some_and(|key| key == seam.tag()) && seam.planned().contains(&text)
        };
        if Seam::ALL.iter().any(planned) {
            let remedy = format!("use {wanted}");
            self.fault(node, &format!("{} is not available yet", quoted(text)), Some(remedy));
            return None;
        }
        let remedy = nearest(text, words.iter().map(String::as_str))
            .map_or_else(|| format!("use one of {wanted}"), |n| format!("did you mean {n:?}?"));
        self.fault(node, &format!("has the unknown value {}", quoted(text)), Some(remedy));
        None
    }

    fn text(&mut self, node: &Node<'_>, rule: &Rule) -> Option<String> {
        let text = match node.get_ref() {
            DeValue::String(text) => text.as_ref().to_owned(),
            // TOML has days of its own.
            DeValue::Datetime(day) if *rule == Rule::Day => day.to_string(),
            other => return self.wrong(node, "a string", other),
        };
        match rule.check(&text) {
            Ok(()) => Some(text),
            Err(reason) => {
                self.fault(node, &reason, None);
                None
            }
        }
    }

    fn integer(&mut self, node: &Node<'_>, min: u32, max: u32) -> Option<Value> {
        let DeValue::Integer(number) = node.get_ref() else {
            let wanted = format!("a whole number from {min} to {max}");
            return self.wrong(node, &wanted, node.get_ref());
        };
        match i128::from_str_radix(number.as_str(), number.radix()).map(u32::try_from) {
            Ok(Ok(value)) if (min..=max).contains(&value) => Some(Value::from(value)),
            _ => {
                let found = quoted(number.as_str()).replace('"', "");
                self.fault(node, &format!("must be from {min} to {max}, not {found}"), None);
                None
            }
        }
    }

    fn number(&mut self, node: &Node<'_>, min: u32, max: u32) -> Option<Value> {
        let text = match node.get_ref() {
            DeValue::Integer(_) => return self.integer(node, min, max),
            DeValue::Float(float) => float.as_str(),
            other => return self.wrong(node, &format!("a number from {min} to {max}"), other),
        };
        let value = text.parse::<f64>().unwrap_or(f64::NAN);
        let allowed = f64::from(min)..=f64::from(max);
        match Number::from_f64(value).filter(|_| allowed.contains(&value)) {
            Some(number) => Some(Value::Number(number)),
            None => {
                let found = quoted(text).replace('"', "");
                self.fault(node, &format!("must be from {min} to {max}, not {found}"), None);
                None
            }
        }
    }

    /// The items of a list with their number checked.
    fn items<'n, 'i>(
        &mut self,
        node: &'n Node<'i>,
        wanted: &str,
        min: usize,
        max: usize,
    ) -> Option<&'n [Node<'i>]> {
        let DeValue::Array(items) = node.get_ref() else {
            return self.wrong(node, wanted, node.get_ref());
        };
        if items.len() < min {
            self.fault(node, "must not be empty", None);
            return None;
        }
        if items.len() > max {
            let message = format!("has {} entries; at most {max}", items.len());
            self.fault(node, &message, None);
            return None;
        }
        Some(items)
    }

    /// Every item through `each`; none when one of them is wrong.
    fn each<'n, 'i>(
        &mut self,
        items: &'n [Node<'i>],
        mut each: impl FnMut(&mut Self, &'n Node<'i>) -> Option<Value>,
    ) -> Option<Value> {
        let mut out = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let last = self.path.pop().unwrap_or_default();
            self.path.push(format!("{last}[{index}]"));
            out.push(each(self, item));
            self.path.pop();
            self.path.push(last);
        }
        out.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
    }

    fn list(&mut self, node: &Node<'_>, rule: &Rule, min: usize) -> Option<Value> {
        let items = self.items(node, "a list of strings", min, MAX_ENTRIES)?;
        self.each(items, |check, item| check.text(item, rule).map(Value::String))
    }

    fn command(&mut self, node: &Node<'_>) -> Option<Value> {
        const WANTED: &str = "a list of a program and its arguments, or a string for the shell";
        match node.get_ref() {
            DeValue::String(_) => {
                let mut line = self.text(node, &Rule::Any)?;
                if line.trim().is_empty() {
                    self.fault(node, "must not be empty", None);
                    return None;
                }
                line.truncate(line.trim_end().len());
                Some(Value::from(vec!["sh".to_owned(), "-c".to_owned(), line]))
            }
            DeValue::Array(_) => {
                let items = self.items(node, WANTED, 1, MAX_ENTRIES)?;
                let all =
                    self.each(items, |c, item| c.text(item, &Rule::Any).map(Value::String))?;
                if all.get(0).and_then(Value::as_str).is_none_or(|p| p.trim().is_empty()) {
                    self.fault(node, "begins with an empty program", None);
                    return None;
                }
                Some(all)
            }
            other => self.wrong(node, WANTED, other),
        }
    }

    fn commands(&mut self, node: &Node<'_>) -> Option<Value> {
        if matches!(node.get_ref(), DeValue::String(_)) {
            return self.command(node).map(|command| Value::Array(vec![command]));
        }
        let items = self.items(node, "a list of commands", 0, MAX_TABLES)?;
        let single = |item: &Node<'_>| matches!(item.get_ref(), DeValue::String(s) if !s.contains(char::is_whitespace));
        // `build = ["cargo", "build"]` would run `cargo` and then `build`: surely not meant.
        if items.len() > 1 && items.iter().all(single) {
            let words: Vec<_> =
                items.iter().filter_map(|i| i.get_ref().as_str()).map(quoted).collect();
            let remedy = format!("write [[{}]] for one command with arguments", words.join(", "));
            self.fault(node, "is a list of words, not of commands", Some(remedy));
            return None;
        }
        self.each(items, Self::command)
    }

    fn map(&mut self, node: &Node<'_>, keys: &Rule, values: &Rule) -> Option<Value> {
        let DeValue::Table(tree) = node.get_ref() else {
            return self.wrong(node, "a table of strings", node.get_ref());
        };
        if tree.len() > MAX_ENTRIES {
            let message = format!("has {} entries; at most {MAX_ENTRIES}", tree.len());
            self.fault(node, &message, None);
            return None;
        }
        let mut out = Map::new();
        for (key, node) in tree {
            let name = key.get_ref().as_ref();
            if let Err(reason) = keys.check(name) {
                let message = format!("key {} in {} {reason}", quoted(name), self.section());
                self.faults.at(Some(key.span()), message, None);
                continue;
            }
            self.path.push(name.to_owned());
            if let Some(text) = self.text(node, values) {
                out.insert(name.to_owned(), Value::String(text));
            }
            self.path.pop();
        }
        Some(Value::Object(out))
    }

    fn tables(&mut self, node: &Node<'_>, fields: &[Field]) -> Option<Value> {
        let items = self.items(node, "a list of tables", 0, MAX_TABLES)?;
        let fields: Vec<_> = fields.iter().collect();
        self.each(items, |check, item| match item.get_ref() {
            DeValue::Table(tree) => {
                Some(Value::Object(check.table(tree, &fields, None, Some(item))))
            }
            other => check.wrong(item, "a table", other),
        })
    }
}

/// Where a table begins: with its own name, or with that of a table in it that stands before.
fn begins(name: usize, node: &Node<'_>) -> usize {
    let inner = node.get_ref().as_table().into_iter().flat_map(DeTable::iter);
    inner.map(|(key, node)| begins(key.span().start, node)).fold(name, usize::min)
}

/// The key that names the instance of a seam.
pub(crate) fn tag(seam: Seam, forms: &Forms) -> Field {
    Field {
        name: seam.tag().to_owned(),
        about: seam.about().to_owned(),
        required: forms.default_of(seam).is_none(),
        shape: Shape::Word(forms.of(seam).iter().map(|form| form.kind.clone()).collect()),
    }
}

/// The tables of a seam of which every instance has one.
pub(crate) fn tables(seam: Seam, forms: &Forms) -> Vec<Field> {
    let table = |form: &Form| Field {
        name: form.kind.clone(),
        about: form.about.clone(),
        required: false,
        shape: Shape::Table(form.fields.clone()),
    };
    forms.of(seam).iter().map(table).collect()
}

/// What to do about a key that none of `fields` is, in a table that chooses an instance of `seam`.
fn way_out(name: &str, fields: &[&Field], seam: Option<Seam>, forms: &Forms) -> String {
    if let Some(near) = nearest(name, fields.iter().map(|f| f.name.as_str())) {
        return format!("did you mean {near:?}?");
    }
    let other = seam.and_then(|seam| instance_with(name, seam, forms));
    if let Some(owner) = other.or_else(|| owner(name, root(), "", forms)) {
        return format!("it belongs to {owner}");
    }
    let known: Vec<_> = fields.iter().map(|f| f.name.as_str()).collect();
    format!("known keys are {}", known.join(", "))
}

/// The instance that knows the key, as it is chosen.
fn instance_with(name: &str, seam: Seam, forms: &Forms) -> Option<String> {
    let knows = |form: &&Form| form.fields.iter().any(|field| field.name == name);
    forms.of(seam).iter().find(knows).map(|form| format!("{} = {:?}", seam.tag(), form.kind))
}

/// The first table that knows the key.
fn owner(name: &str, fields: &[Field], path: &str, forms: &Forms) -> Option<String> {
    let has = |fields: &[Field]| fields.iter().any(|f| f.name == name);
    for field in fields {
        let path = match path {
            "" => field.name.clone(),
            path => format!("{path}.{}", field.name),
        };
        let path = match field.shape {
            Shape::Environments { .. } => format!("{path}.NAME"),
            _ => path,
        };
        let known;
        let (inner, instances): (&[Field], &[Form]) = match &field.shape {
            Shape::Table(inner) | Shape::Tables(inner) => (inner, &[]),
            Shape::Tagged { seam, fields } | Shape::Environments { seam, fields } => {
                (fields, forms.of(*seam))
            }
            Shape::Kinds(seam) => {
                known = tables(*seam, forms);
                (&known, &[])
            }
            _ => continue,
        };
        if has(inner) {
            return Some(format!("[{path}]"));
        }
        if let Shape::Tagged { seam, .. } | Shape::Environments { seam, .. } = &field.shape
            && let Some(instance) = instance_with(name, *seam, forms)
        {
            return Some(if instances.len() == 1 { format!("[{path}]") } else { instance });
        }
        let inner = [inner].into_iter().chain(instances.iter().map(|form| form.fields.as_slice()));
        for inner in inner {
            if let Some(found) = owner(name, inner, &path, forms) {
                return Some(found);
            }
        }
    }
    None
}

/// How a missing key would be written.
fn example(field: &Field) -> String {
    let value = match &field.shape {
        Shape::Word(words) => format!("{:?}", words.first().map_or("", String::as_str)),
        Shape::Command => "[\"program\", \"argument\"]".to_owned(),
        Shape::List { of: Rule::Address, .. } => "[\"team@example.org\"]".to_owned(),
        Shape::Text(Rule::Project) => "\"SHOP\"".to_owned(),
        _ => "…".to_owned(),
    };
    format!("add {} = {value}", field.name)
}

fn list(words: &[String]) -> String {
    words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", ")
}

/// A text from the file for a message: quoted, escaped and not too long.
fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
