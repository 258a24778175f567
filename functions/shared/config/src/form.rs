//! The vocabulary in which the form of a table of `pact.toml` is written down, and the forms of
//! everything of which there may be several: deploy targets, test runners, metric sources,
//! channels.
//!
//! An instance declares its own form beside the code that uses the settings. No agent depends on
//! another, but one file is checked as a whole: so the forms of all instances are written to
//! `instances.json`, which is committed, and a test of the program that composes the agents fails
//! when it is not what their registries write.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::values::Rule;

/// One key of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The key.
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// Whether the table is useless without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// What it holds.
    pub shape: Shape,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One of these words.
    Word(Vec<String>),
    /// A text that satisfies the rule.
    Text(Rule),
    /// A whole number.
    Integer {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// A number.
    Number {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// True or false.
    Flag,
    /// A list of texts that satisfy the rule.
    List {
        /// What each satisfies.
        of: Rule,
        /// How many there are at least.
        min: usize,
    },
    /// A program with arguments, or one line for the shell.
    Command,
    /// A list of commands.
    Commands,
    /// Texts by free names.
    Map {
        /// What each name satisfies.
        keys: Rule,
        /// What each text satisfies.
        values: Rule,
    },
    /// A table.
    Table(Vec<Field>),
    /// A list of tables.
    Tables(Vec<Field>),
    /// A table in which one key names the instance of a seam, and which has that instance's keys
    /// beside its own. The settings have the instance and its keys below that one key.
    Tagged {
        /// What is chosen; its [`Seam::tag`] is the key.
        seam: Seam,
        /// The keys that every instance has.
        fields: Vec<Field>,
    },
    /// Tables by free names, each of which is an environment: it chooses an instance of a seam as
    /// [`Shape::Tagged`] does. Their order counts.
    Environments {
        /// What is chosen.
        seam: Seam,
        /// The keys that every instance has.
        fields: Vec<Field>,
    },
    /// Regions and accounts of an environment, one table each: what of the environment's target is
    /// different there, and these keys beside. Only targets that have a region and a role can have them.
    Waves(Vec<Field>),
    /// A table that has one table for each instance of a seam that is wanted, by its kind.
    Kinds(Seam),
}

/// A key that may be left out.
#[must_use]
pub fn field(name: &str, about: &str, shape: Shape) -> Field {
    Field { name: name.to_owned(), about: about.to_owned(), required: false, shape }
}

/// A key that must be there.
#[must_use]
pub fn required(name: &str, about: &str, shape: Shape) -> Field {
    Field { required: true, ..field(name, about, shape) }
}

impl Shape {
    /// One of these words.
    #[must_use]
    pub fn word(words: &[&str]) -> Self {
        Self::Word(words.iter().map(|w| (*w).to_owned()).collect())
    }

    /// A text of this pattern, which is `wanted` for people, of at most so many characters.
    #[must_use]
    pub fn pattern(pattern: &str, wanted: &str, max: usize) -> Self {
        Self::Text(Rule::Pattern { pattern: pattern.to_owned(), wanted: wanted.to_owned(), max })
    }

    /// Patterns of paths.
    #[must_use]
    pub fn globs() -> Self {
        Self::List { of: Rule::Glob, min: 0 }
    }

    /// Environment variables.
    #[must_use]
    pub fn variables() -> Self {
        Self::Map { keys: Rule::Variable, values: Rule::Any }
    }
}

/// Where there may be several of a kind, one of which the settings choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seam {
    /// What is deployed to: `[environments.NAME] target = …`.
    Target,
    /// What runs a suite of tests: `[tests.NAME] runner = …`.
    Runner,
    /// What a release is measured by: `[environments.NAME.watch] source = …`.
    Source,
    /// How people are told: `[notify.KIND]`.
    Channel,
}

impl Seam {
    /// Every seam.
    pub const ALL: &'static [Self] = &[Self::Target, Self::Runner, Self::Source, Self::Channel];

    /// The key that names the instance.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Runner => "runner",
            Self::Source => "source",
            Self::Channel => "channel",
        }
    }

    /// What the key says, for people.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Target => "What is deployed to.",
            Self::Runner => "What runs the tests.",
            Self::Source => "What the release is measured by.",
            Self::Channel => "How people are told.",
        }
    }

    /// What an agent says of a kind that its registry does not have.
    #[must_use]
    pub fn unknown<'k>(self, kind: &str, known: impl IntoIterator<Item = &'k str>) -> String {
        let known: Vec<_> = known.into_iter().map(|kind| format!("{kind:?}")).collect();
        format!("the {} {kind:?} is not known; known are {}", self.tag(), known.join(", "))
    }

    /// Kinds that are planned: naming one is not a mistake in writing.
    pub(crate) const fn planned(self) -> &'static [&'static str] {
        match self {
            Self::Target => &["ecs", "s3-site"],
            Self::Runner | Self::Source | Self::Channel => &[],
        }
    }
}

/// What an instance of a seam has in `pact.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The word that chooses it.
    pub kind: String,
    /// One sentence for people.
    pub about: String,
    /// Whether it is meant where the file names none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Its keys.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// What its keys have to agree on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub laws: Vec<Law>,
    /// Of a target: whether the first release goes back to what was there before it, whoever put it there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restores: bool,
}

/// What no key can get wrong by itself. A key of an inner table is written `service.port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Two tables that choose this instance must not have the same value. Texts with the rule
    /// [`Rule::Inside`] are the same when they name the same path.
    Distinct {
        /// The key.
        key: String,
        /// What to do instead.
        remedy: Option<String>,
    },
    /// A map must not have this name.
    Reserved {
        /// The key of the map.
        key: String,
        /// The name.
        name: String,
        /// What to do instead.
        remedy: Option<String>,
    },
    /// Of a target: what it deploys can be asked by its address only when this key is there.
    AddressNeeds {
        /// The key.
        key: String,
    },
    /// Of a target: requests can be shared between two of its releases. A target without this law
    /// takes them all at once.
    Shares {
        /// The key that has to be there for it; none: always.
        needs: Option<String>,
    },
    /// One of these keys has to be there, and no other of them.
    OneOf {
        /// The keys.
        keys: Vec<String>,
        /// A kind of target, and those of its keys that are meant where none is there.
        of_target: Option<(String, Vec<String>)>,
    },
    /// Of a target: without this key nothing takes a release back once it is in effect.
    ReturnNeeds {
        /// The key.
        key: String,
    },
}

impl Form {
    /// The key without which a target of this kind with these settings cannot return to a release; none:
    /// it can.
    #[must_use]
    pub fn lacks_for_return(
        &self,
        settings: &serde_json::Map<String, serde_json::Value>,
    ) -> Option<&str> {
        self.laws.iter().find_map(|law| match law {
            Law::ReturnNeeds { key } if !settings.contains_key(key) => Some(key.as_str()),
            _ => None,
        })
    }

    /// Whether a target of this kind with these settings can share requests between two releases.
    #[must_use]
    pub fn shares(&self, settings: &serde_json::Map<String, serde_json::Value>) -> bool {
        self.laws.iter().any(|law| match law {
            Law::Shares { needs } => needs.as_ref().is_none_or(|key| settings.contains_key(key)),
            _ => false,
        })
    }
}

/// The forms of the instances of every seam.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Forms(BTreeMap<Seam, Vec<Form>>);

/// The committed file, relative to the root of this repository.
pub const PUBLISHED: &str = "functions/shared/config/src/instances.json";

impl Forms {
    /// The forms of the instances that the agents of this version have.
    ///
    /// # Errors
    /// The embedded file cannot be read: a fault of this program, which its tests rule out.
    pub fn published() -> Result<&'static Self, &'static str> {
        static FORMS: LazyLock<Result<Forms, String>> = LazyLock::new(|| {
            let text = include_str!("instances.json");
            serde_json::from_str(text).map_err(|e| format!("the embedded forms are damaged: {e}"))
        });
        FORMS.as_ref().map_err(String::as_str)
    }

    /// These forms with those of one seam replaced.
    #[must_use]
    pub fn with(mut self, seam: Seam, forms: Vec<Form>) -> Self {
        self.0.insert(seam, forms);
        self
    }

    /// The forms of a seam's instances, in the order of its registry.
    #[must_use]
    pub fn of(&self, seam: Seam) -> &[Form] {
        self.0.get(&seam).map(Vec::as_slice).unwrap_or_default()
    }

    /// The form of one instance.
    #[must_use]
    pub fn find(&self, seam: Seam, kind: &str) -> Option<&Form> {
        self.of(seam).iter().find(|form| form.kind == kind)
    }

    /// The instance that is meant where the file names none.
    pub(crate) fn default_of(&self, seam: Seam) -> Option<&Form> {
        self.of(seam).iter().find(|form| form.default)
    }

    /// The content of the committed file.
    ///
    /// # Errors
    /// Serialisation, which has no reason to fail.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}
