//! Which document a process serves when a new one comes: the good one at once; for a bad one the last good
//! one, and without one what can be served of the bad one. A document is never refused.
//!
//! Envoy hands a document to every thread, and under Istio to a new VM on each, so that nothing in a VM
//! lives on. What must, is kept in Envoy's shared data. The first run of a process judges a document; the
//! others find its record and follow it. Where the module is a file, istiod's resource version tells documents
//! apart. For a module that the agent fetched there is none; but then VMs live on, and a run follows what was
//! judged of the same bytes since its VM took in the document before. A new VM follows the latest judgement
//! alone: should the VM be a document behind, it judges that once more, and then the newer one, so that the newest
//! is kept in the end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::compile::{Compiled, compile, compile_as, is_table_name, too_large};
use crate::limits;
use crate::problem::Problem;
use crate::table::RouteTable;

/// How many judgements a process remembers: as many documents as a slow worker can lag behind.
const REMEMBERED: usize = 64;

/// What a run knows of its document before it has read it in whole.
#[derive(Debug, Clone, Copy)]
pub struct DocumentId<'e> {
    /// As `hash` gives it.
    pub hash: u64,
    /// Where there is one, it tells the document apart from all others of the process.
    pub version: Option<&'e str>,
    /// What this VM's last `Rollout` had as `number`: not from shared data, for each VM is at its own pace.
    pub seen: Option<u64>,
    /// The document's size in bytes. One that is too large is never read.
    pub size: usize,
}

/// What can be read while a document is taken in. Only the run that judges a document needs all of it, and the others
/// are to be quick: a worker serves nobody meanwhile. Nothing of what shared data holds is trusted: others may have
/// written it.
pub trait SharedData {
    /// The document.
    fn document(&self) -> Vec<u8>;
    /// The record of judgements, from shared data.
    fn record(&self) -> Option<Vec<u8>>;
    /// The last good document, from shared data.
    fn good(&self) -> Option<Vec<u8>>;
    /// The image of the table that was served last, from shared data.
    fn image(&self) -> Option<Vec<u8>>;
}

/// A document taken in: what to serve, and what is left to do.
#[derive(Debug)]
pub struct Rollout {
    pub table: RouteTable,
    pub served: ServedFrom,
    /// Of the judgement that was made or followed.
    pub number: u64,
    /// In the run that judges the document; `None` where a record was followed.
    pub judgement: Option<Judgement>,
}

/// Which document the table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServedFrom {
    /// The new one, which is good.
    New,
    /// The last good one; the new one is bad.
    LastGood,
    /// The new one, which is bad, as far as it can be served.
    InPart,
}

/// What the run that judges a document has to report and to store.
#[derive(Debug)]
pub struct Judgement {
    /// Errors and warnings.
    pub problems: Vec<Problem>,
    /// How many there are beyond those.
    pub more_problems: usize,
    /// The table's name under which the document is counted.
    pub name: String,
    /// Names whose gauges an earlier document raised and this one clears.
    pub cleared: Vec<String>,
    /// The document, if it is to be stored as the last good one.
    pub good: Option<Vec<u8>>,
    /// The document's size in bytes.
    pub size: usize,
    /// The record to be stored, before all else, and only if no other has been since this one was read.
    pub record: Vec<u8>,
    /// The image of the table, to be stored: what the table itself lies in, for a copy would take as much memory again.
    pub image: Arc<Vec<u8>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    judged: Vec<Judged>,
    /// Names of tables under which gauges are raised.
    names: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Judged {
    /// One more than that of the judgement before.
    number: u64,
    version: Option<String>,
    hash: u64,
    served: ServedFrom,
    /// The hash of the document that is served.
    table: u64,
}

impl Record {
    /// What was decided of a document before, so far as that run was of the same edit: the same bytes may have come
    /// and gone, and come back as another one.
    fn of(&self, id: &DocumentId<'_>) -> Option<&Judged> {
        let DocumentId { hash, version, seen, .. } = *id;
        let same = |judged: &&Judged| judged.version.as_deref() == version && judged.hash == hash;
        match (version, seen) {
            (Some(_), _) => self.judged.iter().find(same),
            (None, Some(seen)) => self.judged.iter().filter(|judged| judged.number >= seen).find(same),
            (None, None) => self.judged.last().filter(same),
        }
    }
}

/// Tells documents apart. A document may be given piece by piece, so that it need never be in memory as a whole.
pub use xxhash_rust::xxh64::Xxh64 as Hash;

/// Takes in a document.
pub fn roll_out(id: &DocumentId<'_>, memory: &impl SharedData) -> Rollout {
    let record = memory.record();
    let record: Record = record.and_then(|record| serde_json::from_slice(&record).ok()).unwrap_or_default();
    match record.of(id) {
        Some(judged) => follow(judged, id, memory),
        None => judge(id, record, memory),
    }
}

/// Serves what another run has decided, from its image. Where that is gone, because another document has come
/// meanwhile, the table is compiled once more.
fn follow(judged: &Judged, id: &DocumentId<'_>, memory: &impl SharedData) -> Rollout {
    let number = judged.number;
    let rollout = |table, served| Rollout { table, served, number, judgement: None };
    if let Some(table) =
        memory.image().and_then(|image| RouteTable::read(image).filter(|table| table.document() == judged.table))
    {
        return rollout(table, judged.served);
    }
    match judged.served {
        ServedFrom::LastGood => match last_good(memory) {
            Some(table) => rollout(table, ServedFrom::LastGood),
            None => rollout(new(id, memory).0.table, ServedFrom::InPart),
        },
        served => rollout(new(id, memory).0.table, served),
    }
}

fn judge(id: &DocumentId<'_>, mut record: Record, memory: &impl SharedData) -> Rollout {
    let DocumentId { hash, version, size, .. } = *id;
    let (new, document) = new(id, memory);
    let good = new.is_good();
    let Compiled { table, problems, more_problems, name_is_readable, .. } = new;
    let last_good = if good { None } else { last_good(memory) };
    let name = match &last_good {
        Some(last_good) if !name_is_readable => last_good.name(),
        _ => table.name(),
    };
    let name = name.to_owned();
    let named = table.name().to_owned();
    let (table, served) = match (good, last_good) {
        (true, _) => (table, ServedFrom::New),
        (false, Some(last_good)) => (last_good, ServedFrom::LastGood),
        (false, None) => (table, ServedFrom::InPart),
    };

    let mut raised = std::mem::take(&mut record.names);
    raised.retain(|raised| is_table_name(raised));
    let current = [&name, &named];
    let (mut names, others): (Vec<_>, Vec<_>) = raised.into_iter().partition(|name| current.contains(&name));
    for name in current {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let cleared = if good {
        others
    } else {
        names.extend(others);
        Vec::new()
    };
    let number = record.judged.last().map_or(0, |last| last.number).wrapping_add(1);
    let version = version.map(str::to_owned);
    record.judged.push(Judged { number, version, hash, served, table: table.document() });
    let excess = record.judged.len().saturating_sub(REMEMBERED);
    record.judged.drain(..excess);
    record.names = names;
    // Strings, numbers and lists: there is nothing in it that can't be written.
    let record = serde_json::to_vec(&record).unwrap_or_default();
    let image = table.image();
    let good = good.then_some(document);
    let judgement = Judgement { problems, more_problems, name, cleared, good, size, record, image };
    Rollout { table, served, number, judgement: Some(judgement) }
}

/// The new document, compiled and as it is.
fn new(id: &DocumentId<'_>, memory: &impl SharedData) -> (Compiled, Vec<u8>) {
    if id.size > limits::DOCUMENT {
        return (too_large(id.size, id.hash), Vec::new());
    }
    let document = memory.document();
    (compile_as(&document, id.hash), document)
}

/// The last good document compiled again, if it is still good: an older version of the plugin may have
/// taken what this one does not.
fn last_good(memory: &impl SharedData) -> Option<RouteTable> {
    let compiled = compile(&memory.good()?);
    compiled.is_good().then_some(compiled.table)
}
