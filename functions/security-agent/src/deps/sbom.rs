//! The software bill of materials: what the lock files say is used, as a CycloneDX 1.5 document
//! (ECMA-424, <https://cyclonedx.org/docs/1.5/json/>).
//!
//! The same lock files make the same document, byte for byte: it has no serial number and no time.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
};

use cyclonedx_bom::{
    external_models::uri::Purl,
    models::{
        bom::SpecVersion,
        component::{Classification, Component, Components, Scope},
        dependency::{Dependencies, Dependency},
        metadata::Metadata,
        tool::{Tool, Tools},
    },
    prelude::Bom,
};

use super::{
    Package,
    lock::{self, Parsed, Way},
};
use crate::scope::text;

/// What the components are part of, as a reference within the document.
const ROOT: &str = "root";

/// What is used, and by what.
#[derive(Debug, Default)]
pub(crate) struct Materials {
    /// Each package; whether everything that uses it is for development only.
    packages: BTreeMap<Package, bool>,
    /// What the project itself asks for.
    direct: BTreeSet<Package>,
    needs: BTreeMap<Package, BTreeSet<Package>>,
}

impl Materials {
    /// Adds what one lock file says. Where it names several versions of a package and says of a use
    /// the name alone, the use is left out: it would be a guess.
    pub(crate) fn add(&mut self, parsed: &Parsed, ways: &BTreeMap<&str, Way>) {
        let mut named: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
        for (package, _) in &parsed.packages {
            named.entry(&package.name).or_default().push(package);
        }
        let only = |name: &str| match named.get(name).map(Vec::as_slice) {
            Some([package]) => Some((*package).clone()),
            _ => None,
        };
        for (package, _) in &parsed.packages {
            let way = ways.get(package.name.as_str());
            let development = way.is_some_and(|way| way.development == Some(true));
            let known = self.packages.entry(package.clone()).or_insert(development);
            *known &= development;
            if way.is_some_and(|way| way.names.len() == 1) {
                self.direct.insert(package.clone());
            }
            let needed = parsed.graph.needed_by(&package.name).filter_map(only);
            self.needs.entry(package.clone()).or_default().extend(needed);
        }
    }

    /// How many packages there are.
    pub(crate) fn len(&self) -> usize {
        self.packages.len()
    }

    /// The document about what is called `name`, in its version.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn document(self, name: &str, version: &str) -> Result<Vec<u8>, String> {
        let mut root =
            Component::new(Classification::Application, name, version, Some(ROOT.to_owned()));
        root.version = root.version.filter(|_| !version.is_empty());
        let tool = Tool::new("PACT", "security-agent", env!("CARGO_PKG_VERSION"));
        let mut dependencies = vec![dependency(ROOT.to_owned(), &self.direct)];
        dependencies.extend(self.needs.iter().map(|(by, what)| dependency(by.purl(), what)));
        let bom = Bom {
            version: 1,
            serial_number: None,
            spec_version: SpecVersion::V1_5,
            metadata: Some(Metadata {
                tools: Some(Tools::List(vec![tool])),
                component: Some(root),
                ..Metadata::default()
            }),
            components: Some(Components(
                self.packages.iter().map(|(package, dev)| component(package, *dev)).collect(),
            )),
            dependencies: Some(Dependencies(dependencies)),
            ..Bom::default()
        };
        let mut out = Vec::new();
        bom.output_as_json_v1_5(&mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }
}

/// The bill of materials of a folder, with what it leaves out.
#[derive(Debug)]
pub struct Sbom {
    /// A CycloneDX 1.5 document.
    pub document: Vec<u8>,
    /// How many packages it has.
    pub packages: usize,
    /// Lock files that it says nothing of, each with the reason.
    pub not_read: Vec<(String, String)>,
}

/// Makes the bill of materials of what is called `name` from its files, those of its lock files that
/// are among them.
///
/// # Errors
/// It cannot be written.
pub fn sbom<I>(name: &str, version: &str, files: I) -> Result<Sbom, String>
where
    I: IntoIterator<Item = (String, Vec<u8>)>,
{
    let mut materials = Materials::default();
    let mut not_read = Vec::new();
    for (path, content) in files {
        if let Some(why) = lock::not_read(&path) {
            not_read.push((path, why.to_owned()));
        } else if let Some(kind) = lock::kind(&path) {
            match lock::parse(kind, &text::decode(&content).text) {
                Ok(parsed) => {
                    let names = parsed.packages.iter().map(|(p, _)| p.name.as_str());
                    let ways = parsed.graph.ways(names);
                    materials.add(&parsed, &ways);
                    let left_out = parsed.unchecked.iter();
                    not_read
                        .extend(left_out.map(|u| (path.clone(), format!("{}: {}", u.name, u.why))));
                }
                Err(reason) => not_read.push((path, reason)),
            }
        }
    }
    let packages = materials.len();
    Ok(Sbom { document: materials.document(name, version)?, packages, not_read })
}

/// Whether the file at a path says which packages are used.
#[must_use]
pub fn is_lock_file(path: &str) -> bool {
    lock::kind(path).is_some() || lock::not_read(path).is_some()
}

fn component(package: &Package, development: bool) -> Component {
    let purl = package.purl();
    let mut component = Component::new(
        Classification::Library,
        &package.name,
        &package.version,
        Some(purl.clone()),
    );
    component.purl = Purl::from_str(&purl).ok();
    component.scope = Some(if development { Scope::Excluded } else { Scope::Required });
    component
}

fn dependency(by: String, what: &BTreeSet<Package>) -> Dependency {
    Dependency { dependency_ref: by, dependencies: what.iter().map(Package::purl).collect() }
}

#[cfg(test)]
mod tests {
    use cyclonedx_bom::validation::Validate as _;
    use serde_json::Value;

    use super::{super::lock::Kind, *};

    const LOCK: &str = r#"{
        "name": "shop", "lockfileVersion": 3, "packages": {
            "": { "name": "shop", "dependencies": { "a": "1" }, "devDependencies": { "@t/dev": "1" } },
            "node_modules/a": { "version": "1.0.0", "dependencies": { "b": "2", "c": "1" } },
            "node_modules/b": { "version": "2.0.0" },
            "node_modules/c": { "version": "1.0.0" },
            "node_modules/b/node_modules/c": { "version": "2.0.0" },
            "node_modules/@t/dev": { "version": "1.0.0", "dev": true }
        } }"#;

    fn document(locks: &[(Kind, &str)]) -> Value {
        let mut materials = Materials::default();
        for (kind, text) in locks {
            let parsed = lock::parse(*kind, text).expect("is read");
            let names: Vec<&str> = parsed.packages.iter().map(|(p, _)| p.name.as_str()).collect();
            let ways = parsed.graph.ways(names.into_iter());
            materials.add(&parsed, &ways);
        }
        let bytes = materials.document("shop", "c0ffee").expect("is written");
        let bom = Bom::parse_from_json(&bytes[..]).expect("is read again");
        let valid = bom.validate_version(SpecVersion::V1_5);
        assert!(valid.passed(), "{valid:?}");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn every_package_is_a_component_once_with_what_it_needs() {
        let document = document(&[(Kind::Npm, LOCK), (Kind::Npm, LOCK)]);
        assert_eq!(document["bomFormat"], "CycloneDX");
        let found: Vec<_> = document["components"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| (c["purl"].as_str().expect("a purl"), c["scope"].as_str().expect("a scope")))
            .collect();
        assert_eq!(
            found,
            [
                ("pkg:npm/%40t/dev@1.0.0", "excluded"),
                ("pkg:npm/a@1.0.0", "required"),
                ("pkg:npm/b@2.0.0", "required"),
                ("pkg:npm/c@1.0.0", "required"),
                ("pkg:npm/c@2.0.0", "required"),
            ]
        );
        let needs = |by: &str| {
            let all = document["dependencies"].as_array().expect("a list");
            all.iter().find(|d| d["ref"] == by).expect("is there")["dependsOn"].clone()
        };
        assert_eq!(needs("root"), serde_json::json!(["pkg:npm/%40t/dev@1.0.0", "pkg:npm/a@1.0.0"]));
        // Which of the two versions of `c` it is, the name alone does not say.
        assert_eq!(needs("pkg:npm/a@1.0.0"), serde_json::json!(["pkg:npm/b@2.0.0"]));
    }

    #[test]
    fn what_the_product_uses_in_one_place_is_no_matter_of_development() {
        let product = LOCK.replace("\"devDependencies\"", "\"optionalDependencies\"");
        let product = product.replace(", \"dev\": true", "");
        let document = document(&[(Kind::Npm, LOCK), (Kind::Npm, &product)]);
        assert_eq!(document["components"][0]["scope"], "required");
    }

    #[test]
    fn what_is_left_out_is_said() {
        let files = [
            ("package-lock.json", LOCK),
            ("sub/Cargo.lock", "no lock file ["),
            ("deno.lock", "{}"),
            ("README.md", "hello"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let made = sbom("shop", "1", files).expect("is written");
        assert_eq!(made.packages, 5);
        let paths: Vec<_> = made.not_read.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["sub/Cargo.lock", "deno.lock"]);
    }

    #[test]
    fn nothing_is_a_document_too() {
        let document = document(&[]);
        assert_eq!(document["components"], serde_json::json!([]));
        assert_eq!(document["metadata"]["component"]["name"], "shop");
    }
}
