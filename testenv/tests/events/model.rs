//! The outcomes that the contract allows after a sequence of events, for one Envoy process and the plugins in its
//! listener. If the contract allows several outcomes, the model contains all of them.

use std::collections::BTreeSet;

use crate::document::{ALL_UNTOUCHED, Document, Outcome, Outcomes, Owner, TableName};

/// How Envoy distinguishes one document of a plugin from another.
///
/// If it compares nothing but their bytes, a document can come back while Envoy still has a plugin that was made from
/// the same bytes. Then Envoy uses that plugin again and does not pass the document to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Envoy compares the resource versions.
    Version,
    /// Envoy compares the bytes. The old plugin lives until every worker has the new document.
    Bytes,
    /// Envoy compares the bytes, and the document is in a listener. The old plugin lives until that listener is
    /// drained.
    BytesInListener,
}

/// The state of one plugin.
#[derive(Debug, Clone)]
pub(crate) struct PluginModel {
    pub(crate) owner: Owner,
    identity: Identity,
    /// The last document that the plugin was given, or `None` if the plugin is not in the listener.
    document: Option<Document>,
    /// The last good document of this process. There are several if it may be any of them.
    last_good: Vec<Document>,
    /// Every good document of this process.
    every_good: Vec<Document>,
    /// The labels of the documents from which Envoy may still have a plugin.
    maybe_alive: BTreeSet<String>,
    /// Whether Envoy may have used an old plugin and not passed the last document to it.
    may_be_ignored: bool,
    /// The document that the plugin had when it was removed.
    removed: Option<Document>,
    /// Whether the plugin was removed since the last good document. Then the process may have forgotten that document.
    may_have_forgotten: bool,
    /// Whether `config_degraded` may stay at 1 for ever, because it was set under another name than the table's own, or
    /// before the plugin was removed, and perhaps no VM is left that could reset it.
    gauge_may_be_stale: bool,
    /// The good documents that this process has judged.
    pub(crate) accepted: Count,
    /// The bad documents that this process has judged.
    pub(crate) rejected: Count,
}

/// The range in which a counter may be. Counts are lost if a hot restart does not transfer them and, from Envoy 1.39
/// on, if no VM is left that counts under the name of a table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl PluginModel {
    pub(crate) fn new(owner: Owner, identity: Identity) -> Self {
        Self {
            owner,
            identity,
            document: None,
            removed: None,
            last_good: Vec::new(),
            every_good: Vec::new(),
            maybe_alive: BTreeSet::new(),
            may_be_ignored: false,
            may_have_forgotten: false,
            gauge_may_be_stale: false,
            accepted: Count::default(),
            rejected: Count::default(),
        }
    }

    /// Returns whether the plugin is in the listener.
    pub(crate) fn exists(&self) -> bool {
        self.document.is_some()
    }

    /// Returns whether this is the document that the plugin has now.
    pub(crate) fn has(&self, document: &Document) -> bool {
        self.document.as_ref().is_some_and(|current| current.label == document.label)
    }

    /// Gives the plugin a document. If the plugin does not exist, it is created.
    pub(crate) fn put(&mut self, document: &Document) {
        if self.exists() {
            self.removed = None;
        }
        // Without a resource version, Envoy may take it for the document that the plugin had when it was removed.
        let differs_from_removed = self.removed.as_ref().is_none_or(|removed| removed.label != document.label);
        let is_first = self.maybe_alive.insert(document.label.clone());
        self.may_be_ignored = self.identity != Identity::Version && !is_first;
        let is_surely_judged = self.identity == Identity::Version || (differs_from_removed && !self.may_be_ignored);
        if self.counts_under_own_name(self.document.as_ref()) != self.counts_under_own_name(Some(document)) {
            self.lose_counts();
        }
        let count = if document.good { &mut self.accepted } else { &mut self.rejected };
        count.most += 1;
        count.least += u64::from(is_surely_judged);
        if document.good {
            if !self.may_be_ignored {
                self.last_good.clear();
            }
            self.last_good.push(document.clone());
            self.every_good.push(document.clone());
            self.may_have_forgotten = false;
        }
        self.document = Some(document.clone());
    }

    /// Records that every worker has the last document.
    pub(crate) fn settle(&mut self) {
        if self.identity == Identity::Bytes {
            self.maybe_alive = self.document.iter().map(|document| document.label.clone()).collect();
        }
    }

    /// Sets the document that the next process will start with.
    pub(crate) fn replace(&mut self, document: &Document) {
        self.document = Some(document.clone());
    }

    /// Removes the plugin from the listener.
    pub(crate) fn remove(&mut self) {
        self.gauge_may_be_stale |= self.is_degraded();
        self.may_have_forgotten = true;
        self.removed = self.document.take();
        self.lose_counts();
    }

    /// Starts a new process with the current document. After a hot restart, the counters continue.
    pub(crate) fn restart(&mut self, counters_continue: bool) {
        let document = self.document.take();
        self.lose_counts();
        let previous = |count| if counters_continue { count } else { Count::default() };
        let (accepted, rejected) = (previous(self.accepted), previous(self.rejected));
        *self = Self { accepted, rejected, ..Self::new(self.owner, self.identity) };
        if let Some(document) = document {
            self.put(&document);
        }
    }

    /// Returns whether a document is counted under the table's own name rather than `default`, or `None` if both are
    /// allowed.
    fn counts_under_own_name(&self, document: Option<&Document>) -> Option<bool> {
        match document?.name {
            TableName::Own => Some(true),
            TableName::Absent => Some(false),
            TableName::Unreadable if self.last_good.is_empty() => Some(false),
            TableName::Unreadable => (!self.may_have_forgotten).then_some(true),
        }
    }

    fn lose_counts(&mut self) {
        self.accepted.least = 0;
        self.rejected.least = 0;
    }

    /// Returns whether this process has never had a document for the plugin.
    pub(crate) fn has_no_documents(&self) -> bool {
        self.accepted.most + self.rejected.most == 0
    }

    fn is_degraded(&self) -> bool {
        self.document.as_ref().is_some_and(|document| !document.good)
    }

    /// Returns all outcomes that are allowed now.
    pub(crate) fn allowed(&self) -> Vec<Outcomes> {
        let Some(document) = &self.document else { return vec![ALL_UNTOUCHED] };
        let own = || document.outcomes.clone();
        if document.good || self.last_good.is_empty() {
            return vec![own()];
        }
        // If Envoy has used an old plugin again, that plugin may serve what it served before.
        let may_be_old = self.may_be_ignored;
        let good = if may_be_old { &self.every_good } else { &self.last_good };
        let in_part = (may_be_old || self.may_have_forgotten).then(own);
        good.iter().map(|good| good.outcomes.clone()).chain(in_part).collect()
    }

    /// Returns all outcomes that are allowed while the last event is still in progress: a plugin that is created again
    /// may begin with what it served before.
    pub(crate) fn allowed_during_event(&self) -> Vec<Outcomes> {
        let mut allowed = self.allowed();
        let earlier = self.removed.iter().chain(&self.last_good).filter(|_| self.removed.is_some());
        allowed.extend(earlier.map(|document| document.outcomes.clone()));
        allowed
    }

    /// Returns the gauge `config_degraded` under the table's own name, or `None` if the contract leaves it open.
    pub(crate) fn degraded_gauge(&self) -> Option<u64> {
        let document = self.document.as_ref().filter(|_| !self.may_be_ignored)?;
        if document.good {
            return Some(0);
        }
        (self.counts_under_own_name(Some(document)) == Some(true)).then_some(1)
    }

    /// Returns the gauge `config_degraded` under the name `default`, or `None` if it is not known.
    pub(crate) fn default_name_gauge(&self) -> Option<u64> {
        if self.gauge_may_be_stale || self.may_have_forgotten || self.may_be_ignored {
            return None;
        }
        let document = self.document.as_ref()?;
        match self.counts_under_own_name(Some(document)) {
            Some(false) => Some(1),
            Some(true) if document.good => Some(0),
            // There may have been a bad document without a name, and no good one since.
            _ => None,
        }
    }

    /// Returns the gauge `routes` under the table's own name, or `None` if it is not known.
    pub(crate) fn routes_gauge(&self) -> Option<u64> {
        let document = self.document.as_ref().filter(|_| !self.may_be_ignored)?;
        match &self.last_good[..] {
            _ if document.good => Some(document.routes),
            [good] if !self.may_have_forgotten => Some(good.routes),
            _ => None,
        }
    }
}

/// Returns whether one of the allowed outcomes has this outcome for the path with this index.
pub(crate) fn allows(allowed: &[Outcomes], path: usize, outcome: &Outcome) -> bool {
    allowed.iter().any(|outcomes| outcomes[path] == *outcome)
}
