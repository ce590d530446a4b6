//! Finds out where the bucket is and who asks, as every AWS tool does.

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};

use super::checks::{Encrypted, check_encrypted};
use super::error::Place;
use super::steady::Steady;
use super::trust::client_trusting;
use crate::clock::Clock;
use crate::sink::settings::{Checksum, S3Settings};
use crate::sink::{SinkError, longest_way};

/// Servers other than AWS sign with it unless told otherwise.
const REGION_OF_OTHERS: &str = "us-east-1";

/// A client, how long it waits, and how to name what it reaches.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) timeouts: Timeouts,
    pub(super) place: Place,
}

/// How long requests may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    connect: Duration,
    attempt: Duration,
    operation: Duration,
}

impl Timeouts {
    fn new(settings: &S3Settings) -> Self {
        Self {
            connect: settings.connect_timeout,
            attempt: settings.attempt_timeout,
            operation: settings.operation_timeout,
        }
    }

    /// Of a put: longer by the time that its body takes on the slowest link that is borne, or a large
    /// object would never get through one.
    /// The time that a limit of ours takes, `paced`, is no part of it either.
    pub(super) fn of_put(self, bytes: usize, paced: Duration) -> TimeoutConfig {
        let upload = longest_way(bytes) + paced;
        Self { attempt: self.attempt + upload, operation: self.operation + upload, ..self }.config()
    }

    /// For the body of an answer: what a put of it would have.
    pub(super) fn of_body(self, bytes: usize) -> Duration {
        self.attempt + longest_way(bytes)
    }

    fn config(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }
}

pub(super) async fn connect(
    settings: &S3Settings,
    loader: ConfigLoader,
    clock: Arc<dyn Clock>,
) -> Result<Connected, SinkError> {
    let region = region(settings).await?;
    let timeouts = Timeouts::new(settings);
    let mut loader = loader
        .region(Region::new(region))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.config());
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &settings.endpoint {
        check_endpoint(endpoint, settings.allow_http)?;
        loader = loader.endpoint_url(endpoint);
    }
    let config = loader.load().await;
    let config = match config.credentials_provider() {
        Some(source) => config.to_builder().credentials_provider(Steady::shared(source, clock)).build(),
        None => config,
    };
    let place = Place::new(settings, config.endpoint_url());
    Ok(Connected { client: client(settings, &config)?, timeouts, place })
}

fn client(settings: &S3Settings, config: &SdkConfig) -> Result<Client, SinkError> {
    let path_style = settings.path_style.unwrap_or(config.endpoint_url().is_some());
    let mut builder = Builder::from(config)
        .force_path_style(path_style)
        .accelerate(settings.accelerate)
        .use_dual_stack(settings.dual_stack)
        .interceptor(Encrypted { allow_http: settings.allow_http });
    if settings.checksum == Checksum::WhenRequired {
        builder = builder
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    // For the bucket alone: where credentials come from is another server.
    if let Some(ca) = &settings.ca {
        builder = builder.http_client(client_trusting(ca)?);
    }
    Ok(Client::from_conf(builder.build()))
}

async fn region(settings: &S3Settings) -> Result<String, SinkError> {
    if let Some(region) = &settings.region {
        return Ok(region.clone());
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &settings.profile {
        profile = profile.profile_name(name);
    }
    let chain =
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile.build());
    // An instance of AWS knows its region, but that is asked over the network: not with an endpoint.
    let chain = match settings.endpoint {
        Some(_) => chain.or_else(Region::new(REGION_OF_OTHERS)),
        None => chain.or_default_provider(),
    };
    chain.region().await.map(|region| region.as_ref().to_owned()).ok_or_else(|| {
        SinkError::Fatal(format!(
            "bucket '{}' has no region; set region in [sink.s3], AWS_REGION, or region in the AWS profile",
            settings.bucket
        ))
    })
}

fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), SinkError> {
    let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    let host = rest.map_or("", |rest| rest.split('/').next().unwrap_or(rest));
    // Not quoted: it may hold a password.
    if host.contains('@') {
        return Err(SinkError::Fatal(
            "endpoint in [sink.s3] holds a user name; keep credentials in the environment or an AWS profile"
                .into(),
        ));
    }
    if host.is_empty() || endpoint.contains(['?', '#', ' ']) {
        return Err(SinkError::Fatal(format!(
            "endpoint '{endpoint}' in [sink.s3] is no address; use https://host or https://host:port"
        )));
    }
    check_encrypted(endpoint, allow_http).map_err(super::checks::CheckError::into_sink_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_without_credentials() {
        for good in ["https://s3.example", "https://s3.example:9000/", "http://127.0.0.1:1"] {
            assert!(check_endpoint(good, false).is_ok(), "{good}");
        }
        for bad in
            ["", "s3.example", "ftp://s3.example", "https://", "https:///b", "https://h/?x", "http://h"]
        {
            assert!(matches!(check_endpoint(bad, false), Err(SinkError::Fatal(_))), "{bad}");
        }
    }

    #[test]
    fn a_large_object_has_the_time_that_it_takes_on_a_slow_link() {
        let seconds = Duration::from_secs;
        let timeouts = Timeouts { connect: seconds(5), attempt: seconds(60), operation: seconds(90) };
        for (bytes, attempt, operation) in
            [(0, 60, 90), (65_535, 60, 90), (65_536, 61, 91), (8 << 20, 188, 218)]
        {
            let config = timeouts.of_put(bytes, Duration::ZERO);
            assert_eq!(config.operation_attempt_timeout(), Some(seconds(attempt)), "{bytes}");
            assert_eq!(config.operation_timeout(), Some(seconds(operation)), "{bytes}");
            assert_eq!(config.connect_timeout(), Some(seconds(5)), "{bytes}");
        }
        let paced = timeouts.of_put(65_536, seconds(30));
        assert_eq!(
            paced.operation_attempt_timeout(),
            Some(seconds(91)),
            "our own limit is no fault of the server"
        );
    }

    #[test]
    fn a_password_in_an_endpoint_is_not_repeated() {
        let message = check_endpoint("https://key:hunter2@s3.example", false).unwrap_err().to_string();
        assert!(message.contains("[sink.s3]") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn plain_http_to_another_machine_names_the_setting_that_allows_it() {
        let message = check_endpoint("http://s3.example:9000", false).unwrap_err().to_string();
        assert_eq!(
            message,
            "http://s3.example:9000 is not encrypted; use https, or set allow_http = true in [sink.s3]"
        );
        assert!(check_endpoint("http://s3.example:9000", true).is_ok());
    }
}
