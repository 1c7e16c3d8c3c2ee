//! One order, from the account to the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use super::client::CaClient;
use super::config::{AcmeChallenge, AcmeConfig};
use super::error::OrderError;
use super::issued::Issued;
use super::served::{Open, Served};

const ACCOUNT: &str = "acme-account.json";
pub(super) const CERTIFICATE: &str = "acme-certificate.pem";

/// How long the CA may take to validate, and then to sign.
const POLLING: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// The account as it is kept: it is the CA's of that directory, and no other's.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// Orders a certificate, and keeps it.
pub(super) async fn order(config: &AcmeConfig, served: &Served) -> Result<Issued, OrderError> {
    let account = account(config).await?;
    let names: Vec<_> = config.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    // Closed at the end of this function, however it ends.
    let open = served.open();
    prove(&mut order, config.challenge, &open).await?;
    let key = KeyPair::generate()?;
    order.finalize_csr(request(config, &key)?.der()).await?;
    let chain = order.poll_certificate(&POLLING).await?;
    let pem = format!("{}{chain}", key.serialize_pem());
    let issued = Issued::read(pem.as_bytes())?;
    if !issued.covers(&config.names) {
        return Err(OrderError::NotAsOrdered("it lacks a name"));
    }
    config.store.write(CERTIFICATE, pem.as_bytes())?;
    Ok(issued)
}

async fn account(config: &AcmeConfig) -> Result<Account, OrderError> {
    let builder = Account::builder_with_http(Box::new(CaClient::new(&config.roots)?));
    if let Some(kept) = config.store.read(ACCOUNT)? {
        let kept: Kept = serde_json::from_slice(&kept)?;
        if kept.directory == config.directory {
            return Ok(builder.from_credentials(kept.credentials).await?);
        }
    }
    let contact: Vec<_> = config.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        // Nobody gets here who didn't say so in the configuration.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = config.directory.clone();
    let (account, credentials) = builder.create(&new, directory.clone(), None).await?;
    config.store.write(ACCOUNT, &serde_json::to_vec(&Kept { directory, credentials })?)?;
    tracing::info!(directory = config.directory, id = account.id(), "a new ACME account");
    Ok(account)
}

async fn prove(
    order: &mut Order,
    challenge: AcmeChallenge,
    open: &Open<'_>,
) -> Result<(), OrderError> {
    let kind = || match challenge {
        AcmeChallenge::Http01 => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(kind()) else {
            return Err(OrderError::NoSuchChallenge(name));
        };
        put(&challenge, &name, open)?;
        challenge.set_ready().await?;
    }
    match order.poll_ready(&POLLING).await? {
        OrderStatus::Ready => Ok(()),
        OrderStatus::Invalid => Err(unproven(order).await?),
        other => Err(OrderError::Order(other)),
    }
}

/// Puts the proof where the CA looks for it.
fn put(challenge: &ChallengeHandle<'_>, name: &str, open: &Open<'_>) -> Result<(), OrderError> {
    let authorization = challenge.key_authorization();
    match challenge.r#type {
        ChallengeType::TlsAlpn01 => {
            open.proof(name, proof(name, authorization.digest().as_ref())?);
        }
        _ => open.token(&challenge.token, authorization.as_str()),
    }
    Ok(())
}

/// A certificate for that name alone, with the digest in it (RFC 8737 3).
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, OrderError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
    let key = KeyPair::generate()?;
    let chain = vec![params.self_signed(&key)?.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not compared: webpki reads no certificate whose critical extensions it doesn't know.
    let key = crate::server::provider().key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(chain, key))
}

/// Why the CA holds a name for unproven, in its own words.
async fn unproven(order: &mut Order) -> Result<OrderError, OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let name = authorization.identifier().to_string();
        let state = authorization.refresh().await?;
        let error = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(error) = error {
            return Ok(OrderError::Unproven { name, why: error.to_string() });
        }
    }
    Ok(OrderError::Order(OrderStatus::Invalid))
}

fn request(
    config: &AcmeConfig,
    key: &KeyPair,
) -> Result<rcgen::CertificateSigningRequest, OrderError> {
    let mut params = CertificateParams::new(config.names.clone())?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?)
}
