//! Parses every file of folders, which are taken to be valid, and says which do not parse; with
//! `--break`, breaks files that parse, and says which breakages are found and in which line.
//!
//! ```sh
//! cargo run --release -p pact-code-agent --example corpus -- FOLDER...
//! cargo run --release -p pact-code-agent --example corpus -- --break 2000 --out FOLDER FOLDER...
//! ```
//!
//! `--out` keeps the broken files below a folder with `cases.tsv` (file, language, kind, line, what was
//! said), so that compilers of the languages can say whether each of them is broken: a letter too
//! much in a name, for example, is not.

#![expect(clippy::print_stdout, reason = "it prints what it saw")]

mod breakages;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use breakages::Breakage;
use pact_code_agent::measured::{self, Place, Seen};

/// Stack of a worker: parsers recurse.
const STACK: usize = 512 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut folders, mut breaks, mut out) = (Vec::new(), None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--break" => breaks = Some(words.next().ok_or("how many?")?.parse::<usize>()?),
            "--out" => out = Some(PathBuf::from(words.next().ok_or("to which folder?")?)),
            _ => folders.push(PathBuf::from(word)),
        }
    }
    if folders.is_empty() {
        return Err("name folders of files".into());
    }
    let files = files(folders);
    match breaks {
        None => parse(&files),
        Some(count) => break_files(&files, count, out.as_deref())?,
    }
    Ok(())
}

fn files(mut open: Vec<PathBuf>) -> Vec<String> {
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        let Ok(kind) = fs::symlink_metadata(&path) else { continue };
        if kind.is_dir() {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        } else if kind.is_file() && kind.len() <= measured::MAX_FILE {
            files.extend(path.to_str().map(str::to_owned));
        }
    }
    files.sort_unstable();
    files
}

/// Does `work` for every item on all processors.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let spawned = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
            assert!(spawned.is_ok(), "no thread can be started");
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn read(path: &str) -> Option<(Vec<u8>, &'static str)> {
    let content = fs::read(path).ok()?;
    if content.iter().take(8_000).any(|byte| *byte == 0) {
        return None;
    }
    let language = measured::language(path, &content)?;
    Some((content, language))
}

fn first(places: &[Place]) -> String {
    places.first().map_or(String::new(), |p| format!(":{}:{}: {}", p.line, p.column, p.message))
}

fn parse(files: &[String]) {
    let seen = each(files, |path| {
        let (content, language) = read(path)?;
        Some((language, measured::syntax(path, &content)))
    });
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut causes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (path, seen) in files.iter().zip(seen) {
        let Some((language, seen)) = seen else { continue };
        let mut count = |what: usize| {
            if let Some(slot) = counts.entry(language).or_default().get_mut(what) {
                *slot += 1;
            }
        };
        match seen {
            Seen::Parsed => count(0),
            Seen::Unsure { cause, reason, places } => {
                count(1);
                *causes.entry((cause, language)).or_default() += 1;
                println!("unsure\t{language}\t{cause}\t{path}{}\t{reason}", first(&places));
            }
            Seen::Broken(places) => {
                count(2);
                println!("BROKEN\t{language}\t{path}{}", first(&places));
            }
            Seen::NotParsed(_) => {}
        }
    }
    let mut total = [0; 3];
    for (language, count) in &counts {
        println!("{language}: {} parsed, {} unsure, {} broken", count[0], count[1], count[2]);
        for (sum, n) in total.iter_mut().zip(count) {
            *sum += n;
        }
    }
    for ((cause, language), count) in causes {
        println!("unsure by {cause}: {language} {count}");
    }
    println!(
        "{} languages, {} parsed, {} unsure, {} broken",
        counts.len(),
        total[0],
        total[1],
        total[2]
    );
}

/// How often breakages were made, found, unsure of, and found in the right line.
#[derive(Default)]
struct Tally {
    made: usize,
    found: usize,
    unsure: usize,
    placed: usize,
}

fn break_files(files: &[String], count: usize, out: Option<&Path>) -> std::io::Result<()> {
    // Every language as often, each of its files once at most.
    let mut by_language: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for path in files {
        if let Some((content, language)) = read(path)
            && content.len() < 200_000
            && breakages::has_kinds(language)
        {
            by_language.entry(language).or_default().push(path);
        }
    }
    let share = count.div_ceil(by_language.len().max(1));
    let mut cases = Vec::new();
    for (language, paths) in by_language {
        let mut seed = breakages::Random::new(language);
        let (mut made, mut tries) = (0, 0);
        while made < share && tries < share * 20 {
            tries += 1;
            let Some(path) = seed.choose(&paths) else { break };
            let Some((content, _)) = read(path) else { continue };
            let Ok(text) = String::from_utf8(content) else { continue };
            let name = path.rsplit('/').next().unwrap_or(path);
            if measured::syntax(name, text.as_bytes()) != Seen::Parsed {
                continue;
            }
            let Some(broken) = breakages::make(language, &text, &mut seed) else { continue };
            cases.push(((*path).clone(), language, broken));
            made += 1;
        }
    }
    // By the name alone: what lies among fixtures is never certain.
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let seen =
        each(&cases, |(path, _, broken)| measured::syntax(&name(path), broken.text.as_bytes()));
    let mut tallies: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    let mut list = String::new();
    for (number, ((path, language, broken), seen)) in cases.iter().zip(&seen).enumerate() {
        let (said, line) = said(seen);
        let file = format!("{number}/{}", name(path));
        list.push_str(&format!(
            "{file}\t{language}\t{}\t{}\t{said}\t{line}\t{path}\n",
            broken.kind, broken.line
        ));
        if let Some(out) = out {
            fs::create_dir_all(out.join(number.to_string()))?;
            fs::write(out.join(&file), &broken.text)?;
        }
        for key in [(*language, ""), ("", broken.kind)] {
            count_in(tallies.entry(key).or_default(), broken, seen);
        }
    }
    if let Some(out) = out {
        fs::write(out.join("cases.tsv"), list)?;
    }
    for ((language, kind), tally) in tallies {
        let Tally { made, found, unsure, placed } = tally;
        println!(
            "{language}{kind}: {made} made, {found} found, {unsure} unsure, {placed} in their line"
        );
    }
    Ok(())
}

fn said(seen: &Seen) -> (&'static str, u32) {
    let line = |places: &[Place]| places.first().map_or(0, |place| place.line);
    match seen {
        Seen::Parsed => ("parsed", 0),
        Seen::Broken(places) => ("broken", line(places)),
        Seen::Unsure { places, .. } => ("unsure", line(places)),
        Seen::NotParsed(_) => ("unknown", 0),
    }
}

fn count_in(tally: &mut Tally, broken: &Breakage, seen: &Seen) {
    tally.made += 1;
    match seen {
        Seen::Broken(places) => {
            tally.found += 1;
            tally.placed += usize::from(places.iter().any(|place| broken.is_at(place.line)));
        }
        Seen::Unsure { .. } => tally.unsure += 1,
        _ => {}
    }
}
