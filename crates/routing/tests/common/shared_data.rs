//! A model of Envoy's shared data: what the plugin keeps there.

use ksvc_routing::{DocumentId, Hash, Judgement, Rollout, SharedData, roll_out};

/// The shared data of one plugin in one process.
#[derive(Default, Clone, PartialEq, Debug)]
pub(crate) struct ProcessData {
    pub(crate) good: Option<Vec<u8>>,
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) image: Option<Vec<u8>>,
}

impl ProcessData {
    /// Runs the plugin with a document, without storing the result.
    pub(crate) fn roll_out(&self, document: &[u8], version: Option<&str>, seen: Option<u64>) -> Rollout {
        let mut hash = Hash::default();
        hash.update(document);
        roll_out(
            &DocumentId { hash: hash.digest(), version, seen, size: document.len() },
            &Run { shared: self, document: Some(document) },
        )
    }

    /// Does the same, but panics if the document is read and not only hashed.
    pub(crate) fn roll_out_unread(&self, document: &[u8], version: &str) -> Rollout {
        let mut hash = Hash::default();
        hash.update(document);
        let id = DocumentId { hash: hash.digest(), version: Some(version), seen: None, size: document.len() };
        roll_out(&id, &Run { shared: self, document: None })
    }

    /// Stores what a run has judged.
    pub(crate) fn keep(&mut self, judgement: &Judgement) {
        self.good = judgement.good.clone().or(self.good.take());
        self.record = Some(judgement.record.clone());
        self.image = Some(judgement.image.to_vec());
    }
}

struct Run<'r> {
    shared: &'r ProcessData,
    document: Option<&'r [u8]>,
}

impl SharedData for Run<'_> {
    fn document(&self) -> Vec<u8> {
        self.document.expect("this run must not read its document").into()
    }

    fn record(&self) -> Option<Vec<u8>> {
        self.shared.record.clone()
    }

    fn good(&self) -> Option<Vec<u8>> {
        self.shared.good.clone()
    }

    fn image(&self) -> Option<Vec<u8>> {
        self.shared.image.clone()
    }
}
