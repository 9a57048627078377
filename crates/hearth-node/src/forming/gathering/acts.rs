//! What the owner does in a gathering.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use hearth_api::{ErrorCode, NameSeatRequest, SetDefinitionRequest, UiError};
use hearth_gathering::{Answer, Table};
use hearth_obol::cluster::KEY_LOCK_FILE;
use hearth_signer::identity;
use hearth_types::Root;
use tokio::time::Instant;

use super::super::door::Came;
use super::super::kept::{FILE, Side};
use super::super::named::examine;
use super::super::{Grounds, not_yet};
use super::{Gathering, unknown_network};
use crate::aside::aside;
use crate::clock;
use crate::offline::DEFINITION;

/// How long a guest who leaves has to be heard.
const FAREWELL: Duration = Duration::from_secs(2);

impl Gathering {
    pub(in super::super) async fn name(&mut self, request: &NameSeatRequest) -> Result<(), UiError> {
        let NameSeatRequest { seat, record, nickname, address } = request;
        let addresses = match address.trim() {
            "" => Vec::new(),
            address => {
                hearth_p2p::check_peer_address(address)
                    .map_err(|error| UiError::because(ErrorCode::ValueRefused, error))?;
                vec![address.to_owned()]
            }
        };
        let named = self.table()?.name(*seat, record, (nickname.trim().to_owned(), addresses));
        named.map_err(not_yet)?;
        self.doors_changed().await
    }

    /// Writes the invitation to a seat to a new file.
    pub(in super::super) async fn save_invite(&mut self, seat: u8, path: &Path) -> Result<(), UiError> {
        let gone = || UiError::because(ErrorCode::NotReady, "there is no invitation to that seat");
        let (link, _) = self.link(seat).ok_or_else(gone)?;
        let path = path.to_owned();
        aside(move || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let written = options.open(path).and_then(|mut file| writeln!(file, "{link}"));
            written.map_err(|error| UiError::because(ErrorCode::Unwritable, error))
        })
        .await
    }

    pub(in super::super) async fn reopen(&mut self, seat: u8) -> Result<(), UiError> {
        self.table()?.reopen(seat, clock::now(), &mut rand::rng()).map_err(not_yet)?;
        self.doors_changed().await
    }

    /// The door knows whom it lets in only when it is opened.
    async fn doors_changed(&mut self) -> Result<(), UiError> {
        let network = self.network.clone().ok_or_else(unknown_network)?;
        self.table()?.settle(&network).map_err(|error| UiError::because(ErrorCode::ValueRefused, error))?;
        self.shut().await;
        self.open().await;
        self.keep()
    }

    pub(in super::super) async fn agree(&mut self, hash: Root) -> Result<(), UiError> {
        match &mut self.side {
            Side::Organiser(table) => table.agree(hash),
            Side::Guest(guest) => guest.agree(hash),
            Side::Named(named) => return named.agree(hash).and_then(|()| self.keep()),
        }
        .map_err(not_yet)?;
        self.say(false);
        self.keep()
    }

    pub(in super::super) async fn set_ready(&mut self, ready: bool) -> Result<(), UiError> {
        self.check().await;
        self.stand();
        match &mut self.side {
            Side::Organiser(table) => table.set_ready(ready),
            Side::Guest(guest) => guest.set_ready(ready),
            Side::Named(_) => return Err(not_gathered()),
        }
        self.say(false);
        self.keep()
    }

    /// Takes the definition that has this node on one of its seats.
    pub(in super::super) async fn define(
        &mut self,
        grounds: &Grounds,
        request: SetDefinitionRequest,
    ) -> Result<(), UiError> {
        if self.ceremony.is_some() || self.formed.is_some() {
            return Err(UiError::because(ErrorCode::NotReady, "the key ceremony has begun"));
        }
        for address in request.peers.iter().flat_map(|peer| &peer.addresses) {
            hearth_p2p::check_peer_address(address)
                .map_err(|error| UiError::because(ErrorCode::ValueRefused, error))?;
        }
        let Side::Named(named) = &mut self.side else { return Err(not_gathered()) };
        if request.source.trim().is_empty() && named.definition().is_some() {
            named.meet(&request);
            return self.keep();
        }
        let (source, scrutiny, key) =
            (request.source.trim().to_owned(), grounds.settings.in_effect().scrutiny(), self.key.public());
        let (definition, network) = aside(move || examine(&source, &scrutiny, &key)).await?;
        self.network = Some(network);
        self.trouble = None;
        if let Side::Named(named) = &mut self.side {
            named.define(definition, &request);
        }
        self.stand();
        self.keep()
    }

    pub(in super::super) async fn begin(&mut self, grounds: &Grounds) -> Result<(), UiError> {
        if self.ceremony.is_some() || self.called.is_some() {
            return Ok(());
        }
        if let Side::Named(named) = &self.side {
            if !named.is_agreed() {
                return Err(UiError::value_refused("Compare the words with the other operators first."));
            }
            self.go(self.gone_to + 1, grounds).await;
            return self.keep();
        }
        self.table()?.begin(clock::now()).map_err(not_yet)?;
        self.called = Some(Instant::now());
        self.keep()
    }

    fn table(&mut self) -> Result<&mut Table, UiError> {
        if self.ceremony.is_some() || self.formed.is_some() {
            return Err(UiError::because(ErrorCode::NotReady, "the key ceremony has begun"));
        }
        match &mut self.side {
            Side::Organiser(table) => Ok(table),
            Side::Guest(_) | Side::Named(_) => {
                Err(UiError::because(ErrorCode::NotReady, "that is for the organiser to do"))
            }
        }
    }

    pub(in super::super) const fn is_in_ceremony(&self) -> bool {
        self.ceremony.is_some()
    }

    pub(in super::super) const fn is_formed(&self) -> bool {
        self.formed.is_some()
    }

    pub(in super::super) fn stop_ceremony(&mut self) {
        if let Some(ceremony) = &mut self.ceremony {
            ceremony.stop("this operator has stopped it");
        }
    }

    /// For good: the seat is given up, and what was made for it is removed. A cluster that is formed stays.
    pub(in super::super) async fn give_up(mut self) -> Result<(), UiError> {
        if self.formed.is_some() {
            return Ok(());
        }
        if matches!(self.side, Side::Guest(_)) && self.connected {
            self.say(true);
            let heard = async {
                while let Some(door) = &mut self.door {
                    if let Came::Answer(Answer::Refused(_), _) = door.next().await {
                        return;
                    }
                }
            };
            // Who cannot be told finds the seat silent.
            let _told = tokio::time::timeout(FAREWELL, heard).await;
        }
        self.shut().await;
        let folder = self.folder;
        aside(move || remove(&folder)).await
    }

    /// The node stops; the gathering goes on when it is started again.
    pub(in super::super) async fn close(mut self) {
        if let Some(ceremony) = self.ceremony.take() {
            ceremony.pause().await;
        }
        self.shut().await;
    }
}

fn not_gathered() -> UiError {
    UiError::because(ErrorCode::NotReady, "that is not how this cluster is formed")
}

/// Removes what was made for a seat that was given up: nothing else, and no cluster's folder.
fn remove(folder: &Path) -> Result<(), UiError> {
    let refused = |error: std::io::Error| UiError::because(ErrorCode::Unwritable, error);
    std::fs::remove_file(folder.join(FILE)).map_err(refused)?;
    let _definition = std::fs::remove_file(folder.join(DEFINITION));
    let _key = std::fs::remove_file(folder.join(identity::FILE_NAME));
    let _lock = std::fs::remove_file(folder.join(KEY_LOCK_FILE));
    // Only if nothing else is in it.
    let _empty = std::fs::remove_dir(folder);
    Ok(())
}
