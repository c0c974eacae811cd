//! The parts of the command `ksvc-router`, also used by the tests and tools of this repository.
//!
//! The path of the data, from a file to what a command prints:
//!
//! 1. `source`: a file's text, with positions;
//! 2. `yaml`: a tree in which every value has a position;
//! 3. `manifest`: where in the tree the configuration is, and what its manifest says around it;
//! 4. `configuration`: compiled by the routing core, with its problems as `message`s at a line and a column;
//! 5. `check`: the messages of all files, with a `danger` for each risky setting of a manifest;
//! 6. `levels`: which warnings are silent, and which are errors;
//! 7. `formats`: messages as other programs read them.
//!
//! `load` takes the first four steps for the arguments of a command. Every message is of a `kind` with a stable code, and
//! `catalogue` lists the kinds. The crate `ksvc-explanation` says what the `tables` decide about a request, and `cases`
//! compares that with what is expected, which `junit` prints for CI systems. `live` runs the cases in a real gateway,
//! which `up` starts with the tables of a file; `changes` says which routes an edit of them has changed. `diff` finds the
//! requests that two versions of the tables treat differently. `page` shows tables, messages, cases and a difference in a
//! browser, and `serve` shows it anew at every save, which `watch` reports. `render` makes the manifest of another platform
//! around a table, and `import` makes tables from what describes services already. `admission` makes the policy for the API
//! server from the schema of the configuration, and `schema` prints that for editors. `cluster` reads an installation.
//!
//! `args` defines the arguments of the command line, from which its help, completions and man pages are made. `print` prints
//! for readers that may have ended.

pub mod args;

// The modules in the order of that path.
pub mod source;

pub mod yaml;

pub mod words;

mod percent;

pub mod kind;

pub mod manifest;

pub mod message;

mod delivered;

pub mod configuration;

pub mod load;

pub mod danger;

pub mod check;

pub mod catalogue;

pub mod levels;

pub mod formats;

pub mod tables;

pub mod cases;

pub mod live;

pub mod changes;

pub mod diff;

mod example;

pub mod page;

pub mod print;

pub mod render;

mod watch;

pub mod serve;

pub mod up;

pub mod junit;

pub mod admission;

pub mod schema;

pub mod import;

pub mod cluster;
