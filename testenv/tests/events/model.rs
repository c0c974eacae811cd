//! What must be served after which events: the contract, for one process and the plugins in its listener. Where it says
//! that two answers are right, both are here.

use std::collections::BTreeSet;

use crate::document::{Answer, Document, NOTHING, Name, Owner, Serves};

/// What tells one document from another. Where nothing does but the octets, and a document comes back while Envoy still has
/// a plugin that was made of the same ones, it takes that one, and hands the document to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A resource version.
    Version,
    /// The octets: the old plugin lives until every worker has the new document.
    Octets,
    /// The octets, within a listener: the old plugin lives until that one is drained.
    OctetsInListener,
}

/// One plugin.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    pub(crate) owner: Owner,
    identity: Identity,
    /// What it was given last; `None` where it is not in the listener.
    document: Option<Document>,
    /// The last good document of this process; several, where it may be any of them.
    last_good: Vec<Document>,
    /// Every good document of this process.
    every_good: Vec<Document>,
    /// What Envoy may still have a plugin of.
    had: BTreeSet<String>,
    /// Envoy may not have handed over what it has.
    may_be_unseen: bool,
    /// What it had when it was taken away.
    removed: Option<Document>,
    /// It was taken away since the last good document: what the process knew of it may be gone.
    may_have_forgotten: bool,
    /// It was degraded under a name that is not its own, or when it was taken away: nobody may be left to say
    /// that this is over.
    gauge_may_stay: bool,
    /// Documents that this process has judged.
    pub(crate) accepted: Count,
    pub(crate) rejected: Count,
}

/// A counter. What was counted is lost where a hot restart does not hand it over, and, from Envoy 1.39 on, where no VM
/// is left that counts under the name of a table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Plugin {
    pub(crate) fn new(owner: Owner, identity: Identity) -> Self {
        Self {
            owner,
            identity,
            document: None,
            removed: None,
            last_good: Vec::new(),
            every_good: Vec::new(),
            had: BTreeSet::new(),
            may_be_unseen: false,
            may_have_forgotten: false,
            gauge_may_stay: false,
            accepted: Count::default(),
            rejected: Count::default(),
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.document.is_some()
    }

    pub(crate) fn has(&self, document: &Document) -> bool {
        self.document.as_ref().is_some_and(|held| held.is == document.is)
    }

    pub(crate) fn put(&mut self, document: &Document) {
        if self.is_there() {
            self.removed = None;
        }
        // Without a resource version it may pass for the one that was there before.
        let is_other = self.removed.as_ref().is_none_or(|removed| removed.is != document.is);
        let is_first = self.had.insert(document.is.clone());
        self.may_be_unseen = self.identity != Identity::Version && !is_first;
        let is_new = self.identity == Identity::Version || (is_other && !self.may_be_unseen);
        if self.counts_under_own_name(self.document.as_ref()) != self.counts_under_own_name(Some(document)) {
            self.lose_counts();
        }
        let count = if document.good { &mut self.accepted } else { &mut self.rejected };
        count.most += 1;
        count.least += u64::from(is_new);
        if document.good {
            if !self.may_be_unseen {
                self.last_good.clear();
            }
            self.last_good.push(document.clone());
            self.every_good.push(document.clone());
            self.may_have_forgotten = false;
        }
        self.document = Some(document.clone());
    }

    /// Every worker has the last document.
    pub(crate) fn settle(&mut self) {
        if self.identity == Identity::Octets {
            self.had = self.document.iter().map(|document| document.is.clone()).collect();
        }
    }

    /// The next process is to have this document.
    pub(crate) fn replace(&mut self, document: &Document) {
        self.document = Some(document.clone());
    }

    pub(crate) fn remove(&mut self) {
        self.gauge_may_stay |= self.is_degraded();
        self.may_have_forgotten = true;
        self.removed = self.document.take();
        self.lose_counts();
    }

    /// Another process begins with the document that is in place. After a hot restart it counts on.
    pub(crate) fn restart(&mut self, counts_on: bool) {
        let document = self.document.take();
        self.lose_counts();
        let of_old = |count| if counts_on { count } else { Count::default() };
        let (accepted, rejected) = (of_old(self.accepted), of_old(self.rejected));
        *self = Self { accepted, rejected, ..Self::new(self.owner, self.identity) };
        if let Some(document) = document {
            self.put(&document);
        }
    }

    /// Whether a document is counted under the table's own name, and not under `default`; `None` where both are right.
    fn counts_under_own_name(&self, document: Option<&Document>) -> Option<bool> {
        match document?.name {
            Name::Own => Some(true),
            Name::Absent => Some(false),
            Name::Unreadable if self.last_good.is_empty() => Some(false),
            Name::Unreadable => (!self.may_have_forgotten).then_some(true),
        }
    }

    fn lose_counts(&mut self) {
        self.accepted.least = 0;
        self.rejected.least = 0;
    }

    pub(crate) fn never_was(&self) -> bool {
        self.accepted.most + self.rejected.most == 0
    }

    fn is_degraded(&self) -> bool {
        self.document.as_ref().is_some_and(|document| !document.good)
    }

    /// Every way to serve that is right.
    pub(crate) fn may_serve(&self) -> Vec<Serves> {
        let Some(document) = &self.document else { return vec![NOTHING] };
        let whole_or_part = || document.serves.clone();
        if document.good || self.last_good.is_empty() {
            return vec![whole_or_part()];
        }
        // What serves may be what did when the same octets came before.
        let may_be_old = self.may_be_unseen;
        let good = if may_be_old { &self.every_good } else { &self.last_good };
        let in_part = (may_be_old || self.may_have_forgotten).then(whole_or_part);
        good.iter().map(|good| good.serves.clone()).chain(in_part).collect()
    }

    /// What may be served while the last event is under way: a plugin that comes back may begin where it was.
    pub(crate) fn may_serve_meanwhile(&self) -> Vec<Serves> {
        let mut may = self.may_serve();
        let earlier = self.removed.iter().chain(&self.last_good).filter(|_| self.removed.is_some());
        may.extend(earlier.map(|document| document.serves.clone()));
        may
    }

    /// The gauge `config_degraded` under the table's own name, where the contract says what it is.
    pub(crate) fn degraded_gauge(&self) -> Option<u64> {
        let document = self.document.as_ref().filter(|_| !self.may_be_unseen)?;
        if document.good {
            return Some(0);
        }
        (self.counts_under_own_name(Some(document)) == Some(true)).then_some(1)
    }

    /// The gauge `config_degraded` under `default`. `None` where it is not known.
    pub(crate) fn nameless_gauge(&self) -> Option<u64> {
        if self.gauge_may_stay || self.may_have_forgotten || self.may_be_unseen {
            return None;
        }
        let document = self.document.as_ref()?;
        match self.counts_under_own_name(Some(document)) {
            Some(false) => Some(1),
            // There may have been a bad one that has no name, and no good one since.
            Some(true) if document.good => Some(0),
            _ => None,
        }
    }

    /// The gauge `routes` under the table's own name.
    pub(crate) fn routes_gauge(&self) -> Option<u64> {
        let document = self.document.as_ref().filter(|_| !self.may_be_unseen)?;
        match &self.last_good[..] {
            _ if document.good => Some(document.routes),
            [good] if !self.may_have_forgotten => Some(good.routes),
            _ => None,
        }
    }
}

/// Whether an answer is right by any of these ways to serve.
pub(crate) fn allows(may_serve: &[Serves], path: usize, answer: &Answer) -> bool {
    may_serve.iter().any(|serves| serves[path] == *answer)
}
