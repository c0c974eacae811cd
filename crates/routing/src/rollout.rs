//! Decides which document a process serves when a new one arrives.
//!
//! A good document is served at once. For a bad one, the last good one goes on serving; without a good one, as much of
//! the bad one as can be served. A document is never refused.
//!
//! Envoy hands a document to each of its threads. What one thread does with it is called a *run* here. Under Istio
//! every run has a new VM, so nothing in a VM survives. What must survive is kept in Envoy's shared data: the record of
//! judgements, the last good document, and the image of the table. The first run of a process *judges* a document: it
//! compiles it and reports its problems. The other runs find its judgement in the record and *follow* it.
//!
//! A run must find the judgement of its own document. If the module is a file, istiod's resource version identifies the
//! document. If the agent has fetched the module, there is no resource version, but VMs live on: a run then follows a
//! judgement of the same bytes, if it was made since its VM received its previous document. A new VM follows the latest
//! judgement only, if it is of the same bytes. If that VM is one document behind, it judges its document again, and
//! then judges the newer one, so that the newest document is the one that is kept in the end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::compile::{Compiled, compile, compile_as, is_table_name, too_large};
use crate::limits;
use crate::problem::Problem;
use crate::table::RouteTable;

/// The number of judgements in a record. A slow worker can be this many documents behind the others.
const MAX_JUDGEMENTS: usize = 64;

/// Identifies a document before all of it is read.
#[derive(Debug, Clone, Copy)]
pub struct DocumentId<'e> {
    /// The hash of the document, as [`Hash`](struct@Hash) computes it with seed 0.
    pub hash: u64,
    /// The version of the document, if there is one. It must be different from that of every other document of the
    /// process.
    pub version: Option<&'e str>,
    /// The `number` of the last [`Rollout`] in this VM; `None` in a new VM. It does not come from shared data, because
    /// each VM proceeds at its own pace.
    pub seen: Option<u64>,
    /// The size of the document in bytes. A document of more than [`limits::DOCUMENT`] bytes is never read.
    pub size: usize,
}

/// Gives a run access to its document, and to the shared data of the process.
///
/// Each value is read only when it is needed. The run that judges a document needs all of them. The other runs must be
/// quick, because their thread serves no requests meanwhile.
///
/// Nothing in shared data is trusted, because others may have written it.
pub trait SharedData {
    /// Returns the document.
    fn document(&self) -> Vec<u8>;
    /// Returns the record of judgements in shared data, if there is one.
    fn record(&self) -> Option<Vec<u8>>;
    /// Returns the last good document in shared data, if there is one.
    fn good(&self) -> Option<Vec<u8>>;
    /// Returns the image of the table that was served last from shared data, if there is one.
    fn image(&self) -> Option<Vec<u8>>;
}

/// The result of a run: what to serve, and what is left to do.
#[derive(Debug)]
pub struct Rollout {
    /// The table to serve.
    pub table: RouteTable,
    /// Which document the table comes from.
    pub served: ServedFrom,
    /// The number of the judgement that was made or followed. The next run in this VM passes it as
    /// [`DocumentId::seen`].
    pub number: u64,
    /// The report and the values to store; `None` if the run follows the judgement of another run.
    pub judgement: Option<Judgement>,
}

/// Which document a table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServedFrom {
    /// It is the new one, which is good.
    New,
    /// It is the last good one, because the new one is bad.
    LastGood,
    /// It is the new one, which is bad, as far as it can be served. There is no good one.
    InPart,
}

/// The result of judging a document: what the run has to report, and what it has to store in shared data.
#[derive(Debug)]
pub struct Judgement {
    /// Errors and warnings, at most [`limits::PROBLEMS`].
    pub problems: Vec<Problem>,
    /// The number of errors and warnings beyond those in `problems`.
    pub more_problems: usize,
    /// The name of the table, under which the document is counted. If the document's own name can't be read, it is that
    /// of the last good document, or else `default`.
    pub name: String,
    /// The names of tables whose gauges earlier documents have set and this one clears.
    pub cleared: Vec<String>,
    /// The document, if it has to be stored as the last good one.
    pub good: Option<Vec<u8>>,
    /// The size of the document in bytes.
    pub size: usize,
    /// The record to store. It must be stored before anything else, and only if no other run has stored a record since
    /// this run read it.
    pub record: Vec<u8>,
    /// The image of the table to store. The table uses the same bytes, because a copy would take as much memory again.
    pub image: Arc<Vec<u8>>,
}

/// The record of judgements, as it is stored in shared data.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The latest judgements, oldest first.
    judged: Vec<Judged>,
    /// The names of tables whose gauges are set.
    names: Vec<String>,
}

/// A judgement in the record.
#[derive(Debug, Serialize, Deserialize)]
struct Judged {
    /// One more than the number of the judgement before.
    number: u64,
    /// The version of the document that was judged.
    version: Option<String>,
    /// The hash of the document that was judged.
    hash: u64,
    served: ServedFrom,
    /// The hash of the document that is served.
    table: u64,
}

impl Record {
    /// Returns the judgement of a document, if it was made for the same edit. The same bytes can have been replaced,
    /// and have come back later as another edit.
    fn find(&self, id: &DocumentId<'_>) -> Option<&Judged> {
        let DocumentId { hash, version, seen, .. } = *id;
        let same = |judged: &&Judged| judged.version.as_deref() == version && judged.hash == hash;
        match (version, seen) {
            (Some(_), _) => self.judged.iter().find(same),
            (None, Some(seen)) => self.judged.iter().filter(|judged| judged.number >= seen).find(same),
            (None, None) => self.judged.last().filter(same),
        }
    }
}

/// The hash function that identifies documents: XXH64. A document can be hashed piece by piece, so that it need not be
/// in memory as a whole.
pub use xxhash_rust::xxh64::Xxh64 as Hash;

/// Decides what to serve when a document arrives.
///
/// `id` identifies the document. `shared` reads the document and shared data. The caller has to store what
/// [`Rollout::judgement`] says.
///
/// ```
/// use ksvc_routing::{DocumentId, Hash, ServedFrom, SharedData, roll_out};
///
/// /// A process that has stored nothing yet.
/// struct NewProcess(&'static [u8]);
///
/// impl SharedData for NewProcess {
///     fn document(&self) -> Vec<u8> {
///         self.0.to_vec()
///     }
///     fn record(&self) -> Option<Vec<u8>> {
///         None
///     }
///     fn good(&self) -> Option<Vec<u8>> {
///         None
///     }
///     fn image(&self) -> Option<Vec<u8>> {
///         None
///     }
/// }
///
/// let document = br#"{"hosts": ["api.example.com"], "routes": [{"match": "GET /a", "host": "a.example.net"}]}"#;
/// let mut hash = Hash::default();
/// hash.update(document);
/// let id = DocumentId { hash: hash.digest(), version: Some("1"), seen: None, size: document.len() };
///
/// let rollout = roll_out(&id, &NewProcess(document));
/// assert_eq!(rollout.served, ServedFrom::New);
/// assert!(rollout.judgement.is_some_and(|judgement| judgement.good.is_some()));
/// ```
pub fn roll_out(id: &DocumentId<'_>, shared: &impl SharedData) -> Rollout {
    let record = shared.record();
    let record: Record = record.and_then(|record| serde_json::from_slice(&record).ok()).unwrap_or_default();
    match record.find(id) {
        Some(judged) => follow(judged, id, shared),
        None => judge(id, record, shared),
    }
}

/// Serves what another run has decided, from its image. If another document has arrived since and replaced the image,
/// the table is compiled again.
fn follow(judged: &Judged, id: &DocumentId<'_>, shared: &impl SharedData) -> Rollout {
    let rollout = |table, served| Rollout { table, served, number: judged.number, judgement: None };
    let table = shared.image().and_then(RouteTable::read).filter(|table| table.document_hash() == judged.table);
    if let Some(table) = table {
        return rollout(table, judged.served);
    }
    match judged.served {
        ServedFrom::LastGood => match compile_last_good(shared) {
            Some(table) => rollout(table, ServedFrom::LastGood),
            None => rollout(compile_new(id, shared).0.table, ServedFrom::InPart),
        },
        served => rollout(compile_new(id, shared).0.table, served),
    }
}

/// Compiles a document, and decides what to serve, report and store.
fn judge(id: &DocumentId<'_>, mut record: Record, shared: &impl SharedData) -> Rollout {
    let DocumentId { hash, version, size, .. } = *id;
    let (new, document) = compile_new(id, shared);
    let good = new.is_good();
    let Compiled { table, problems, more_problems, name_is_readable, .. } = new;
    let last_good = if good { None } else { compile_last_good(shared) };
    let name = match &last_good {
        Some(last_good) if !name_is_readable => last_good.name(),
        _ => table.name(),
    };
    let name = name.to_owned();
    let own_name = table.name().to_owned();
    let (table, served) = match (good, last_good) {
        (true, _) => (table, ServedFrom::New),
        (false, Some(last_good)) => (last_good, ServedFrom::LastGood),
        (false, None) => (table, ServedFrom::InPart),
    };

    // A good document clears the gauges of all other names, a bad one clears none.
    let mut known_names = std::mem::take(&mut record.names);
    known_names.retain(|name| is_table_name(name));
    let current = [&name, &own_name];
    let (mut names, others): (Vec<_>, Vec<_>) = known_names.into_iter().partition(|name| current.contains(&name));
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
    record.judged.push(Judged { number, version, hash, served, table: table.document_hash() });
    let excess = record.judged.len().saturating_sub(MAX_JUDGEMENTS);
    record.judged.drain(..excess);
    record.names = names;
    // A record consists of strings, numbers and lists, so it can always be serialized.
    let record = serde_json::to_vec(&record).unwrap_or_default();
    let image = table.image();
    let good = good.then_some(document);
    let judgement = Judgement { problems, more_problems, name, cleared, good, size, record, image };
    Rollout { table, served, number, judgement: Some(judgement) }
}

/// Compiles the new document. Returns the result and the document.
fn compile_new(id: &DocumentId<'_>, shared: &impl SharedData) -> (Compiled, Vec<u8>) {
    if id.size > limits::DOCUMENT {
        return (too_large(id.size, id.hash), Vec::new());
    }
    let document = shared.document();
    (compile_as(&document, id.hash), document)
}

/// Compiles the last good document again. Returns `None` if there is none, or if it is not good any more: an older
/// version of the plugin may have accepted what this one does not.
fn compile_last_good(shared: &impl SharedData) -> Option<RouteTable> {
    let compiled = compile(&shared.good()?);
    compiled.is_good().then_some(compiled.table)
}
