//! `pactctl validate`: settings of a repository, and this program's own definitions.

use std::path::{Path, PathBuf};

use pact_agent::globs::Globs;
use pact_config::filters;
use pact_contract::settings::OnSettings;
use serde_json::json;

use super::{files, init::would_build};
use crate::{
    document,
    failure::{Context, Exit, Failure},
    stack, term,
};

/// Checks; every fault is printed.
pub(crate) fn validate(path: &Path, json: bool, schema: bool) -> Result<Exit, Failure> {
    if schema {
        let forms = pact_config::Forms::published().doing("read the forms of the settings")?;
        let schema = forms.schema();
        document::print(&schema)?;
        return Ok(Exit::Success);
    }
    let mut faults = definition_faults()?;
    let file = settings_file(path)?;
    let mut on = OnSettings::default();
    if let Some(file) = &file {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::usage(format!("cannot read {}: {e}", file.display())))?;
        match pact_config::parse(&text, &file.to_string_lossy()) {
            Ok(settings) => {
                let root = file.parent().filter(|root| *root != Path::new(""));
                let root = root.unwrap_or(Path::new("."));
                faults.extend(rule_faults(root, &settings.security.rules)?);
                let place = |key: &str| match pact_config::policy::place_of(&text, key) {
                    Some((line, _)) => format!("{}:{line}", file.display()),
                    None => file.display().to_string(),
                };
                for (index, condition) in settings.conditions.iter().enumerate() {
                    let key = format!("conditions.{index}.when");
                    if let Err(why) = pact_conditions::check(&condition.when) {
                        faults.push(format!("{}: {key} {why}", place(&key)));
                    }
                }
                on = settings.on;
            }
            Err(errors) => faults.extend(errors.to_string().lines().map(str::to_owned)),
        }
    }
    // Who builds nothing is told what would, where the folder has it.
    let text = file.as_deref().and_then(|file| std::fs::read_to_string(file).ok());
    let builds = |line: &str| line == "[build]" || line.starts_with("build =");
    let builds = text.is_some_and(|text| text.lines().any(|line| builds(line.trim())));
    let build = Some(path).filter(|path| path.is_dir() && !builds);
    let build = build.and_then(pact_test_agent::detected_build);
    let shown = file.as_deref().map(|f| f.display().to_string());
    if json {
        let document = json!({
            "path": shown, "valid": faults.is_empty(), "faults": faults, "on": on,
            "would_build": build.as_ref().map(|build| &build.commands),
        });
        document::print(&document)?;
    } else {
        for fault in &faults {
            term::error(fault);
        }
        if faults.is_empty() {
            match shown {
                Some(path) => println!("{path} is valid"),
                None => println!("there is no pact.toml: every setting has its default"),
            }
            for line in filters::described(&on) {
                println!("  {line}");
            }
            if let Some(build) = &build {
                println!("  {}", term::plain(&would_build(build)));
            }
        }
    }
    Ok(if faults.is_empty() { Exit::Success } else { Exit::Usage })
}

/// What is wrong with the files of the repository's own rules.
fn rule_faults(root: &Path, globs: &[String]) -> Result<Vec<String>, Failure> {
    let mut faults = Vec::new();
    let all = if globs.is_empty() { Vec::new() } else { files::below(root)? };
    for glob in globs {
        let one = Globs::new("security.rules", std::slice::from_ref(glob))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let below = all.iter().filter_map(|path| {
            let inside = path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
            one.covers(&inside).then_some((path, inside))
        });
        let files: Vec<(&PathBuf, String)> = below.collect();
        if files.is_empty() {
            faults.push(format!("security.rules names {glob:?}, and no file is there"));
        }
        for (path, shown) in files {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Failure::usage(format!("cannot read {shown}: {e}")))?;
            if let Err(wrong) = pact_security_agent::check_rules(&shown, &text) {
                faults.extend(wrong.into_iter().map(|fault| match fault.line {
                    Some(line) => format!("{shown}:{line}: {}", fault.message),
                    None => format!("{shown}: {}", fault.message),
                }));
            }
        }
    }
    Ok(faults)
}

/// The settings of a folder, where it has any; or the file itself.
pub(super) fn settings_file(path: &Path) -> Result<Option<PathBuf>, Failure> {
    if path.is_dir() {
        let mut found = pact_config::FILE_NAMES.iter().filter(|name| path.join(name).exists());
        return match (found.next(), found.next()) {
            (Some(first), Some(second)) => {
                let fault = pact_config::duplicate(first, second);
                Err(Failure::usage(format!("{}: {fault}", path.display())))
            }
            (first, _) => Ok(first.map(|name| path.join(name))),
        };
    }
    if path.exists() {
        return Ok(Some(path.to_owned()));
    }
    Err(Failure::usage(format!("{} does not exist", path.display())))
}

fn definition_faults() -> Result<Vec<String>, Failure> {
    let mut faults = stack::template_errors();
    for (name, text) in stack::machines()? {
        if let Err(diagnostics) = local_step_functions::validate(&text) {
            faults.extend(diagnostics.iter().map(|d| format!("state-machines/{name}: {d}")));
        }
    }
    Ok(faults)
}
