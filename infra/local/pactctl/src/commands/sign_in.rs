//! `pactctl sign-in`: a link that signs a browser in.

use crate::{
    cli::SignInArgs,
    client::Client,
    failure::{Exit, Failure},
};

/// Prints it.
pub(crate) fn sign_in(args: &SignInArgs) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        let nobody = || {
            Failure::usage(format!("no stack is up on {}", args.data.data.display()))
                .remedy("`pactctl up` starts one")
        };
        let root = args.data.data.canonicalize().map_err(|_| nobody())?;
        let client = Client::attach(&root).await.ok_or_else(nobody)?;
        let next = args.run_id.as_ref().map_or_else(|| "/".to_owned(), |id| format!("/runs/{id}"));
        println!("{}", client.sign_in_link(&args.by, &next).await?);
        Ok(Exit::Success)
    })
}
