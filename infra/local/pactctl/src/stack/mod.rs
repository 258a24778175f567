//! The local stack: what `infra/template.yaml` describes, on one machine.
//!
//! Composition only. Step Functions, Lambda and the template are crates of their own that know
//! nothing of PACT; DynamoDB is a library.

mod bucket;
mod builds;
mod connections;
mod definition;
mod executor;
mod guard;
mod health;
mod meter;
pub(crate) mod options;
mod packages;
mod parameters;
mod program;
mod proxy;
mod recorder;
mod roles;
mod services;
mod store;
mod traces;
mod triggers;
mod view;

use std::{
    ffi::OsString,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use local_codebuild::CodeBuild;
use local_lambda_host::{FunctionStore, Host, HostOptions, Reaper};
use local_step_functions::{Engine, EngineOptions, EvaluatorProgram};
use pact_processes::apart::Apart;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    client::{ACCOUNT, REGION},
    credentials::Credentials,
    data::{DataFolder, Endpoints, Opened},
    failure::{Context, Failure},
};

pub(crate) use definition::{Definition, machines, template_errors};
pub(crate) use meter::{Usage, of_run as usage_of};
use options::Options;
use packages::Packages;
use program::own_program;
pub(crate) use proxy::down as stop_services;
pub(crate) use store::Store;

/// Lambda's largest payload of a synchronous invocation.
const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

/// Ports that are bound, so that nothing is created when one is taken.
pub(crate) struct Ports {
    api: TcpListener,
    aws: TcpListener,
}

impl Ports {
    /// Binds both on loopback; 0 takes any free one.
    ///
    /// # Errors
    /// A usage failure that names the port in use.
    pub(crate) async fn bind(api: u16, aws: u16) -> Result<Self, Failure> {
        Ok(Self { api: bind(api, "--port").await?, aws: bind(aws, "--aws-port").await? })
    }
}

async fn bind(port: u16, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        Failure::usage(format!("cannot listen on port {port}: {error}"))
            .remedy(format!("stop the other program, or choose another port with {option}"))
    })
}

fn address(listener: &TcpListener) -> Result<String, Failure> {
    Ok(format!("http://{}", listener.local_addr().doing("read a port")?))
}

/// This program again, in which an expression of a state machine may take too much and end nothing
/// but itself.
fn evaluator() -> Result<EvaluatorProgram, Failure> {
    Ok(EvaluatorProgram { program: own_program()?, args: vec!["evaluate".into()] })
}

/// This program again, as what becomes a program that may not see `data`.
pub(crate) fn apart(data: PathBuf) -> Result<Apart, Failure> {
    let stage = vec![own_program()?.into_os_string(), "apart".into()];
    Ok(Apart::new(stage, data))
}

/// This program again, as the environment of a build.
fn sandbox() -> Result<Vec<OsString>, Failure> {
    Ok(vec![own_program()?.into_os_string(), "sandbox".into()])
}

/// A stack that is up.
pub(crate) struct Stack {
    /// How it is reached.
    pub endpoints: Endpoints,
    data: DataFolder,
    engine: Engine,
    host: Host,
    builds: CodeBuild,
    store: Store,
    servers: JoinSet<()>,
}

/// What a stack is made of.
struct Parts {
    endpoints: Endpoints,
    engine: Engine,
    host: Host,
    builds: CodeBuild,
    store: Store,
    servers: JoinSet<()>,
}

impl Stack {
    /// Starts everything on a data folder; runs that were interrupted go on.
    ///
    /// # Errors
    /// The folder is given back, and removed if it was made for this.
    pub(crate) async fn start(
        data: DataFolder,
        ports: Ports,
        options: &Options,
    ) -> Result<Self, Failure> {
        match Self::compose(&data, ports, options).await {
            Ok(Parts { endpoints, engine, host, builds, store, servers }) => {
                data.announce(&endpoints)?;
                Ok(Self { endpoints, data, engine, host, builds, store, servers })
            }
            Err(failure) => {
                data.discard();
                Err(failure)
            }
        }
    }

    async fn compose(data: &DataFolder, ports: Ports, options: &Options) -> Result<Parts, Failure> {
        let secrets = data.secrets()?;
        let definition = Definition::load(data, options)?;
        let programs = match &options.packages {
            Some(folder) => Some(Packages::find(folder, &definition.stack.functions, data)?),
            None => None,
        };
        let store = Store::open(data, &definition.stack.tables).await?;
        let (api, aws) = (address(&ports.api)?, address(&ports.aws)?);
        let recorder = recorder::Recorder::from_env(&definition.stack)?;
        let ids = definition.function_ids();
        let credentials = Credentials::new(&secrets).with(ids.iter().map(String::as_str));
        let functions = definition.functions(data, &aws, &credentials, programs.as_ref())?;
        // Programs from packages, and of functions that somebody makes, know nothing of this host:
        // somebody has to end them with it.
        let reaper = Some(Reaper {
            program: std::env::current_exe().doing("find this program")?,
            args: vec!["reap".to_owned()],
        });
        let path = std::env::var("PATH").unwrap_or_default();
        let mut made = FunctionStore::new(data.join("lambda"), path);
        made.apart = Some(apart(data.root.clone())?);
        made.objects = Some(Arc::new(bucket::Objects::new(&data.join("s3"))));
        let policy = options.policy();
        let (concurrency, queue) = (policy.unreserved, policy.queue);
        let host = Host::start_with(
            HostOptions {
                region: REGION.to_owned(),
                account: ACCOUNT.to_owned(),
                max_payload: MAX_PAYLOAD,
                inherit: definition::inherited(),
                reaper,
                functions: Some(made),
            },
            policy,
            functions,
        )
        .await
        .doing("start the Lambda host")?;
        let traces = traces::Traces::default();
        let meter = meter::Meter::open(&data.root)?;
        let tasks =
            executor::Executor::new(host.clone(), &store.endpoint, traces.clone(), meter.clone())?;
        let tasks = Arc::new(tasks);
        let mut engine = EngineOptions::new(data.join("step-functions"), REGION, ACCOUNT);
        engine.evaluator = Some(evaluator()?);
        let engine = Engine::open(engine, tasks).await.doing("start the Step Functions engine")?;
        health::log_losses(&engine.health().losses);

        let builds = builds::open(data, &definition.stack.projects, sandbox()?)?;
        let mut servers = JoinSet::new();
        triggers::watch_executions(&mut servers, &engine, &host, &definition);
        triggers::watch_builds(&mut servers, &builds, &host, &definition);
        for (name, text) in definition.state_machines()? {
            engine
                .put_state_machine(&name, &text)
                .await
                .doing(&format!("define the state machine {name}"))?;
        }
        proxy::keep_up(&mut servers, &data.root)?;
        triggers::run_schedules(&mut servers, &engine, &host, &definition, !data.is_new());
        let names = &options.hosts;
        let disk = crate::disk::watch(&mut servers, &data.root);
        services::serve_api(&mut servers, ports.api, &host, &engine, &definition, names, disk)?;
        let services = services::Services {
            step_functions: engine.router(),
            lambda: host.router(),
            builds: builds.router(),
            parameters: parameters::router(
                definition::parameters(&secrets),
                Some((data.root.clone(), format!("/{}", definition::STACK))),
            ),
            roles: roles::Roles::of(&definition.stack)?,
            buckets: bucket::Buckets::open(
                &data.join("s3"),
                &definition.buckets(),
                credentials.clone(),
            )?,
            credentials: Arc::new(credentials),
            dynamodb: store.endpoint.clone(),
            meter,
            functions: Arc::new(ids),
            traces,
        };
        services::serve_aws(&mut servers, ports.aws, services, recorder, &options.hosts)?;
        let endpoints = Endpoints {
            place: data.place()?,
            pid: std::process::id(),
            packages: options.packages.as_ref().and_then(|folder| folder.canonicalize().ok()),
            concurrency,
            queue,
            api,
            aws,
            table: definition.run_table()?,
            pipeline_arn: definition.pipeline_arn()?,
        };
        // Whoever waits for a build that ended with the last stack is told now.
        builds.resume();
        Ok(Parts { endpoints, engine, host, builds, store, servers })
    }

    /// Executions that are going on.
    pub(crate) fn running(&self) -> usize {
        self.engine.running()
    }

    /// Folder of the data.
    pub(crate) fn root(&self) -> &Path {
        &self.data.root
    }

    /// Waits until no execution is going on.
    pub(crate) async fn idle(&self) {
        let mut changes = self.engine.status_changes();
        while self.running() > 0 {
            // The time-out only guards against a change that came before the subscription.
            if tokio::time::timeout(Duration::from_millis(500), changes.recv()).await.is_err() {
                tracing::debug!(running = self.running(), "still running");
            }
        }
    }

    /// Stops everything. Executions stay as they are and go on at the next start.
    pub(crate) async fn shutdown(mut self) {
        self.data.withdraw();
        self.engine.shutdown().await;
        self.builds.shutdown().await;
        self.host.shutdown().await;
        self.servers.shutdown().await;
        proxy::leave(&self.data.root).await;
        self.store.close().await;
    }
}

/// Takes hold of a data folder, or says that a stack is up on it.
///
/// # Errors
/// Usage failures of the folder.
pub(crate) fn open_data(path: &Path) -> Result<Opened, Failure> {
    DataFolder::open(path)
}
