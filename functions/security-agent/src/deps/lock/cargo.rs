//! `Cargo.lock`.

use cargo_lock::Lockfile;
use pact_contract::nesting;

use super::form::{Parsed, toml_lines};
use crate::deps::{Ecosystem, verdict::short};

pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let lock: Lockfile = text.parse().map_err(|e: cargo_lock::Error| {
        short(&nesting::said(&e.to_string(), nesting::TOML), 300)
    })?;
    let lines = toml_lines(text);
    let mut out = Parsed::default();
    for package in lock.packages {
        // Without a source it is part of the repository.
        let own = package.source.as_ref().is_none_or(|source| source.is_path());
        for other in &package.dependencies {
            match own {
                true => out.graph.direct(other.name.as_str(), false),
                false => out.graph.needs(package.name.as_str(), other.name.as_str()),
            }
        }
        let Some(source) = package.source.as_ref().filter(|_| !own) else { continue };
        let version = package.version.to_string();
        let line = lines.get(&(package.name.as_str(), version.as_str())).copied();
        let name = package.name.to_string();
        if source.is_default_registry() {
            out.push(Ecosystem::CratesIo, &name, &version, line);
        } else {
            out.elsewhere(&name, line);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{
        super::form::{NOT_FROM_REGISTRY, Unchecked},
        *,
    };

    #[test]
    fn registry_packages_have_their_line_and_others_are_named() {
        let text = concat!(
            "version = 4\n\n",
            "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"a 1.0.0\",\n \"a 2.0.0\",\n \"g\",\n]\n\n",
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n",
            "[[package]]\nname = \"a\"\nversion = \"2.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n",
            "[[package]]\nname = \"g\"\nversion = \"0.3.0\"\nsource = \"git+https://git.acme.io/g#0123456789abcdef0123456789abcdef01234567\"\n",
        );
        let parsed = parse(text).expect("a lock file");
        let packages: Vec<_> = parsed
            .packages
            .iter()
            .map(|(p, line)| (p.name.as_str(), p.version.as_str(), *line))
            .collect();
        assert_eq!(packages, [("a", "1.0.0", Some(13)), ("a", "2.0.0", Some(18))]);
        assert_eq!(
            parsed.unchecked,
            [Unchecked { name: "g".into(), line: Some(23), why: NOT_FROM_REGISTRY }]
        );
    }
}
