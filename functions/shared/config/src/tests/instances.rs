//! Several instances of a seam: how they are chosen, checked, documented and named.

use super::*;
use crate::form::{Form, Law, Seam, Shape, field, required};

fn form(kind: &str, fields: Vec<form::Field>, laws: Vec<Law>) -> Form {
    let about = format!("About {kind}.");
    Form { kind: kind.to_owned(), about, fields, laws, ..Form::default() }
}

fn forms() -> Forms {
    let name = Rule::Pattern {
        pattern: "^[a-z][a-z0-9-]*$".to_owned(),
        wanted: "a name such as \"shop-web\"".to_owned(),
        max: 40,
    };
    let network = vec![field("port", "The port.", Shape::Integer { min: 1, max: 65_535 })];
    let box_ = form(
        "box",
        vec![
            required("name", "Its name.", Shape::Text(name)),
            field("network", "Its network.", Shape::Table(network)),
            field("env", "Its environment.", Shape::variables()),
        ],
        vec![
            Law::Distinct {
                key: "network.port".to_owned(),
                remedy: Some("pick another".to_owned()),
            },
            Law::Reserved { key: "env".to_owned(), name: "HOME".to_owned(), remedy: None },
            Law::AddressNeeds { key: "network".to_owned() },
        ],
    );
    let shelf = form("shelf", vec![field("row", "Which.", Shape::Text(Rule::Inside))], vec![]);
    let hand =
        Form { default: true, ..form("hand", vec![field("left", "x", Shape::Command)], vec![]) };
    let radio = form("radio", vec![required("station", "x", Shape::Text(Rule::Reason))], vec![]);
    Forms::default()
        .with(Seam::Target, vec![box_, shelf])
        .with(Seam::Runner, vec![hand])
        .with(Seam::Source, vec![form("scale", vec![], vec![])])
        .with(Seam::Channel, vec![radio])
}

fn errors(text: &str) -> String {
    forms().parse(text, "pact.toml").expect_err("is refused").to_string()
}

#[test]
fn the_settings_choose_an_instance_which_has_its_own_keys() {
    let text = r#"
[environments.staging]
target = "box"
name = "web"
network = { port = 80 }
health = [{ path = "/" }]
watch = { source = "scale", seconds = 3 }
[environments.production]
target = "shelf"
row = "a/b"
[tests.unit]
left = "push"
reports = ["a.xml"]
"#;
    let settings = forms().parse(text, "pact.toml").unwrap_or_else(|e| panic!("{e}"));
    let staging = &settings.environments.get("staging").expect("is there").settings;
    assert_eq!(
        serde_json::to_value(&staging.target).expect("json"),
        json!({ "kind": "box", "name": "web", "network": { "port": 80 } })
    );
    let watch = json!({ "seconds": 3, "max_error_rate": 5.0, "max_p95_ms": 500, "source": { "kind": "scale" } });
    assert_eq!(serde_json::to_value(&staging.watch).expect("json"), watch);
    assert_eq!(
        settings.environments.get("production").expect("is there").settings.target.settings["row"],
        "a/b"
    );
    let unit = settings.tests.unit.expect("is there");
    assert_eq!((unit.runner.kind.as_str(), unit.reports.len()), ("hand", 1));
}

#[test]
fn what_is_wrong_with_an_instance_is_said_with_its_place_and_the_known_ones() {
    insta::assert_snapshot!(errors(
        r#"
[environments.staging]
target = "bax"
name = "Web"
rows = "x"
[environments.production]
target = "box"
row = "a"
[tests.unit]
runner = "foot"
left = "a"
right = "b"
station = "x"
[tests.e2e]
lift = "a"
"#
    ));
}

#[test]
fn the_laws_of_an_instance_hold_for_every_table_that_chooses_it() {
    insta::assert_snapshot!(errors(
        r#"
[environments.staging]
target = "box"
name = "a"
health = [{ path = "/" }, {}, { path = "http://x/" }]
env = { HOME = "/" }
[environments.production]
target = "box"
name = "b"
network = { port = 80 }
health = [{ path = "/" }]
"#
    ));
    let twice = "[environments.staging]\ntarget='box'\nname='a'\nnetwork.port=80\n\
                 [environments.production]\ntarget='box'\nname='a'\nnetwork.port=80\n";
    assert_eq!(
        errors(twice),
        "pact.toml:8:14: staging and production must not have the same port; pick another"
    );
    // The law is that of one instance.
    let other = twice.replace(
        "[environments.production]\ntarget='box'\nname='a'\nnetwork.port=80",
        "[environments.production]\ntarget='shelf'",
    );
    assert!(forms().parse(&other, "pact.toml").is_ok());
}

#[test]
fn the_schema_has_every_instance_with_its_keys() {
    let schema = forms().schema();
    let staging = &schema["properties"]["environments"]["$defs"]["environment"];
    insta::assert_json_snapshot!(staging["oneOf"][0]["properties"]["name"], @r#"
    {
      "type": "string",
      "minLength": 1,
      "maxLength": 40,
      "pattern": "^[a-z][a-z0-9-]*$",
      "description": "Its name."
    }
    "#);
    let kinds: Vec<_> =
        (0..2).map(|i| &staging["oneOf"][i]["properties"]["target"]["enum"]).collect();
    assert_eq!(kinds, [&json!(["box"]), &json!(["shelf"])]);
    assert_eq!(staging["oneOf"][0]["required"], json!(["target", "name"]));
    assert_eq!(staging["oneOf"][1]["title"], "shelf");
    let unit = &schema["properties"]["tests"]["properties"]["unit"];
    assert_eq!(unit["properties"]["runner"]["enum"], json!(["hand"]));
    assert_eq!(unit.get("required"), None, "the only runner is also the default one");
}

#[test]
fn a_table_for_every_instance_that_is_wanted() {
    let mut faults = Faults::new("");
    let forms = forms();
    let (tree, _) = DeTable::parse_recoverable("radio = { station = 'x' }");
    let shape = Shape::Kinds(Seam::Channel);
    let value = check::value_of(tree.into_inner(), &shape, &forms, &mut faults);
    assert_eq!(value, Some(json!({ "radio": { "station": "x" } })));
    let (tree, _) = DeTable::parse_recoverable("radjo = { station = 'x' }");
    assert_eq!(check::value_of(tree.into_inner(), &shape, &forms, &mut faults), Some(json!({})));
    assert_eq!(faults.finish()[0].remedy.as_deref(), Some("did you mean \"radio\"?"));
}

#[test]
fn the_published_forms_are_well_formed() {
    let forms = Forms::published().expect("is readable");
    for seam in Seam::ALL {
        let all = forms.of(*seam);
        assert!(all.iter().filter(|form| form.default).count() <= 1, "{seam:?}");
        for (index, form) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| other.kind != form.kind), "{seam:?}");
            for field in &form.fields {
                // These words are taken on the wire and in the file; a channel has a table of its
                // own, without a key that names it.
                let mut taken = vec!["kind"];
                if *seam != Seam::Channel {
                    taken.push(seam.tag());
                }
                common(shape::root(), *seam, &mut taken);
                assert!(!taken.contains(&field.name.as_str()), "{}: {}", form.kind, field.name);
                if let Shape::Text(Rule::Pattern { pattern, .. }) = &field.shape {
                    assert!(regex::Regex::new(pattern).is_ok(), "{}", form.kind);
                    assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{}", form.kind);
                }
            }
            for law in &form.laws {
                let (Law::Distinct { key, .. }
                | Law::Reserved { key, .. }
                | Law::AddressNeeds { key }
                | Law::Shares { needs: Some(key) }) = law
                else {
                    continue;
                };
                let known = laws::shape(&form.fields, key).is_some();
                assert!(known, "a law of {} names {key}", form.kind);
            }
        }
    }
    for seam in [Seam::Runner, Seam::Source] {
        assert!(forms.of(seam).iter().any(|form| form.default), "{seam:?}");
    }
}

/// Keys that the tables of a seam have whatever they choose.
fn common<'f>(fields: &'f [form::Field], seam: Seam, out: &mut Vec<&'f str>) {
    for field in fields {
        match &field.shape {
            Shape::Table(inner) | Shape::Tables(inner) => common(inner, seam, out),
            Shape::Tagged { seam: this, fields } | Shape::Environments { seam: this, fields } => {
                if *this == seam {
                    out.extend(fields.iter().map(|f| f.name.as_str()));
                }
                common(fields, seam, out);
            }
            _ => {}
        }
    }
}

#[test]
fn of_keys_that_exclude_each_other_one_is_there_or_the_target_says_it() {
    let law = Law::OneOf {
        keys: vec!["box".to_owned(), "field".to_owned()],
        of_target: Some(("shelf".to_owned(), vec!["box".to_owned(), "row".to_owned()])),
    };
    let word = || Shape::Text(Rule::Reason);
    let fields =
        vec![field("box", "x", word()), field("field", "x", word()), field("row", "x", word())];
    let shelf = form("shelf", vec![field("box", "x", word()), field("row", "x", word())], vec![]);
    let hook = form("hook", vec![], vec![]);
    let forms = forms()
        .with(Seam::Target, vec![shelf, hook])
        .with(Seam::Source, vec![form("scale", fields, vec![law])]);
    let parse = |target: &str, watch: &str| {
        let text = format!(
            "[environments.production]\n{target}\n[environments.production.watch]\nsource = 'scale'\n{watch}\n"
        );
        forms.parse(&text, "pact.toml").map_err(|e| e.to_string()).map(|settings| {
            let settings =
                settings.environments.get("production").expect("is there").settings.clone();
            json!(settings.watch.and_then(|watch| watch.source).expect("a source").settings)
        })
    };
    let shelf = "target = 'shelf'\nbox = 'b'\nrow = '7'";
    assert_eq!(parse(shelf, ""), Ok(json!({ "box": "b", "row": "7" })));
    assert_eq!(parse(shelf, "row = '8'"), Ok(json!({ "box": "b", "row": "8" })));
    assert_eq!(parse(shelf, "field = 'f'"), Ok(json!({ "field": "f" })));
    assert_eq!(parse("target = 'hook'", "box = 'c'"), Ok(json!({ "box": "c" })));
    let none = parse("target = 'hook'", "").expect_err("is refused");
    assert!(none.starts_with("pact.toml:3:"), "{none}");
    assert!(none.contains("watch does not say what is meant; add one of box, field"), "{none}");
    let both = parse(shelf, "box = 'c'\nfield = 'f'").expect_err("is refused");
    assert!(both.starts_with("pact.toml:8:"), "{both}");
    assert!(both.contains("watch has both box and field; keep one"), "{both}");
}
