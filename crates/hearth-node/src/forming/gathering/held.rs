//! A gathering's ceremony: going to it, and what comes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_api::FormedCluster;
use hearth_gathering::Outcome;

use super::super::kept::{FILE, Side};
use super::super::taking::{Ended, Part, Taking, Waits, settle};
use super::super::{Grounds, show};
use super::Gathering;
use crate::ceremony::Release;

impl Gathering {
    /// Goes to a ceremony.
    pub(super) async fn go(&mut self, number: u32, grounds: &Grounds) {
        let Some(definition) = self.definition().cloned() else { return };
        self.gone_to = number;
        self.called = None;
        self.trouble = None;
        self.say(false);
        if let Side::Guest(_) = self.side {
            // The report that says so is on its way; without it the organiser waits a little longer.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        self.shut().await;
        if let Some(port) = self.port.take() {
            port.give_back().await;
        }
        self.forget_visits();
        let (release, waits) = match &self.side {
            // Nobody calls them together: they come when they come.
            Side::Named(named) => (named.release(), Waits::Always),
            Side::Organiser(_) | Side::Guest(_) => (Release::V1_11, Waits::AWhile),
        };
        let part =
            Part { folder: &self.folder, me: self.me(), definition, peers: self.peers(), release, waits };
        match Taking::part(grounds, &self.reached, part).await {
            Ok(taking) => self.ceremony = Some(taking),
            Err(error) => self.failed(error),
        }
    }

    /// Where the others will be, by seat.
    pub(super) fn peers(&self) -> BTreeMap<u8, Vec<String>> {
        let me = self.me();
        let mut peers: BTreeMap<u8, Vec<String>> = (1..)
            .zip(self.states())
            .map(|(number, seat)| (number, seat.standing.addresses))
            .filter(|(number, addresses)| *number != me && !addresses.is_empty())
            .collect();
        if let Side::Guest(guest) = &self.side {
            // Where he was reached is where he can be reached.
            peers.insert(1, guest.invite().rendezvous.clone());
        }
        peers
    }

    pub(super) async fn ended(&mut self, ended: Ended, grounds: &Grounds) {
        self.ceremony = None;
        match ended {
            Ended::Formed(held, doubt) => {
                self.trouble = doubt;
                self.outcome = Some(Outcome::Formed(*held.lock_hash.as_bytes()));
                let settled = settle(grounds, &self.folder, &self.reached, self.peers()).await;
                if let Err(error) = settled {
                    self.trouble = Some(format!(
                        "the cluster is formed, and where its operators are could not be written down: {}",
                        error.details.unwrap_or(error.message)
                    ));
                }
                let _left = std::fs::remove_file(self.folder.join(FILE));
                self.formed = Some(FormedCluster {
                    cluster: held.lock_hash,
                    validators: held.validators.iter().map(|key| show::hex(key)).collect(),
                    restart_needed: grounds.newcomers.come(),
                });
            }
            Ended::Failed(why) => self.failed(why),
        }
    }

    /// Everybody gathers again.
    pub(super) fn failed(&mut self, why: String) {
        self.trouble = Some(why.clone());
        self.outcome = Some(Outcome::Failed(why));
        self.checked = None;
        self.forget_visits();
        self.connected = false;
        match &mut self.side {
            Side::Organiser(table) => table.set_ready(false),
            Side::Guest(guest) => guest.set_ready(false),
            Side::Named(_) => {}
        }
    }
}
