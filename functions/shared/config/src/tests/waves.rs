//! Waves: what they become, and what is refused.

use super::*;

/// An environment of the target `lambda` with these waves, each a list of lines.
fn file(waves: &[&str], more: &str) -> String {
    let head = "[environments.production]\ntarget = \"lambda\"\nfunction = \"shop\"\n\
                health = [{ path = \"/health\" }]\n[environments.production.approval]\n";
    let waves = waves.iter().map(|wave| format!("[[environments.production.waves]]\n{wave}\n"));
    format!("{head}{}{more}", waves.collect::<String>())
}

#[test]
fn each_wave_is_an_environment_of_its_own_and_the_first_asks() {
    let text = file(
        &[
            "region = \"eu-west-1\"\nrole = \"arn:aws:iam::111111111111:role/pact-deploy-shop\"",
            "name = \"rest\"\nregion = \"us-east-1\"\nfunction = \"shop-us\"\n\
             health = [{ path = \"/up\" }]\nwatch = { seconds = 60 }",
        ],
        "[[environments.production.freeze]]\ndays = [\"sun\"]\nreason = \"rest\"\n",
    );
    let settings = parse(&text, "pact.toml").unwrap_or_else(|e| panic!("{e}"));
    let all = &settings.environments;
    let names: Vec<_> = all.names().map(|name| name.as_str()).collect();
    assert_eq!(names, ["production-eu-west-1", "production-rest"]);
    let [first, second] = [0, 1].map(|index| all.iter().nth(index).expect("is there"));
    assert!(all.iter().all(|wave| wave.tier == pact_contract::Tier::Production));
    assert_eq!(first.settings.wave(), "wave of production");
    assert_eq!(first.settings.wave_of, second.settings.wave_of);
    assert!(first.settings.approval.is_some() && second.settings.approval.is_none());
    assert_eq!(first.settings.freeze, second.settings.freeze);
    let target = |environment: &pact_contract::NamedEnvironment| {
        serde_json::to_value(&environment.settings.target).expect("json")
    };
    assert_eq!(
        target(first),
        json!({ "kind": "lambda", "function": "shop", "region": "eu-west-1",
                "role": "arn:aws:iam::111111111111:role/pact-deploy-shop" })
    );
    assert_eq!(
        target(second),
        json!({ "kind": "lambda", "function": "shop-us", "region": "us-east-1" })
    );
    let asked = |e: &pact_contract::NamedEnvironment| e.settings.health[0].path.clone();
    assert_eq!((asked(first), asked(second)), ("/health".to_owned(), "/up".to_owned()));
    let seconds =
        |e: &pact_contract::NamedEnvironment| e.settings.watch.as_ref().map(|w| w.seconds);
    assert_eq!((seconds(first), seconds(second)), (Some(5), Some(60)));
    // An empty list is none.
    let none = file(&[], "").replace("health =", "waves = []\nhealth =");
    let none = parse(&none, "pact.toml").unwrap_or_else(|e| panic!("{e}"));
    assert!(none.environments.get("production").expect("is there").settings.wave_of.is_none());
}

#[test]
fn what_is_no_wave_is_refused_with_the_reason() {
    let eu = "region = \"eu-west-1\"";
    let directory = "[environments.staging]\ntarget = \"directory\"\npath = \"a\"\n\
                     [[environments.staging.waves]]\nregion = \"eu-west-1\"\n";
    let other = "[environments.production-eu-west-1]\ntier = \"production\"\ntarget = \"lambda\"\n\
                 function = \"other\"\n";
    let many: Vec<String> = (0..17)
        .map(|n| format!("region = \"eu-west-1\"\nname = \"w{n}\"\nalias = \"a{n}\""))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("{eu}\nname = \"{}\"", "x".repeat(31));
    for (text, wanted) in [
        (
            directory.to_owned(),
            "environments.staging.waves are regions and accounts, and this target has neither region nor role",
        ),
        (
            directory.to_owned(),
            "use target = \"lambda\" or target = \"command\", or write an environment for each place",
        ),
        (file(&["name = \"a\""], ""), "has no \"region\""),
        (file(&[eu, "region = \"Mars\""], ""), "waves[1].region"),
        (
            file(&[eu, eu], ""),
            "waves[1] is the environment production-eu-west-1, and so is environments.production.waves[0]",
        ),
        (
            file(&[eu], other),
            "waves[0] is the environment production-eu-west-1, and so is [environments.production-eu-west-1]",
        ),
        (
            file(&[eu, &format!("{eu}\nname = \"b\"")], ""),
            "waves[1] deploys to the same place as the wave \"eu-west-1\"",
        ),
        (file(&[&long], ""), "give it a shorter name"),
        (
            file(&many[..16], "[environments.staging]\ntarget = \"directory\"\npath = \"a\"\n"),
            "are 17 with their waves; there may be 16",
        ),
        (file(&[&format!("{eu}\napproval = {{}}")], ""), "unknown key \"approval\""),
        (file(&[&format!("{eu}\nbuild = [[\"make\"]]")], ""), "unknown key \"build\""),
        (
            file(
                &[&format!(
                    "{eu}\nhealth = [{{ path = \"/\", successes = 100, interval_ms = 60000 }}]"
                )],
                "",
            ),
            "cannot succeed",
        ),
    ] {
        let said = errors(&text);
        assert!(said.contains(wanted), "{said}\n  has no {wanted}");
    }
    assert!(parse(&file(&many[..16], ""), "pact.toml").is_ok());
}

#[test]
fn the_schema_knows_which_targets_have_waves() {
    let schema = Forms::published().expect("is readable").schema();
    let all = schema["properties"]["environments"]["$defs"]["environment"]["oneOf"].clone();
    for target in all.as_array().expect("a list") {
        let waves = &target["properties"]["waves"];
        if target["title"] == "directory" {
            assert!(waves.is_null());
        } else {
            assert_eq!(waves["items"]["required"], json!(["region"]), "{}", target["title"]);
            assert!(waves["items"]["properties"]["role"].is_object());
        }
    }
}
