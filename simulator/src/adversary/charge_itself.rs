//! A primary that vouches for everybody's requests and charges itself for their keys: where its own
//! quota is used up, all of them meet the limit.

use std::collections::BTreeSet;

use bytes::Bytes;
use byzantine_consensus::{Admission, Frame, Message, ReplicaId, RequestId, request_id};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// How many of those that it vouched for are remembered.
const REMEMBERED: usize = 1024;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ChargeItself {
    rewriting: Rewriting,
    vouched: BTreeSet<(ReplicaId, RequestId)>,
}

impl Attack for ChargeItself {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        self.rewriting.batches(&batches, |batch| {
            let gateway = scene.me;
            let own = charged(batch).map(|(id, it)| (id, Admission { gateway, ..it }));
            let other = with_requests(batch, own);
            (other != *batch).then_some(other)
        })
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
