//! A certificate authority for tests, and the certificates that it issues.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameRef};

const DAY_S: i64 = 86_400;

/// A certificate authority.
#[derive(Debug)]
pub struct CertificateAuthority {
    key: PKey<Private>,
    certificate: X509,
}

/// The validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// From yesterday until tomorrow.
    Today,
    /// Until yesterday.
    Expired,
}

// === impl CertificateAuthority ===

impl CertificateAuthority {
    /// Creates an authority with a self-signed certificate.
    ///
    /// # Errors
    /// OpenSSL fails.
    pub fn new(name: &str) -> Result<Self, ErrorStack> {
        let key = new_key()?;
        let subject = named(name)?;
        let mut builder = unsigned(&key, &subject, &subject, Validity::Today)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// Writes its certificate to `folder` as PEM and returns the path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path, file: &str) -> io::Result<PathBuf> {
        let path = folder.join(file);
        std::fs::write(&path, self.certificate.to_pem()?)?;
        Ok(path)
    }

    /// Issues a certificate with a new key for `name`, for a server on the loopback address or a client. Both are written to
    /// `name.pem` in `folder`.
    ///
    /// # Errors
    /// OpenSSL fails, or the file cannot be written.
    pub fn issue(&self, folder: &Path, name: &str, validity: Validity) -> io::Result<PathBuf> {
        let key = new_key()?;
        let subject = named(name)?;
        let mut builder = unsigned(&key, &subject, self.certificate.subject_name(), validity)?;
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(Some(&self.certificate), None))?;
        builder.append_extension(names)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        let path = folder.join(format!("{name}.pem"));
        let text = [key.private_key_to_pem_pkcs8()?, builder.build().to_pem()?].concat();
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&curve)?)
}

fn named(name: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509Name::builder()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(builder.build())
}

fn unsigned(
    key: &PKey<Private>,
    subject: &X509NameRef,
    issuer: &X509NameRef,
    validity: Validity,
) -> Result<X509Builder, ErrorStack> {
    let (from_s, to_s) = match validity {
        Validity::Today => (-DAY_S, DAY_S),
        Validity::Expired => (-2 * DAY_S, -DAY_S),
    };
    let mut serial = BigNum::new()?;
    serial.rand(64, MsbOption::MAYBE_ZERO, false)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = |offset_s: i64| Asn1Time::from_unix(i64::try_from(now_s).unwrap_or(0) + offset_s);
    let mut builder = X509::builder()?;
    // Versions count from zero: this is X.509 v3.
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_not_before(&*at(from_s)?)?;
    builder.set_not_after(&*at(to_s)?)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}
