//! TLS, by rustls: what the two sides have to know, and the bytes of one connection.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme,
};
use serde::{Deserialize, Serialize};

use super::wire::read_some;

/// What a manager shows to its clients over TLS: a certificate, and the key that belongs to it.
///
/// TLS says to clients whose manager it is, and keeps all that is said from others. Who the clients are it
/// does not say: for that there is the [`Key`](ipc_pipe::Key), which is proved inside of TLS.
///
/// Only version 1.3 is spoken.
///
/// # Examples
///
/// ```no_run
/// use manager::{Address, Manager, TlsServer};
///
/// let tls = TlsServer::from_pem(std::fs::read("cert.pem")?, std::fs::read("key.pem")?)?;
/// let address = Address::tcp("0.0.0.0:7000")?;
/// Manager::builder().address(&address).key("very secret").tls(tls).serve()?.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct TlsServer {
    /// The certificate, and those that lead from it to one that clients know.
    chain: Vec<Vec<u8>>,
    key: Vec<u8>,
}

/// Which managers a client believes over TLS.
///
/// # Examples
///
/// ```no_run
/// use manager::{Address, Manager, TlsClient};
///
/// let tls = TlsClient::trusting(std::fs::read("authority.pem")?, "manager.example")?;
/// let address = Address::tcp("manager.example:7000")?;
/// let manager = Manager::connector(&address).key("very secret").tls(tls).connect()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsServer {
    /// Takes a certificate, with those that lead from it to one that clients know, and its private key,
    /// all as text of the form PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] if they are not that, or do not belong together.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> io::Result<Self> {
        let chain = certificates(chain.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(invalid)?;
        // Anything that is wrong with them is found here, and not in another process.
        config(chain.clone(), key.clone_key())?;
        let chain = chain.into_iter().map(|one| one.to_vec()).collect();
        Ok(Self { chain, key: key.secret_der().to_vec() })
    }

    /// What its own process believes: this certificate, and no other.
    pub(crate) fn own_client(&self) -> io::Result<TlsClient> {
        let own = self.chain.first().cloned().unwrap_or_default();
        TlsClient::exactly_der(own.into())
    }

    /// What connections begin with.
    pub(crate) fn config(&self) -> io::Result<Arc<ServerConfig>> {
        let chain = self.chain.iter().cloned().map(CertificateDer::from).collect();
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(invalid)?;
        config(chain, key)
    }
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Believes a manager whose certificate is for that name, or IP address, and is vouched for by one of
    /// these authorities, which are text of the form PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] if they are not that, or it is no name.
    pub fn trusting(authorities: impl AsRef<[u8]>, name: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(authorities.as_ref())? {
            roots.add(authority).map_err(invalid)?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Self::with(verifier.build().map_err(invalid)?, name)
    }

    /// Believes a manager that has exactly this certificate, which is text of the form PEM, whatever name
    /// and dates are in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] if it is not that.
    pub fn exactly(certificate: impl AsRef<[u8]>) -> io::Result<Self> {
        let own = certificates(certificate.as_ref())?.into_iter().next();
        Self::exactly_der(own.ok_or_else(|| invalid("there is no certificate"))?)
    }

    fn exactly_der(certificate: CertificateDer<'static>) -> io::Result<Self> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        Self::with(Arc::new(Exactly { certificate, algorithms }), "manager.invalid")
    }

    fn with(verifier: Arc<dyn ServerCertVerifier>, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(invalid)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(invalid)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }

    /// Begins a connection.
    pub(super) fn begin(&self) -> io::Result<Tls> {
        let begun = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        Ok(Tls::over(Connection::Client(begun.map_err(invalid)?)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn invalid(why: impl ToString) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_string())
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(invalid)?;
    if all.is_empty() { Err(invalid("there is no certificate")) } else { Ok(all) }
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> io::Result<Arc<ServerConfig>> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(invalid)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(invalid)?;
    Ok(Arc::new(config))
}

/// Believes who has that certificate and proves to have its key.
#[derive(Debug)]
struct Exactly {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The bytes of one connection, encrypted.
#[derive(Debug)]
pub(crate) struct Tls(Connection);

impl Tls {
    fn over(mut connection: Connection) -> Self {
        // The window bounds what is on its way.
        connection.set_buffer_limit(None);
        Self(connection)
    }

    /// Begins a server's side of a connection.
    pub(crate) fn serve(config: &Arc<ServerConfig>) -> io::Result<Self> {
        let begun = ServerConnection::new(Arc::clone(config)).map_err(invalid)?;
        Ok(Self::over(Connection::Server(begun)))
    }

    pub(super) fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    /// Takes over what is to be written.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.0.writer().write_all(out)?;
        out.clear();
        Ok(())
    }

    /// Writes what finds room; whether that was all.
    pub(super) fn write(&mut self, mut stream: &TcpStream) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(&mut stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads what has come, and appends what it says; `false` if nothing has come.
    pub(super) fn read(
        &mut self,
        stream: &TcpStream,
        come: &mut Vec<u8>,
        room: &mut [u8],
    ) -> io::Result<bool> {
        let Some(count) = read_some(stream, room)? else { return Ok(false) };
        let mut encrypted = room.get(..count).unwrap_or_default();
        while !encrypted.is_empty() {
            self.0.read_tls(&mut encrypted)?;
            let state = self.0.process_new_packets();
            if let Err(error) = state {
                // The other side is told why, if there is room for that.
                self.write(stream).ok();
                return Err(invalid(error));
            }
            self.drain(come)?;
        }
        Ok(true)
    }

    fn drain(&mut self, come: &mut Vec<u8>) -> io::Result<()> {
        match self.0.reader().read_to_end(come) {
            Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}
