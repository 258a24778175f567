//! How fast files are parsed and measured, beside what is meant: `cargo bench -p pact-code-agent`.
//!
//! Files are those below the folders of `PACT_BENCH_CORPUS` (separated by commas), or else of this
//! repository. One core, each file read before.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "it prints what it measured")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pact_code_agent::measured;

/// Most bytes of files that are read, of one language and in all.
const MAX_OF_LANGUAGE: usize = 20 << 20;
const MAX_BYTES: usize = 400 << 20;
/// Stack: parsers recurse.
const STACK: usize = 512 << 20;
/// Megabytes a second that are meant.
const MEANT: f64 = 30.0;

fn main() {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(|| {
        let files = files();
        table("syntax", &files, |path, content| {
            black_box(measured::syntax(path, content));
            true
        });
        table("functions", &files, |path, content| {
            measured::is_measured(path) && black_box(measured::functions(path, content)).is_ok()
        });
    });
    thread.expect("a thread starts").join().expect("it ends");
}

struct File {
    path: String,
    content: Vec<u8>,
    language: &'static str,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = std::env::var("PACT_BENCH_CORPUS").ok();
    let mut open: Vec<PathBuf> = match &folders {
        Some(list) => list.split(',').map(PathBuf::from).collect(),
        None => ["functions", "infra", "state-machines", "tests"].map(|f| root.join(f)).into(),
    };
    let mut of_language: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut files, mut bytes) = (Vec::new(), 0);
    while let Some(path) = open.pop() {
        let Ok(kind) = std::fs::symlink_metadata(&path) else { continue };
        if kind.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        } else if kind.is_file() && kind.len() <= measured::MAX_FILE && bytes < MAX_BYTES {
            let content = std::fs::read(&path).unwrap_or_default();
            let path = path.to_string_lossy().into_owned();
            let Some(language) = measured::language(&path, &content) else { continue };
            let size = of_language.entry(language).or_default();
            if !content.contains(&0) && *size < MAX_OF_LANGUAGE {
                *size += content.len();
                bytes += content.len();
                files.push(File { path, content, language });
            }
        }
    }
    files
}

/// What each language takes; `work` says whether it did anything.
fn table(what: &str, files: &[File], work: impl Fn(&str, &[u8]) -> bool) {
    let mut all: BTreeMap<&str, (usize, usize, Duration)> = BTreeMap::new();
    for file in files {
        let started = Instant::now();
        if !work(&file.path, &file.content) {
            continue;
        }
        let took = started.elapsed();
        let (count, bytes, time) = all.entry(file.language).or_default();
        *count += 1;
        *bytes += file.content.len();
        *time += took;
    }
    let mut sum = (0, Duration::ZERO);
    for (language, (count, bytes, time)) in &all {
        let speed = per_second(*bytes, *time);
        println!("{what}, {language}: {speed:.1} MB/s, {count} files, {:.1} MB", megabytes(*bytes));
        sum = (sum.0 + bytes, sum.1 + *time);
    }
    let speed = per_second(sum.0, sum.1);
    println!("{what} in all: {speed:.1} MB/s (at least {MEANT:.0} for syntax)");
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn per_second(bytes: usize, time: Duration) -> f64 {
    megabytes(bytes) / time.as_secs_f64().max(1e-9)
}
