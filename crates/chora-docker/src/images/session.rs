//! The connection over which `BuildKit` asks its client for the context, secrets and registry logins.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{self, Poll};

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard_buildkit_proto::moby::filesync::v1 as auth;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use chora_core::model::secret::Secret;
use chora_core::ports::EngineError;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use indexmap::IndexMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

use super::context::Context;
use super::file_sync::Files;
use crate::client::{Call, Client};
use crate::login::Logins;

/// Methods announced to the engine.
const METHODS: [&str; 4] = [
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/grpc.health.v1.Health/Check",
];

/// The most that the engine may say in the head of a call, in bytes: every line of an ignore file is one there, and clients of Go take as much.
const LARGEST_HEAD: u32 = 16 << 20;

/// An open session; it ends when this is dropped, which lets go of the context and the secrets.
pub(super) struct Session {
    pub(super) id: String,
    _end: DropGuard,
}

impl Session {
    pub(super) async fn open(
        client: &Client,
        id: String,
        context: Context,
        secrets: &IndexMap<String, Secret<Vec<u8>>>,
        logins: Logins,
    ) -> Result<Self, EngineError> {
        let mut call = Call::post("/session", "a build session")
            .header("X-Docker-Expose-Session-Uuid", id.clone())
            .header("X-Docker-Expose-Session-Name", "chora".to_owned())
            .header("X-Docker-Expose-Session-Sharedkey", context.key.clone());
        for method in METHODS {
            call = call.header("X-Docker-Expose-Session-Grpc-Method", method.to_owned());
        }
        let connection = Connection(client.upgrade(call, "h2c").await?);
        let vault = Vault { secrets: secrets.iter().map(|(id, secret)| (id.clone(), secret.clone())).collect() };
        let end = CancellationToken::new();
        let ended = end.clone();
        // Without more to come, nothing of it would be served any more.
        let incoming = stream::iter([Ok::<_, std::io::Error>(connection)]).chain(stream::pending());
        tokio::spawn(async move {
            // The engine ends the session by closing the connection, which is no failure.
            let _ = tonic::transport::Server::builder()
                .http2_max_header_list_size(LARGEST_HEAD)
                .add_service(HealthServer::new(AlwaysServing))
                .add_service(FileSyncServer::new(Files::new(context)))
                .add_service(AuthServer::new(RegistryLogins { logins }))
                .add_service(SecretsServer::new(vault))
                .serve_with_incoming_shutdown(incoming, ended.cancelled_owned())
                .await;
        });
        Ok(Self { id, _end: end.drop_guard() })
    }
}

struct Connection(TokioIo<Upgraded>);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Vault {
    secrets: HashMap<String, Secret<Vec<u8>>>,
}

#[tonic::async_trait]
impl Secrets for Vault {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = &request.get_ref().id;
        let secret = self.secrets.get(id).ok_or_else(|| Status::not_found(format!("secret `{id}` is not among the build's secrets")))?;
        Ok(Response::new(GetSecretResponse { data: secret.expose().clone() }))
    }
}

struct RegistryLogins {
    logins: Logins,
}

#[tonic::async_trait]
impl Auth for RegistryLogins {
    async fn credentials(&self, request: Request<auth::CredentialsRequest>) -> Result<Response<auth::CredentialsResponse>, Status> {
        let login = self.logins.for_registry(&request.get_ref().host).await;
        let login = login.map_err(|error| Status::unavailable(error.to_string()))?.unwrap_or_default();
        // An identity token goes without a user name.
        let (username, secret) = match login.identity_token.is_empty() {
            true => (login.username, login.password),
            false => (String::new(), login.identity_token),
        };
        Ok(Response::new(auth::CredentialsResponse { username, secret }))
    }

    async fn fetch_token(&self, _: Request<auth::FetchTokenRequest>) -> Result<Response<auth::FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the engine fetches its tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: Request<auth::GetTokenAuthorityRequest>,
    ) -> Result<Response<auth::GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches its tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<auth::VerifyTokenAuthorityRequest>,
    ) -> Result<Response<auth::VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches its tokens itself"))
    }
}

struct AlwaysServing;

#[tonic::async_trait]
impl Health for AlwaysServing {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("there is one service"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("check it again instead"))
    }
}
