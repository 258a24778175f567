//! pact.toml: the configuration that a repository carries.
