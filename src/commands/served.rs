//! A centre with its API: what `serve` and `demo` run.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{self, Operators, OwnToken};
use crate::centre::{Centre, Figures, Handle, Parts};
use crate::config::OperatorEntry;

/// A running centre with its API.
pub(crate) struct Served {
    centre: Centre,
    address: SocketAddr,
    own_token: Option<OwnToken>,
    stop_api: watch::Sender<bool>,
    api: JoinHandle<()>,
}

impl Served {
    /// Starts the centre, then lets people in. Without operators it makes a token of its own, in the data folder.
    ///
    /// # Errors
    /// When the data folder cannot be used; nothing runs then.
    pub(crate) async fn start(
        parts: Parts,
        mut operators: Vec<OperatorEntry>,
        listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let data = parts.data.clone();
        let address = listener.local_addr().context("the API's address is not known")?;
        let centre = Box::pin(Centre::start(parts)).await?;
        let mut own_token = None;
        if operators.is_empty() {
            match api::own_token(&data) {
                Ok(own) => {
                    operators.push(own.operator());
                    own_token = Some(own);
                }
                Err(error) => {
                    Box::pin(centre.stop()).await?;
                    return Err(error).with_context(|| {
                        format!("data folder {}: the operator's token cannot be kept there", data.display())
                    });
                }
            }
        }
        let (stop_api, stopped) = watch::channel(false);
        let api = tokio::spawn(api::serve(listener, centre.handle(), Operators::new(&operators), stopped));
        Ok(Self { centre, address, own_token, stop_api, api })
    }

    /// Where the API answers.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that the centre made, where no operators were configured.
    pub(crate) const fn own_token(&self) -> Option<&OwnToken> {
        self.own_token.as_ref()
    }

    /// The centre.
    pub(crate) fn handle(&self) -> Handle {
        self.centre.handle()
    }

    /// Figures of this run so far.
    pub(crate) fn figures(&self) -> Figures {
        self.centre.figures()
    }

    /// Returns when the centre has ended by itself, which only a defect makes it do.
    pub(crate) async fn ended(&self) {
        self.centre.ended().await;
    }

    /// Shuts the door, then stops the centre with everything flushed, and gives the last figures.
    ///
    /// # Errors
    /// When something could not be flushed.
    pub(crate) async fn stop(self) -> anyhow::Result<Figures> {
        self.stop_api.send_replace(true);
        if let Err(error) = self.api.await {
            tracing::error!(%error, "the API did not end by itself");
        }
        Ok(Box::pin(self.centre.stop()).await?)
    }
}
