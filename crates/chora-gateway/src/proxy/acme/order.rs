//! One order: an account, a challenge that the authority sees, a certificate.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Limited;
use hyper::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use instant_acme::{
    Account, AccountBuilder, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::challenges::Shown;
use super::{Issued, Shared, Wanted, storage};
use crate::proxy::table::{AcmeEntry, ChallengeEntry};

/// Largest answer of an authority, in bytes.
const ANSWER_BYTES: usize = 1024 * 1024;
/// How long an authority may look at a challenge, or make a certificate.
const LOOKING: Duration = Duration::from_secs(120);
/// How long a connection to an authority may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// What an authority says that has forgotten an account.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority offers no challenge of the type {0:?}")]
    NoChallenge(ChallengeEntry),
    #[error("the authority refuses: {0}")]
    Refused(String),
    #[error("a request cannot be made: {0}")]
    Request(#[from] rcgen::Error),
    #[error("there are no certificates of authorities here that its own could be checked with, name some (`ca`)")]
    Trust(#[source] std::io::Error),
    #[error("the files cannot be read or written: {0}")]
    Files(#[from] std::io::Error),
    #[error("the account that was kept cannot be read: {0}")]
    Account(#[from] serde_json::Error),
    #[error("the key and the certificate are not whole")]
    Torn,
    #[error("{0}")]
    Library(#[from] rustls::Error),
}

pub(super) async fn issue(shared: &Arc<Shared>, wanted: &Wanted, (entry, by): (&AcmeEntry, ChallengeEntry)) -> Result<Issued, OrderError> {
    let account = account(shared, entry).await?;
    let identifiers = [Identifier::Dns(wanted.host.clone())];
    let mut order = match account.new_order(&NewOrder::new(&identifiers)).await {
        Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            tracing::warn!("the authority does not know its account any more, another one is made: {problem}");
            shared.storage.forget_account(&entry.directory)?;
            self::account(shared, entry).await?.new_order(&NewOrder::new(&identifiers)).await?
        }
        order => order?,
    };
    let patience = RetryPolicy::default().timeout(LOOKING);
    // Until the order is decided.
    let shown = show(shared, wanted, (&mut order, by)).await?;
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        return Err(OrderError::Refused(reason(&mut order).await));
    }
    drop(shown);
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(vec![wanted.host.clone()])?;
    parameters.distinguished_name = DistinguishedName::new();
    order.finalize_csr(parameters.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&patience).await?;
    let pem = format!("{}{chain}", key.serialize_pem());
    let issued = storage::issued(pem.as_bytes())?;
    let (kept, name) = (Arc::clone(shared), wanted.clone());
    let keeping = tokio::task::spawn_blocking(move || kept.storage.keep_certificate(&name, pem.as_bytes())).await;
    // One that cannot be kept serves all the same, until the gateway ends.
    if let Err(error) = keeping.unwrap_or(Err(OrderError::Torn)) {
        tracing::warn!(host = wanted.host, "a certificate cannot be kept: {error}");
    }
    Ok(issued)
}

/// Lets the authority see what it asks for, until what this gives back is dropped.
async fn show(shared: &Shared, wanted: &Wanted, (order, by): (&mut Order, ChallengeEntry)) -> Result<Vec<Shown>, OrderError> {
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let kind = match by {
            ChallengeEntry::TlsAlpn01 => ChallengeType::TlsAlpn01,
            ChallengeEntry::Http01 => ChallengeType::Http01,
        };
        let mut challenge = authorization.challenge(kind).ok_or(OrderError::NoChallenge(by))?;
        let says = challenge.key_authorization();
        shown.push(match by {
            ChallengeEntry::TlsAlpn01 => shared.challenges.show_certificate(&wanted.host, &says)?,
            ChallengeEntry::Http01 => shared.challenges.show_page(&challenge.token, &says),
        });
        challenge.set_ready().await?;
    }
    Ok(shown)
}

/// What the authority did not like.
async fn reason(order: &mut Order) -> String {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await {
            let errors = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            reasons.extend(errors.map(ToString::to_string));
        }
    }
    if reasons.is_empty() { "it does not say why".to_owned() } else { reasons.join("; ") }
}

/// The account at the authority, made where there is none.
async fn account(shared: &Arc<Shared>, entry: &AcmeEntry) -> Result<Account, OrderError> {
    let ca = entry.ca.clone();
    let read = move || Authority::new(ca.as_deref());
    let authority = tokio::task::spawn_blocking(read).await.map_err(|_| OrderError::Torn)??;
    let builder: AccountBuilder = Account::builder_with_http(Box::new(authority));
    if let Some(credentials) = shared.storage.account(&entry.directory)? {
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact: Vec<&str> = entry.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&new, entry.directory.clone(), None).await?;
    shared.storage.keep_account(&entry.directory, &credentials)?;
    Ok(account)
}

/// HTTP to an authority, with the certificates of this machine or with one of the table.
struct Authority(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Authority {
    fn new(ca: Option<&Path>) -> Result<Self, OrderError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECTING));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = HttpsConnectorBuilder::new();
        let tls = match ca {
            None => builder.with_provider_and_native_roots(provider).map_err(OrderError::Trust)?,
            Some(path) => {
                let mut roots = RootCertStore::empty();
                let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&std::fs::read(path)?).collect();
                // In a list of all authorities there may be some that are not understood here; the others count.
                let (understood, _) = roots.add_parsable_certificates(certificates.map_err(|_| OrderError::Torn)?);
                if understood == 0 {
                    return Err(OrderError::Trust(std::io::Error::other(format!("{} holds none", path.display()))));
                }
                let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
                builder.with_tls_config(versions.with_root_certificates(roots).with_no_client_auth())
            }
        };
        let connector = tls.https_only().enable_http1().wrap_connector(tcp);
        Ok(Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)))
    }
}

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let response = self.0.request(request);
        Box::pin(async move {
            let response = response.await.map_err(|error| instant_acme::Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(response.map(|body| Limited::new(body, ANSWER_BYTES))))
        })
    }
}
