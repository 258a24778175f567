//! What is odd about packages that are new, whatever the advisories say: a name that looks like
//! another's, a version of yesterday, a licence that the policy refuses or that nobody says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan as _};
use pact_contract::{
    Finding, Severity, codes,
    settings::{LicenseSettings, UnknownLicense},
};

use super::{
    Ecosystem, Package,
    licenses::{Judged, Policy},
    lock::About,
    lookalike,
    verdict::{Use, short},
};
use crate::scope::Ledger;

/// A version is brand-new for as long, in days: most of what is published to do harm is taken back
/// within them.
const NEW_DAYS: i64 = 7;
/// Most packages of unknown licence that are named.
const MAX_UNKNOWN: usize = 100;

/// What is used now and what was before.
pub(crate) struct Packages<'a> {
    pub(crate) uses: &'a BTreeMap<Package, Vec<Use>>,
    pub(crate) before: &'a BTreeMap<Package, Vec<Use>>,
    /// What the lock files say of each, those of the base first.
    pub(crate) about: [&'a BTreeMap<Package, About>; 2],
}

impl Packages<'_> {
    /// Findings on what is new; what was there before comes second.
    pub(crate) fn findings(
        &self,
        licenses: &LicenseSettings,
        now: Timestamp,
        ledger: &mut Ledger,
    ) -> (Vec<Finding>, Vec<Finding>) {
        let names: BTreeSet<(Ecosystem, String)> =
            self.before.keys().map(|package| (package.ecosystem, package.name.clone())).collect();
        let mut new = Vec::new();
        for (package, uses) in self.uses {
            if self.before.contains_key(package) {
                continue;
            }
            let is_new_name = !names.contains(&(package.ecosystem, package.name.clone()));
            new.extend(is_new_name.then(|| lookalike(package, uses, &names)).flatten());
            new.extend(self.brand_new(package, uses, now));
        }
        let mut before = Vec::new();
        if licenses.is_set() {
            self.licenses(licenses, &mut new, &mut before, ledger);
        }
        (new, before)
    }

    fn brand_new(&self, package: &Package, uses: &[Use], now: Timestamp) -> Option<Finding> {
        let [_, about] = self.about;
        let published = about.get(package)?.published?;
        let days = now.duration_since(published).as_hours() / 24;
        if days >= NEW_DAYS {
            return None;
        }
        let ready = published.checked_add((NEW_DAYS * 24).hours()).ok()?;
        let at = published.strftime("%Y-%m-%d");
        let said = format!("{} {} was published on {at}", package.name, package.version);
        let remedy = format!("wait until {}, or look at what changed", ready.strftime("%Y-%m-%d"));
        Some(
            placed(Finding::new(codes::BRAND_NEW_DEPENDENCY, Severity::Low, said), package, uses)
                .remedy(remedy),
        )
    }

    fn licenses(
        &self,
        settings: &LicenseSettings,
        new: &mut Vec<Finding>,
        old: &mut Vec<Finding>,
        ledger: &mut Ledger,
    ) {
        let policy = match Policy::new(settings) {
            Ok(policy) => policy,
            Err(why) => return ledger.not_read("security.licenses", why),
        };
        let [before, now] = self.about;
        let said = |about: &BTreeMap<Package, About>, package: &Package| {
            about.get(package).and_then(|about| about.license.clone())
        };
        let refused_before: BTreeSet<(Ecosystem, &str)> = self
            .before
            .keys()
            .filter(|package| {
                said(before, package).is_some_and(|l| policy.judge(&l) == Judged::Refused)
            })
            .map(|package| (package.ecosystem, package.name.as_str()))
            .collect();
        let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
        let mut named = 0;
        for (package, uses) in self.uses {
            let license = said(now, package);
            let judged = license.as_deref().map_or(Judged::Unknown, |l| policy.judge(l));
            let name = format!("{} {}", package.name, package.version);
            match judged {
                Judged::Allowed => {}
                Judged::Refused => {
                    let license = short(license.as_deref().unwrap_or_default(), 100);
                    let way = uses.first().map(|place| place.way.as_str()).unwrap_or_default();
                    let said = format!("{name}{way} is under {license}, which the policy refuses");
                    let finding = Finding::new(codes::LICENSE_REFUSED, Severity::High, said)
                        .remedy("use another package, or have security.licenses changed");
                    let key = (package.ecosystem, package.name.as_str());
                    let list = if refused_before.contains(&key) { &mut *old } else { &mut *new };
                    list.push(placed(finding, package, uses));
                }
                Judged::Unknown if self.before.contains_key(package) => {}
                Judged::Unknown => {
                    for place in uses {
                        *unknown.entry(&place.path).or_default() += 1;
                    }
                    named += 1;
                    if named <= MAX_UNKNOWN {
                        let said = match &license {
                            Some(text) => {
                                format!("{name}: {:?} is no licence of SPDX", short(text, 100))
                            }
                            None => format!("{name}: the lock file says no licence"),
                        };
                        let finding = Finding::new(codes::LICENSE_UNKNOWN, Severity::Info, said);
                        new.push(placed(finding, package, uses));
                    }
                }
            }
        }
        for (path, count) in unknown {
            let packages = if count == 1 { "new package is" } else { "new packages are" };
            let said = format!("{count} {packages} under a licence that nobody says");
            match settings.unknown {
                UnknownLicense::Hold => ledger.not_read(path, said),
                UnknownLicense::List => ledger.note(format!("{path}: {said}")),
            }
        }
    }
}

fn lookalike(
    package: &Package,
    uses: &[Use],
    names: &BTreeSet<(Ecosystem, String)>,
) -> Option<Finding> {
    let known = lookalike::looks_like(package.ecosystem, &package.name, names)?;
    let way = uses.first().map(|place| place.way.as_str()).unwrap_or_default();
    let said = format!("{} {}{way} is called almost as {known} is", package.name, package.version);
    let finding = Finding::new(codes::LOOKALIKE_DEPENDENCY, Severity::Medium, said)
        .remedy(format!("make sure that it is not {known} that was meant"));
    Some(placed(finding, package, uses))
}

fn placed(finding: Finding, package: &Package, uses: &[Use]) -> Finding {
    let finding = finding.evidence(package.purl());
    match uses.first() {
        Some(place) => finding.at(&place.path, place.line, None),
        None => finding,
    }
}
