//! The script of a phase: its commands one after the other in one shell, whose folder and
//! exported variables the next phase finds again.

use std::{fs, io::Read, path::Path};

use nix::fcntl::OFlag;

/// The script. `state` is where it keeps what the next one needs.
pub(crate) fn script(commands: &[String], state: &Path, source: &Path) -> String {
    let state = quote(&state.display().to_string());
    let mut text = format!(
        "__state={state}; __succeeding=$CODEBUILD_BUILD_SUCCEEDING\n\
         [ -f \"$__state/environment\" ] && . \"$__state/environment\"\n\
         export CODEBUILD_BUILD_SUCCEEDING=\"$__succeeding\"\n\
         if [ -f \"$__state/folder\" ]; then cd \"$(cat \"$__state/folder\")\"; else cd {}; fi\n\
         __keep() {{ __code=$?; export -p >\"$__state/environment\"; pwd >\"$__state/folder\"; exit $__code; }}\n\
         trap __keep EXIT\n",
        quote(&source.display().to_string())
    );
    for (number, command) in commands.iter().enumerate() {
        let first = command.lines().next().unwrap_or_default();
        let shown = quote(&format!("[Container] Running command {first}"));
        text.push_str(&format!(
            "echo {number} >\"$__state/command\"\nprintf '%s\\n' {shown}\neval {}\n__code=$?; [ $__code -eq 0 ] || exit $__code\n",
            quote(command)
        ));
    }
    text
}

/// The command that was running when a script ended, as far as the build has not changed that.
pub(crate) fn failed(state: &Path, script: &Path) -> String {
    let number = read(&state.join("command")).unwrap_or_default();
    let number: usize = number.trim().parse().unwrap_or(0);
    let text = fs::read_to_string(script).unwrap_or_default();
    let line = text
        .lines()
        .filter_map(|line| line.strip_prefix("printf '%s\\n' '[Container] Running command "))
        .nth(number);
    let line = line.and_then(|line| line.strip_suffix('\'')).unwrap_or("unknown");
    line.chars().take(200).collect::<String>().replace("'\\''", "'")
}

/// Reads a small file that the build may have replaced with anything.
fn read(path: &Path) -> Option<String> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let mut text = String::new();
    file.metadata().ok()?.is_file().then_some(())?;
    file.take(64).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A word of the shell.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_failing_command_ends_the_phase_and_the_next_goes_on_where_it_stood() {
        let folder = tempfile::tempdir().unwrap();
        let run = |commands: &[&str]| {
            let commands: Vec<_> = commands.iter().map(|c| (*c).to_owned()).collect();
            let file = folder.path().join("phase.sh");
            fs::write(&file, script(&commands, folder.path(), folder.path())).unwrap();
            let output = Command::new("sh").arg(&file).output().unwrap();
            (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap(),
                failed(folder.path(), &file),
            )
        };
        let (code, text, command) =
            run(&["export A='it'\"'\"'s'\nmkdir sub; cd sub", "false # it's", "echo never"]);
        assert_eq!(code, Some(1));
        assert!(!text.lines().any(|line| line == "never"), "{text}");
        assert_eq!(command, "false # it's");
        let (code, text, _) = run(&["echo $A; basename \"$PWD\"", "exit 0", "echo never"]);
        assert_eq!(code, Some(0));
        assert!(text.contains("it's\nsub\n"), "{text}");
    }
}
