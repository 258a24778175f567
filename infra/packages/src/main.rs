//! `cargo packages`: builds the packages that go to AWS, and measures their start.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use pact_packages::{
    Built, Machine, PackageError, Start, Subject, Workspace, build, find, functions, hello, start,
};

/// Packages of the functions: built, and their start measured.
#[derive(Debug, Parser)]
#[command(name = "cargo packages", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Folder of the packages [default: `packages` in cargo's target folder].
    #[arg(long, global = true, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Profile of cargo. `release` is what goes to AWS, and what `sam build` takes; `gate` is built
    /// in a third of the time.
    #[arg(long, global = true, default_value = "release")]
    profile: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build every function of the template and pack it; fails when a package is over its limit.
    Build {
        /// For Lambda's arm64, through cargo-lambda. Without it for this machine, to be tried here.
        #[arg(long)]
        arm64: bool,
    },
    /// Start every package many times, a function that does nothing beside them, and show how long
    /// they take until they ask for work.
    Start {
        /// Starts of each; the median counts.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
        starts: u16,
        /// Fail when a median is over its limit.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Build { arm64 } => build_all(cli.folder, arm64, &cli.profile),
        Command::Start { starts, check } => start_all(cli.folder, starts, check, &cli.profile),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all packages are within their limits.
fn build_all(folder: Option<PathBuf>, arm64: bool, profile: &str) -> Result<bool, PackageError> {
    let workspace = Workspace::find()?;
    let functions = functions(&workspace.template())?;
    let folder = folder.unwrap_or_else(|| workspace.packages());
    let machine = if arm64 { Machine::Arm64 } else { Machine::Here };
    let built = build(&workspace, &functions, machine, profile, &folder)?;
    println!("{:<16} {:>10} {:>10} {:>10}", "package", "program", "zip", "limit");
    for one in &built {
        let Built { binary, program, zip, limit } = one;
        let over = if one.fits() { "" } else { "  over its limit" };
        println!(
            "{binary:<16} {:>7.2} MB {:>7.2} MB {:>7.2} MB{over}",
            megabytes(*program),
            megabytes(*zip),
            megabytes(*limit)
        );
    }
    println!("in {}", folder.display());
    Ok(built.iter().all(Built::fits))
}

/// Whether all starts are within their limits, or nobody asked.
fn start_all(
    folder: Option<PathBuf>,
    starts: u16,
    check: bool,
    profile: &str,
) -> Result<bool, PackageError> {
    let workspace = Workspace::find()?;
    let functions = functions(&workspace.template())?;
    let folder = folder.unwrap_or_else(|| workspace.packages());
    let unpacked = workspace.packages().join("unpacked");
    let mut subjects = vec![(hello(&workspace, profile)?, None)];
    for function in functions {
        let program = program(&folder, &function.binary, &function.logical_id, &unpacked)?;
        let subject = Subject { name: function.binary, program, environment: function.environment };
        subjects.push((subject, Some(function.limits.start)));
    }
    // One after the other, again and again: what else the machine does falls on all alike.
    let mut results = vec![Vec::with_capacity(starts.into()); subjects.len()];
    for _ in 0..starts {
        for ((subject, _), results) in subjects.iter().zip(&mut results) {
            results.push(start(subject)?);
        }
    }
    println!(
        "{:<16} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7}",
        "function", "median", "slowest", "ratio", "limit", "memory", "ratio"
    );
    let mut base = None;
    let mut within = true;
    for ((subject, limit), results) in subjects.iter().zip(results) {
        let Some(seen) = Seen::of(results) else { continue };
        let base = base.get_or_insert(seen);
        let over = limit.is_some_and(|limit| seen.median > limit);
        within &= !over;
        println!(
            "{:<16} {:>6.1} ms {:>6.1} ms {:>6.1}x {:>9} {:>6.1} MB {:>6.1}x{}",
            subject.name,
            milliseconds(seen.median),
            milliseconds(seen.slowest),
            seen.median.as_secs_f64() / base.median.as_secs_f64(),
            limit.map_or(String::new(), |l| format!("{:.1} ms", milliseconds(l))),
            megabytes(seen.memory),
            megabytes(seen.memory) / megabytes(base.memory),
            if over { "  over its limit" } else { "" },
        );
    }
    println!("{starts} starts of each");
    Ok(within || !check)
}

fn program(
    folder: &Path,
    binary: &str,
    logical_id: &str,
    into: &Path,
) -> Result<PathBuf, PackageError> {
    find(folder, binary, logical_id, into)?.ok_or_else(|| {
        let folder = folder.display();
        PackageError::Tool(format!("{folder} has no package of {binary}: `cargo packages build`"))
    })
}

/// What was seen of one function.
#[derive(Clone, Copy)]
struct Seen {
    median: Duration,
    slowest: Duration,
    /// The most of all starts.
    memory: u64,
}

impl Seen {
    fn of(mut starts: Vec<Start>) -> Option<Self> {
        starts.sort_by_key(|start| start.took);
        Some(Self {
            median: starts.get(starts.len() / 2)?.took,
            slowest: starts.last()?.took,
            memory: starts.iter().map(|start| start.memory).max()?,
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "two places are shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
