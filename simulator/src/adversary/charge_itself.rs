//! A primary that vouches for everybody's requests and charges itself for their keys: where its own
//! quota is used up, all of them meet the limit. It says so again and again, and keeps pace: who
//! asks again must not thereby spare it.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use byzantine_consensus::{Admission, Frame, Message, ReplicaId, RequestId, Supply, request_id};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// How many of those that it vouched for are remembered.
const REMEMBERED: usize = 1024;

/// How many batches that it proposed are.
const PROPOSED: usize = 16;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ChargeItself {
    rewriting: Rewriting,
    /// What it proposed last in the place of its core's batches.
    proposed: VecDeque<Bytes>,
    vouched: BTreeSet<(ReplicaId, RequestId)>,
    /// When it gives its word for all of them once more, in virtual microseconds.
    vouches_again: u64,
    /// How often gateways had brought requests when it did so last.
    brought: u64,
    /// How often they had when it looked last for one that is new.
    looked: u64,
    /// When its core is given them again.
    tells_itself: u64,
}

impl Attack for ChargeItself {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let rewritten = self.rewriting.batches(&batches, |batch| {
            let gateway = scene.me;
            let own = charged(batch).map(|(id, it)| (id, Admission { gateway, ..it }));
            let other = with_requests(batch, own);
            (other != *batch).then_some(other)
        });
        for batch in &rewritten {
            if !self.proposed.contains(batch) {
                self.proposed.push_back(batch.clone());
            }
        }
        while self.proposed.len() > PROPOSED {
            self.proposed.pop_front();
        }
        rewritten
    }

    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        if !scene.is_primary() || to == scene.me {
            return messages;
        }
        self.rewriting.messages(messages)
    }

    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let mut said = self.vouch(scene);
        // Its own core goes on with what the others commit, or it would be left for its slowness.
        if scene.is_primary() && !self.proposed.is_empty() && scene.now >= self.tells_itself {
            self.tells_itself = scene.now + scene.request_timeout / 64;
            let proposed = self.proposed.iter().cloned().collect();
            said.push((scene.me, Frame::Supply(Supply::Batches(proposed))));
        }
        said
    }
}

impl ChargeItself {
    /// As if clients came to it, and came back before anybody else's patience ends, for as long as
    /// any come back to anybody.
    fn vouch(&mut self, scene: &Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if scene.now >= self.vouches_again && scene.heard.brought > self.brought {
            self.vouched.clear();
            self.vouches_again = scene.now + scene.request_timeout / 8;
            self.brought = scene.heard.brought;
        } else if scene.heard.brought == self.looked {
            return Vec::new();
        }
        self.looked = scene.heard.brought;
        let heard = scene.heard.requests.iter();
        let news = heard.filter(|bytes| self.vouched.insert((scene.me, request_id(bytes))));
        let news: Vec<Bytes> = news.cloned().collect();
        while self.vouched.len() > REMEMBERED {
            self.vouched.pop_first();
        }
        if news.is_empty() {
            return Vec::new();
        }
        scene.to_all(&scene.seal(&[scene.requests(news)]))
    }
}
