//! In which lists a run stands.
//!
//! A list is one partition of `gsi2` for a repository, and [`SHARDS`] of `gsi1` for all of them,
//! so that no partition is met by every write. The run's own item stands in the lists of its status,
//! which the state machine changes with it; small entries beside it, keys and little more, stand in
//! those that do not change. An entry is nothing but a pointer: it is read in whatever version.

use std::borrow::Cow;

use aws_sdk_dynamodb::types::AttributeValue;
use pact_contract::{EnvironmentName, RepositoryName, RunId, RunRequest, RunStatus};

use super::{
    item::{Item, named_key, run_key, s, sortable},
    kind::ENTRY,
};

/// Partitions of each list of all repositories.
pub(super) const SHARDS: u8 = 4;
/// Words of a run by which it is found.
const MAX_WORDS: usize = 12;
/// Characters of a commit's id by which it is found.
const COMMIT: usize = 7;

/// What the runs of a list have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Nothing: all of them.
    All,
    /// The status, as it is now.
    Status(RunStatus),
    Branch(String),
    /// The author of the commit, in lower case.
    Author(String),
    /// A word of the commit's message, or the beginning of its id.
    Word(String),
    /// Where the run began to deploy to.
    Environment(EnvironmentName),
}

impl Of {
    /// End of the key of such a list.
    fn suffix(&self) -> Cow<'static, str> {
        match self {
            Self::All => Cow::Borrowed(""),
            Self::Status(status) => format!("#STATUS#{}", status.as_str()).into(),
            Self::Branch(name) => named_key("#BRANCH", name).into(),
            Self::Author(name) => named_key("#AUTHOR", name).into(),
            Self::Word(word) => named_key("#WORD", word).into(),
            Self::Environment(name) => format!("#ENVIRONMENT#{name}").into(),
        }
    }

    /// Sort key of a run's entry in such a list, beside the run.
    fn sort_key(&self) -> String {
        match self {
            Self::All | Self::Status(_) => "IN#ALL".to_owned(),
            Self::Branch(_) => "IN#BRANCH".to_owned(),
            Self::Author(_) => "IN#AUTHOR".to_owned(),
            Self::Word(word) => named_key("IN#WORD", word),
            Self::Environment(name) => format!("IN#ENVIRONMENT#{name}"),
        }
    }
}

/// Key of one partition of the list of all repositories.
pub(super) fn of_all(of: &Of, shard: u8) -> String {
    format!("RUNS#{shard}{}", of.suffix())
}

/// Key of the list of one repository.
pub(super) fn of_repository(of: &Of, repository: &RepositoryName) -> String {
    format!("REPO#{repository}{}", of.suffix())
}

/// The partition of a run. The state machine computes the same from the last character of the id.
pub(super) fn shard(run_id: &RunId) -> u8 {
    match run_id.as_str().chars().next_back().unwrap_or_default() {
        ..'4' => 0,
        '4'..'8' => 1,
        '8'..'c' => 2,
        'c'.. => 3,
    }
}

/// Where a run stands in its lists: they are in the order in which runs began.
pub(super) fn position(started_at: jiff::Timestamp, run_id: &RunId) -> String {
    format!("{}#{run_id}", sortable(started_at))
}

/// The attributes that put an item of a run into a list.
pub(super) fn listed(
    of: &Of,
    run_id: &RunId,
    repository: &RepositoryName,
    position: &str,
) -> [(&'static str, AttributeValue); 4] {
    [
        ("gsi1pk", s(of_all(of, shard(run_id)))),
        ("gsi1sk", s(position)),
        ("gsi2pk", s(of_repository(of, repository))),
        ("gsi2sk", s(position)),
    ]
}

/// The entry of a run in a list.
pub(super) fn entry(
    of: &Of,
    run_id: &RunId,
    repository: &RepositoryName,
    position: &str,
    expires: AttributeValue,
) -> Item {
    let mut item: Item = listed(of, run_id, repository, position)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    item.extend([
        ("pk".to_owned(), s(run_key(run_id))),
        ("sk".to_owned(), s(of.sort_key())),
        (ENTRY.attribute.to_owned(), ENTRY.written()),
        ("expires".to_owned(), expires),
    ]);
    item
}

/// The entries that a run has from its beginning; each can be filtered by branch and author.
pub(super) fn entries(request: &RunRequest, expires: &AttributeValue) -> Vec<Item> {
    let position = position(request.started_at, &request.run_id);
    let mut lists = vec![Of::All, Of::Branch(request.branch.clone())];
    let author = request.author.as_deref().map(author).filter(|name| !name.is_empty());
    lists.extend(author.clone().map(Of::Author));
    lists.extend(found_by(request).map(Of::Word));
    let entries = lists.iter().map(|of| {
        let name = &request.repository.name;
        let mut item = entry(of, &request.run_id, name, &position, expires.clone());
        item.insert("branch".to_owned(), s(&request.branch));
        item.extend(author.clone().map(|name| ("author".to_owned(), s(name))));
        item
    });
    entries.collect()
}

/// The name of an author as lists have it.
pub(super) fn author(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The words of a text, in lower case, each once; what is too short or too long to be told by is
/// left out.
fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let word = word.to_lowercase();
        if (2..=32).contains(&word.chars().count()) && !out.contains(&word) {
            out.push(word);
        }
    }
    out
}

/// The words that a run is found by.
fn found_by(request: &RunRequest) -> impl Iterator<Item = String> {
    let mut all = words(request.message.as_deref().unwrap_or_default());
    all.truncate(MAX_WORDS);
    let commit: String = request.commit.chars().take(COMMIT).collect::<String>().to_lowercase();
    if !commit.is_empty() && !all.contains(&commit) {
        all.push(commit);
    }
    all.into_iter()
}

/// The words that a reader looks for, the one that most likely finds least first.
pub(super) fn wanted(text: &str) -> Vec<String> {
    let mut all: Vec<String> = words(text);
    for word in &mut all {
        let of_commit = word.len() > COMMIT && word.bytes().all(|b| b.is_ascii_hexdigit());
        if of_commit {
            word.truncate(COMMIT);
        }
    }
    all.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    all
}

/// Whether a run is found by all these words.
pub(super) fn has_words(request: &RunRequest, wanted: &[String]) -> bool {
    let has: Vec<String> = found_by(request).collect();
    wanted.iter().all(|word| has.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_keys_of_their_own() {
        let all = [
            Of::All,
            Of::Status(RunStatus::Held),
            Of::Branch("held".to_owned()),
            Of::Author("held".to_owned()),
            Of::Word("held".to_owned()),
            Of::Environment("held".parse().unwrap()),
            Of::Branch("x".repeat(5_000)),
        ];
        let name = "acme/web".parse().unwrap();
        for (n, of) in all.iter().enumerate() {
            for other in &all[n + 1..] {
                assert_ne!(of_all(of, 0), of_all(other, 0));
                assert_ne!(of_repository(of, &name), of_repository(other, &name));
            }
            assert!(of_all(of, 0).len() < 2_048 && of.sort_key().len() < 1_024);
        }
    }

    #[test]
    fn runs_are_spread_over_every_partition() {
        let mut seen = [0; SHARDS as usize];
        for n in 0..400 {
            let name = "acme/web".parse().unwrap();
            let id = RunId::for_push(&name, "refs/heads/main", &"1".repeat(40), n);
            seen[usize::from(shard(&id))] += 1;
        }
        assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
        for (id, partition) in [("a-3", 0), ("a-", 0), ("a4", 1), ("a8", 2), ("ab", 2), ("ac", 3)] {
            assert_eq!(shard(&id.parse().unwrap()), partition, "{id}");
        }
    }

    #[test]
    fn a_text_is_words_and_a_commit_is_found_by_more_of_its_id() {
        assert_eq!(words("Fix: the cart's total, a fix"), ["fix", "the", "cart", "total"]);
        assert_eq!(wanted("cart 3f9c2ab17d5e"), ["3f9c2ab", "cart"]);
        assert_eq!(wanted("Cart defaced"), ["defaced", "cart"]);
    }
}
