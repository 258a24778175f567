//! The single tests of a stage, as they are kept in the artifact store: JSON lines, a head and then
//! one for each test, the gravest first and the slowest of each kind before the others; compressed.
//!
//! They are read line by line and bounded, whoever wrote them.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use pact_contract::{
    RunId, SchemaVersion, StateName,
    tested::{TestStatus, Tested, TestsHead},
};
use serde::Serialize;

use crate::{
    error::{StoreError, Unreadable, UnreadableReason},
    logs::safe,
    ports::Artifacts,
};

/// Most tests of a stage that are kept, and most bytes of their texts.
pub const MAX_TESTS: usize = 50_000;
/// See [`MAX_TESTS`].
pub const MAX_BYTES: usize = 12 << 20;
/// Most bytes of a list that are unpacked, and of one line of it.
const UNPACKED: u64 = 64 << 20;
const LINE: u64 = 32 << 10;
/// The form in which lists are written.
const SCHEMA: SchemaVersion = SchemaVersion::FIRST;

/// Where the single tests of a stage are kept, in the artifact store.
#[must_use]
pub fn kept_key(scope: &str, state: &StateName) -> String {
    format!("runs/{scope}/tests/{}.jsonl.gz", safe(state.as_str()))
}

/// Writes a list: what is too much of it is left out from its end, and counted.
///
/// # Errors
/// It cannot be written as JSON.
pub fn write(mut tests: Vec<Tested>, total: Option<u64>, dropped: u64) -> io::Result<Bytes> {
    tests.sort_by(|a, b| a.status.cmp(&b.status).then(b.ms.cmp(&a.ms)));
    let named = tests.len();
    let mut bytes = 0_usize;
    let mut fits = |test: &Tested| {
        let message = test.message.as_ref().map_or(0, String::len);
        bytes = bytes.saturating_add(test.name.len() + test.suite.len() + message + 100);
        bytes <= MAX_BYTES
    };
    let fitting = tests.iter().take(MAX_TESTS).take_while(|test| fits(test)).count();
    tests.truncate(fitting);
    let left_out = dropped.saturating_add((named - tests.len()) as u64);
    let head = TestsHead { schema: SCHEMA, total, kept: tests.len() as u64, left_out };
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    line(&mut packed, &head)?;
    for test in &tests {
        line(&mut packed, test)?;
    }
    Ok(packed.finish()?.into())
}

fn line(into: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *into, value)?;
    into.write_all(b"\n")
}

/// What is asked of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Only those with this status.
    pub status: Option<TestStatus>,
    /// Only those with this in their name, suite or message, in whatever case.
    pub text: Option<String>,
    /// The slowest first, whatever became of them.
    pub slowest: bool,
    /// So many are passed over.
    pub from: usize,
    /// Most of them.
    pub limit: usize,
}

/// A piece of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What stands before the list.
    pub head: TestsHead,
    /// How many have each status, of all that are kept.
    pub statuses: Vec<(TestStatus, u64)>,
    /// How many of those that are kept are asked for.
    pub found: usize,
    /// Those that are wanted of them.
    pub tests: Vec<Tested>,
}

/// Reads the lists of single tests.
#[async_trait]
pub trait TestLists: Send + Sync {
    /// What is asked of the list of a stage; none where there is no such list, or it is not kept
    /// any more.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where it is damaged.
    async fn ask(
        &self,
        run_id: &RunId,
        state: &StateName,
        question: &Question,
    ) -> Result<Option<Answer>, StoreError>;
}

/// The lists that are kept in an artifact store.
pub struct KeptTests(pub Arc<dyn Artifacts>);

#[async_trait]
impl TestLists for KeptTests {
    async fn ask(
        &self,
        run_id: &RunId,
        state: &StateName,
        question: &Question,
    ) -> Result<Option<Answer>, StoreError> {
        let key = kept_key(run_id.as_str(), state);
        let Some(packed) = self.0.get(&key).await? else { return Ok(None) };
        let question = question.clone();
        let answer = tokio::task::spawn_blocking(move || read(&key, &packed, &question)).await;
        answer.map_err(|error| StoreError::unavailable("reading a list stopped", error))?.map(Some)
    }
}

/// Reads what is asked for of a list.
///
/// # Errors
/// [`StoreError::Unreadable`] where it is damaged, or of a form that is not known.
pub fn read(key: &str, packed: &[u8], question: &Question) -> Result<Answer, StoreError> {
    let damaged = |what: &str| {
        StoreError::Unreadable(Box::new(Unreadable {
            key: key.to_owned(),
            reason: UnreadableReason::Damaged(what.to_owned()),
        }))
    };
    let mut lines = BufReader::new(GzDecoder::new(packed).take(UNPACKED));
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| -> Result<bool, StoreError> {
        line.clear();
        let read = (&mut lines).take(LINE).read_until(b'\n', line);
        match read {
            Ok(0) => Ok(false),
            Ok(_) if line.ends_with(b"\n") => Ok(true),
            Ok(_) => Err(damaged("a line has no end")),
            Err(_) => Err(damaged("it cannot be unpacked")),
        }
    };
    if !next(&mut line)? {
        return Err(damaged("it is empty"));
    }
    let head: TestsHead =
        serde_json::from_slice(&line).map_err(|_| damaged("its head cannot be read"))?;
    if head.schema > SCHEMA {
        return Err(damaged("a newer program wrote it"));
    }
    let text = question.text.as_deref().map(str::to_lowercase);
    let mut statuses: Vec<(TestStatus, u64)> =
        TestStatus::ALL.iter().map(|status| (*status, 0)).collect();
    let mut answer = Answer { head, statuses: Vec::new(), found: 0, tests: Vec::new() };
    while next(&mut line)? {
        let test: Tested =
            serde_json::from_slice(&line).map_err(|_| damaged("a test of it cannot be read"))?;
        if let Some((_, number)) = statuses.iter_mut().find(|(status, _)| *status == test.status) {
            *number += 1;
        }
        if !is_asked_for(&test, question.status, text.as_deref()) {
            continue;
        }
        answer.found += 1;
        let is_of_the_piece = answer.found > question.from && answer.tests.len() < question.limit;
        if question.slowest || is_of_the_piece {
            answer.tests.push(test);
        }
    }
    if question.slowest {
        answer.tests.sort_by_key(|test| std::cmp::Reverse(test.ms));
        answer.tests = answer.tests.into_iter().skip(question.from).take(question.limit).collect();
    }
    answer.statuses = statuses;
    Ok(answer)
}

fn is_asked_for(test: &Tested, status: Option<TestStatus>, text: Option<&str>) -> bool {
    if status.is_some_and(|status| status != test.status) {
        return false;
    }
    let Some(text) = text else { return true };
    let has = |part: &str| part.to_lowercase().contains(text);
    has(&test.name) || has(&test.suite) || test.message.as_deref().is_some_and(has)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn test(name: &str, status: TestStatus, ms: u64) -> Tested {
        Tested { ms: Some(ms), ..Tested::new(name.to_owned(), status) }
    }

    fn names(answer: &Answer) -> Vec<&str> {
        answer.tests.iter().map(|test| test.name.as_str()).collect()
    }

    #[test]
    fn the_gravest_come_first_and_questions_narrow() {
        let tests = vec![
            test("quick", TestStatus::Passed, 1),
            test("slow", TestStatus::Passed, 900),
            Tested {
                message: Some("expected 3, got 4".to_owned()),
                ..test("wrong", TestStatus::Failed, 5)
            },
            Tested { attempts: 2, ..test("shaky", TestStatus::Flaky, 7) },
        ];
        let packed = write(tests, Some(9), 0).expect("a list");
        let ask = |question: Question| {
            read("k", &packed, &Question { limit: 2, ..question }).expect("an answer")
        };
        let first = ask(Question::default());
        assert_eq!((names(&first), first.found), (vec!["wrong", "shaky"], 4));
        assert_eq!((first.head.total, first.head.kept), (Some(9), 4));
        assert_eq!(first.statuses[0], (TestStatus::Failed, 1));
        assert_eq!(first.statuses[3], (TestStatus::Passed, 2));
        assert_eq!(names(&ask(Question { from: 2, ..Question::default() })), ["slow", "quick"]);
        let slowest = ask(Question { slowest: true, ..Question::default() });
        assert_eq!(names(&slowest), ["slow", "shaky"]);
        let said = Question { text: Some("GOT 4".to_owned()), ..Question::default() };
        assert_eq!(names(&ask(said)), ["wrong"]);
        let passed = Question { status: Some(TestStatus::Passed), ..Question::default() };
        assert_eq!(ask(passed).found, 2);
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted_but_no_failure_before_what_passed() {
        let passed = (0..MAX_TESTS).map(|n| test(&n.to_string(), TestStatus::Passed, 1));
        let tests = passed.chain([test("wrong", TestStatus::Failed, 1)]).collect();
        let packed = write(tests, None, 2).expect("a list");
        let answer = read("k", &packed, &Question { limit: 1, ..Question::default() });
        let answer = answer.expect("an answer");
        assert_eq!(names(&answer), ["wrong"]);
        assert_eq!((answer.head.kept, answer.head.left_out), (MAX_TESTS as u64, 3));
    }

    #[test]
    fn what_is_damaged_or_newer_is_not_read() {
        let packed = write(vec![test("a", TestStatus::Passed, 1)], None, 0).expect("a list");
        let ask = |packed: &[u8]| read("k", packed, &Question::default());
        assert!(ask(&packed).is_ok());
        let pack = |text: &str| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).expect("in memory");
            packed.finish().expect("in memory")
        };
        for bad in [
            b"no archive".to_vec(),
            packed.get(..packed.len() - 12).expect("a beginning").to_vec(),
            pack(""),
            pack("{\"schema\":2,\"kept\":0}\n"),
            pack("{\"schema\":1,\"kept\":1}\n{\"name\":\"a\"}\n"),
            pack(&format!("{{\"schema\":1,\"kept\":1}}\n{}\n", " ".repeat(40_000))),
        ] {
            assert!(matches!(ask(&bad), Err(StoreError::Unreadable(_))));
        }
    }
}
