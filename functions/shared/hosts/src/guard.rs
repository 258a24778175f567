//! Names are looked up by what an installation allows. What a name or a redirect leads to is decided by
//! whoever owns it, so that it is judged where it is looked up: the address that was judged is the one
//! that is connected to.

use std::{io, net::SocketAddr, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{network::refusal, sources::Sources};

/// Looks up names, and leaves out addresses that are out of reach.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Sources>);

impl Guard {
    /// By what the installation allows.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self(Arc::new(sources))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.reach(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (near, far): (Vec<SocketAddr>, Vec<_>) =
                found.partition(|address| reach.admits(address.ip()));
            match (near.is_empty(), far.first()) {
                (true, Some(far)) => {
                    let why = format!("{} leads to {}", name.as_str(), refusal(far.ip()));
                    Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into())
                }
                _ => Ok(Box::new(near.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_and_says_so() {
        let ask = |list: &str| {
            let guard = Guard::new(Sources::parse(list).expect("a list"));
            let resolving = guard.resolve("localhost".parse().expect("a name"));
            async move { resolving.await.map(Iterator::count).map_err(|error| error.to_string()) }
        };
        let refused = ask("https://").await.expect_err("is refused");
        assert!(refused.contains("localhost leads to") && refused.contains("private"), "{refused}");
        assert!(ask("https://,private").await.is_ok_and(|found| found > 0));
        assert!(ask("https://localhost/acme/").await.is_ok_and(|found| found > 0));
    }
}
