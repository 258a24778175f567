//! `pactctl env`: what an AWS client needs to reach the stack that is up.

use serde_json::json;

use crate::{
    cli::EnvArgs,
    client::REGION,
    credentials::{Credentials, Pair},
    data::{Endpoints, Secrets},
    document,
    failure::{Exit, Failure},
};

/// Prints the variables, as lines for a shell or as one document.
pub(crate) fn env(args: &EnvArgs) -> Result<Exit, Failure> {
    let folder = &args.data.data;
    let down = || {
        Failure::usage(format!("no stack is up on {}", folder.display()))
            .remedy("`pactctl up` starts one; --data DIR names another folder")
    };
    let root = folder.canonicalize().map_err(|_| down())?;
    let (Some(endpoints), Some(secrets)) = (Endpoints::read(&root), Secrets::read(&root)) else {
        return Err(down());
    };
    let Pair { id, secret } = Credentials::new(&secrets).own();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoints.aws.as_str()),
        ("AWS_REGION", REGION),
        // By this older clients know it.
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", &id),
        ("AWS_SECRET_ACCESS_KEY", &secret),
    ];
    if args.json {
        let document: serde_json::Map<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        document::print(&document)?;
    } else {
        for (name, value) in variables {
            println!("export {name}={value}");
        }
    }
    Ok(Exit::Success)
}
