//! `pactctl up`: the stack stays up until Ctrl-C.

use console::style;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::UpArgs,
    client::Client,
    data::{Endpoints, Opened, Secrets},
    failure::{Context, Exit, Failure},
    stack::{Ports, Stack, open_data},
    term,
};

/// Keeps the stack up.
pub(crate) fn up(args: &UpArgs) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(serve(args))
}

async fn serve(args: &UpArgs) -> Result<Exit, Failure> {
    let ports = Ports::bind(args.port, args.aws_port).await?;
    let Opened::Owned(folder) = open_data(&args.data.data)? else {
        return Err(already_up(args));
    };
    let stack = Stack::start(folder, ports, &args.stack()).await?;
    let mut terminated = signal(SignalKind::terminate()).doing("listen for signals")?;
    println!("dashboard     {}", style(&stack.endpoints.api).cyan().bold());
    match link(&stack).await {
        Ok(link) => println!("sign in       {link}"),
        Err(failure) => term::warning(&format!("no link to sign in by: {failure}")),
    }
    for path in pact_gateway::webhook_paths() {
        println!("webhooks      {}{path}", stack.endpoints.api);
    }
    println!("AWS endpoint  {}", stack.endpoints.aws);
    println!("data          {}", stack.root().display());
    println!("secrets       {}", stack.root().join("secrets.json").display());
    if stack.running() > 0 {
        println!("{} interrupted runs go on", stack.running());
    }
    term::note("Ctrl-C stops the stack; runs that are going on are kept for the next start");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    let running = stack.running();
    stack.shutdown().await;
    if running > 0 {
        term::note(&format!("{running} runs are kept where they stand"));
    }
    Ok(Exit::Success)
}

/// Signs a browser in, once; `pactctl sign-in` makes further ones.
async fn link(stack: &Stack) -> Result<String, Failure> {
    let secrets = Secrets::read(stack.root())
        .ok_or_else(|| Failure::internal("the data folder has no secrets"))?;
    let client = Client::new(stack.endpoints.clone(), secrets).await?;
    let by = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    client.sign_in_link(&by, "/").await
}

fn already_up(args: &UpArgs) -> Failure {
    let root = args.data.data.canonicalize().unwrap_or_else(|_| args.data.data.clone());
    let at = Endpoints::read(&root).map(|e| format!(" at {} (process {})", e.api, e.pid));
    Failure::usage(format!("a stack is up on {} already{}", root.display(), at.unwrap_or_default()))
        .remedy("use it, end it, or choose another folder with --data DIR")
}
