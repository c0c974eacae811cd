//! Which document a process serves when a new one comes: the good one at once; for a bad one the last good
//! one, and without one what can be served of the bad one. A document is never refused.
//!
//! Envoy hands a document to every thread, and under Istio to a new VM on each, so that nothing in a VM
//! lives on. What must, is kept in Envoy's shared data. The first run of a process judges a document; the
//! others find its record and follow it. Where the module is a file, istiod's resource version tells documents
//! apart. For a module that the agent fetched there is none; but then VMs live on, and a run follows what was
//! judged of the same octets since its VM took in the document before. A new VM follows the latest judgement
//! alone: should the VM be a document behind, it judges that once more, and then the newer one, so that the newest
//! is kept in the end.

use serde::{Deserialize, Serialize};

use crate::compile::{Compiled, compile, is_table_name};
use crate::problem::Problem;
use crate::table::RouteTable;

/// How many judgements a process remembers: as many documents as a slow worker can lag behind.
const REMEMBERED: usize = 64;

/// What shared data holds of this plugin. Nothing of it is trusted: others may have written it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory<'m> {
    /// The last good document.
    pub good: Option<&'m [u8]>,
    /// The record of judgements.
    pub record: Option<&'m [u8]>,
    /// What this VM's last `Adoption` had as `number`: not from shared data, for each VM is at its own pace.
    pub seen: Option<u64>,
}

/// A document taken in: what to serve, and what is left to do.
#[derive(Debug)]
pub struct Adoption {
    pub table: RouteTable,
    pub served: Served,
    /// Of the judgement that was made or followed.
    pub number: u64,
    /// In the run that judges the document; `None` where a record was followed.
    pub judgement: Option<Judgement>,
}

/// Which document the table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Served {
    /// The new one, which is good.
    New,
    /// The last good one; the new one is bad.
    LastGood,
    /// The new one, which is bad, as far as it can be served.
    InPart,
}

/// What the run that judges a document has to tell and to store.
#[derive(Debug)]
pub struct Judgement {
    /// Errors and warnings.
    pub problems: Vec<Problem>,
    /// The table's name under which the document is counted.
    pub name: String,
    /// Names whose gauges an earlier document raised and this one clears.
    pub cleared: Vec<String>,
    /// To compare what several gateways serve.
    pub hash: u64,
    /// Whether the document is to be stored as the last good one.
    pub keep: bool,
    /// The record to be stored, before the document, and only if no other has been since this one was read.
    pub record: Vec<u8>,
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
    served: Served,
}

impl Record {
    /// What was decided of a document before, so far as that run was of the same edit: the same octets may have come
    /// and gone, and come back as another one.
    fn of(&self, version: Option<&str>, hash: u64, seen: Option<u64>) -> Option<&Judged> {
        let same = |judged: &&Judged| judged.version.as_deref() == version && judged.hash == hash;
        match (version, seen) {
            (Some(_), _) => self.judged.iter().find(same),
            (None, Some(seen)) => self.judged.iter().filter(|judged| judged.number >= seen).find(same),
            (None, None) => self.judged.last().filter(same),
        }
    }
}

/// Takes in a document. `version`, where there is one, tells it apart from all others of the process.
pub fn adopt(document: &[u8], version: Option<&str>, memory: &Memory<'_>) -> Adoption {
    let mut record: Record = memory.record.and_then(|record| serde_json::from_slice(record).ok()).unwrap_or_default();
    let hash = hash(document);
    let new = compile(document);
    if let Some(judged) = record.of(version, hash, memory.seen) {
        let (table, served) = match judged.served {
            Served::LastGood => last_good(memory).map_or((new.table, Served::InPart), |good| (good, Served::LastGood)),
            served => (new.table, served),
        };
        return Adoption { table, served, number: judged.number, judgement: None };
    }
    let good = new.is_good();
    let Compiled { table, problems, name_is_readable } = new;
    let last_good = if good { None } else { last_good(memory) };
    let name = match &last_good {
        Some(last_good) if !name_is_readable => last_good.name(),
        _ => table.name(),
    };
    let name = name.to_owned();
    let (table, served) = match (good, last_good) {
        (true, _) => (table, Served::New),
        (false, Some(last_good)) => (last_good, Served::LastGood),
        (false, None) => (table, Served::InPart),
    };

    let mut raised = std::mem::take(&mut record.names);
    raised.retain(|raised| is_table_name(raised));
    let current = [name.as_str(), table.name()];
    let (mut names, others): (Vec<_>, Vec<_>) = raised.into_iter().partition(|name| current.contains(&name.as_str()));
    for name in current {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let cleared = if good {
        others
    } else {
        names.extend(others);
        Vec::new()
    };
    let number = record.judged.last().map_or(0, |last| last.number).wrapping_add(1);
    record.judged.push(Judged { number, version: version.map(str::to_owned), hash, served });
    let excess = record.judged.len().saturating_sub(REMEMBERED);
    record.judged.drain(..excess);
    record.names = names;
    let keep = good && memory.good != Some(document);
    // Strings, numbers and lists: there is nothing in it that can't be written.
    let record = serde_json::to_vec(&record).unwrap_or_default();
    Adoption { table, served, number, judgement: Some(Judgement { problems, name, cleared, hash, keep, record }) }
}

/// The last good document compiled again, if it is still good: an older version of the plugin may have
/// taken what this one does not.
fn last_good(memory: &Memory<'_>) -> Option<RouteTable> {
    let compiled = compile(memory.good?);
    compiled.is_good().then_some(compiled.table)
}

/// FNV-1a.
fn hash(document: &[u8]) -> u64 {
    document.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}
