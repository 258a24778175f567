//! How fast the checks are, beside what they are meant to be: `cargo bench -p pact-security-agent`.
//!
//! Files are those below the folders of `PACT_BENCH_CORPUS` (separated by commas), or else of this
//! repository. One core, each file read before. Times are those of the processor where Linux tells
//! them: what else runs on the machine counts neither way.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "it prints what it measured")]

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

use pact_security_agent::{SecretsEngine, compile_advisories, measured};

/// Most bytes of files that are read.
const MAX_BYTES: usize = 200 << 20;
/// Records of the index, two or three to a name, and packages of the lock file, each with some.
const RECORDS: usize = 250_000;
const PACKAGES: usize = 3_000;

/// What this thread has used of the processor so far, or else the time that has gone by.
fn spent() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

fn main() {
    let files = files();
    let bytes: usize = files.iter().map(|(_, content)| content.len()).sum();
    println!("{} files, {:.1} MB", files.len(), megabytes(bytes));
    secrets(&files, bytes);
    analysis(&files);
    let before = memory();
    dependencies();
    println!(
        "memory: {before:?} MB with all files above read, {:?} MB with an index made besides",
        memory()
    );
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn per_second(bytes: usize, time: Duration) -> f64 {
    megabytes(bytes) / time.as_secs_f64().max(1e-9)
}

fn files() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = std::env::var("PACT_BENCH_CORPUS").ok();
    let mut open: Vec<PathBuf> = match &folders {
        Some(list) => list.split(',').map(PathBuf::from).collect(),
        None => ["functions", "infra", "state-machines", "tests"].map(|f| root.join(f)).into(),
    };
    let (mut files, mut bytes) = (Vec::new(), 0);
    while let Some(path) = open.pop() {
        let Ok(kind) = std::fs::symlink_metadata(&path) else { continue };
        if kind.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        } else if kind.is_file() && kind.len() < 1 << 20 && bytes < MAX_BYTES {
            let content = std::fs::read(&path).unwrap_or_default();
            if !content.contains(&0) {
                bytes += content.len();
                files.push((path.to_string_lossy().into_owned(), content));
            }
        }
    }
    files
}

fn secrets(files: &[(String, Vec<u8>)], bytes: usize) {
    let engine = SecretsEngine::new().expect("the kinds are valid");
    let started = spent();
    let found: usize =
        files.iter().map(|(path, content)| engine.scan(path, content).found.len()).sum();
    let speed = per_second(bytes, spent() - started);
    println!("secrets: {speed:.0} MB/s (at least 100), {found} found");
}

fn analysis(files: &[(String, Vec<u8>)]) {
    let analysis = measured::Analysis::new().expect("the rules are valid");
    let mut all: BTreeMap<&str, (usize, usize, Duration, usize)> = BTreeMap::new();
    for (path, content) in files {
        let started = spent();
        let Some((language, found)) = analysis.file(path, content) else { continue };
        let (count, bytes, time, findings) = all.entry(language).or_default();
        *count += 1;
        *bytes += content.len();
        *time += spent() - started;
        *findings += found.len();
    }
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for (language, (count, size, took, found)) in &all {
        let speed = per_second(*size, *took);
        println!("static analysis, {language}: {speed:.1} MB/s, {count} files, {found} found");
        bytes += size;
        time += *took;
    }
    let speed = per_second(bytes, time);
    println!("static analysis in all: {speed:.1} MB/s (at least 8)");
}

/// An archive of records, as OSV gives them out.
fn written(path: &Path) -> io::Result<()> {
    let mut archive = zip::ZipWriter::new(io::BufWriter::new(std::fs::File::create(path)?));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for number in 0..RECORDS {
        archive.start_file(format!("R-{number}.json"), stored)?;
        write!(
            archive,
            "{{\"id\":\"R-{number}\",\"modified\":\"2024-01-01T00:00:00Z\",\"affected\":[{{\"package\":\
             {{\"ecosystem\":\"crates.io\",\"name\":\"crate-{}\"}},\"ranges\":[{{\"type\":\"SEMVER\",\"events\":\
             [{{\"introduced\":\"0\"}},{{\"fixed\":\"1.{number}.0\"}}]}}]}}]}}",
            number % 100_000
        )?;
    }
    archive.finish()?;
    Ok(())
}

/// The most memory that this process has had, in megabytes, where Linux tells it.
fn memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().split(' ').next()?.parse::<usize>().ok()? / 1_000)
}

fn dependencies() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("records.zip");
    written(&records).expect("the records are written");
    let index = folder.path().join("advisories.index");
    compile_advisories(&records, &index).expect("is compiled");
    let mut lock = "version = 4\n".to_owned();
    let mut packages = Vec::new();
    for number in 0..PACKAGES {
        let (name, version) = (format!("crate-{}", number * 3), "1.5.0".to_owned());
        lock.push_str(&format!(
            "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \
             \"registry+https://github.com/rust-lang/crates.io-index\"\n"
        ));
        packages.push((name, version));
    }
    let started = Instant::now();
    let used = spent();
    let read = measured::lock_file("Cargo.lock", lock.as_bytes());
    let found = measured::advisories(&index, &packages).expect("is asked");
    let (time, used) = (started.elapsed().as_secs_f64(), (spent() - used).as_secs_f64());
    println!(
        "{PACKAGES} packages against {RECORDS} records: {time:.3} s, {used:.3} s of the processor (under \
         0.2), {found} records; the lock file has {}",
        read.and_then(Result::ok).unwrap_or_default()
    );
}
