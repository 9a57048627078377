//! The record of signed messages of a node that does not run.

use std::path::Path;

use hearth_api::{
    SlashingExportReply, SlashingExportRequest, SlashingImportReply, SlashingImportRequest, SlashingReply,
};
use hearth_signer::identity::{self, IdentityError};
use hearth_slashing::{OpenError, SlashingDb};
use thiserror::Error;

use super::check::{ClusterFileError, Scrutiny};
use crate::folder::{DataFolder, FolderError};
use crate::record::{self, ClusterKeys, RecordError};
use crate::seat::{SeatError, seat_of};

/// A node's folder, held so that no node starts on it.
#[derive(Debug)]
pub struct StoppedNode {
    folder: DataFolder,
    keys: ClusterKeys,
}

/// Why the record of a stopped node is not reached. Nothing of it changed.
#[derive(Debug, Error)]
pub enum StoppedNodeError {
    /// The folder cannot be used, or a node runs on it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The identity cannot be loaded.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The cluster lock cannot be used.
    #[error(transparent)]
    Lock(#[from] ClusterFileError),
    /// The folder is not that of an operator of the cluster.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// The record cannot be opened.
    #[error(transparent)]
    Closed(#[from] OpenError),
    /// There is none.
    #[error("nothing was signed with this folder yet, and no file was imported: there is no record")]
    Empty,
    /// What was asked of the record failed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl StoppedNode {
    /// Holds the folder of an operator.
    pub fn open(folder: &Path, scrutiny: &Scrutiny) -> Result<Self, StoppedNodeError> {
        let folder = DataFolder::open(folder)?;
        let identity = identity::load(&folder.identity())?;
        let (lock, _warnings) = scrutiny.usable_lock(&folder.lock())?;
        let me = seat_of(&identity, &lock, &folder.identity())?;
        Ok(Self { folder, keys: ClusterKeys::of(&lock, me) })
    }

    fn record(&self) -> Result<SlashingDb, StoppedNodeError> {
        SlashingDb::open_existing(&self.folder.slashing())?.ok_or(StoppedNodeError::Empty)
    }

    /// How far the record reaches, per validator.
    pub fn slashing(&self) -> Result<SlashingReply, StoppedNodeError> {
        Ok(record::sum_up(&self.record()?, &self.folder.slashing())?)
    }

    /// Writes the record to a file for another program.
    pub fn slashing_export(
        &self,
        request: &SlashingExportRequest,
    ) -> Result<SlashingExportReply, StoppedNodeError> {
        let interchange = record::tell(&self.record()?, &self.keys, request.keys, request.complete)?;
        Ok(record::write(Path::new(&request.path), &interchange)?)
    }

    /// What a file of another program would add to the record; and, confirmed, adds it. Without a chain to ask, a file is not
    /// measured against the clock.
    ///
    /// A folder without a record gets one, for the chain that the file is about.
    pub fn slashing_import(
        &self,
        request: &SlashingImportRequest,
    ) -> Result<SlashingImportReply, StoppedNodeError> {
        let foreign = record::read(Path::new(&request.path), &self.keys)?;
        let existing = SlashingDb::open_existing(&self.folder.slashing())?;
        let mut record = match existing {
            Some(record) => record,
            None if request.confirmed => SlashingDb::open(&self.folder.slashing(), foreign.chain())?,
            None => SlashingDb::in_memory(foreign.chain())?,
        };
        Ok(foreign.add_to(&mut record, None, request.confirmed)?)
    }
}
