//! A host that invokes one function and then stays, for the tests: it is killed, and its function
//! must end with it.
#![expect(clippy::print_stdout, reason = "its output is what a test looks at")]

use local_lambda_host::{FunctionSpec, Host, HostOptions, InvokeRequest, Reaper};
use std::{collections::BTreeMap, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let program = args.next().ok_or("which program?")?;
    if program == "reap" {
        return Ok(local_lambda_host::reap_orphans()?);
    }
    let payload = args.next().ok_or("which payload?")?;
    // A function that does not end by itself, with a reaper: this program again.
    let watched = args.next().is_some();
    let mut env = BTreeMap::new();
    let mut options = HostOptions::default();
    if watched {
        env.insert("FIXTURE_INIT".to_owned(), "stay".to_owned());
        let program = std::env::current_exe()?;
        options.reaper = Some(Reaper { program, args: vec!["reap".to_owned()] });
    }
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let timeout = Duration::from_secs(60);
    let function = FunctionSpec { env, timeout, ..FunctionSpec::new("f", arn, program) };
    let host = Host::start(options, vec![function]).await?;
    let running = host.clone();
    let invocation =
        tokio::spawn(async move { running.invoke(InvokeRequest::new("f", payload)).await });
    loop {
        if let Some(instance) = host.instances().first() {
            println!("{}", instance.pid);
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    invocation.await??;
    Ok(())
}
