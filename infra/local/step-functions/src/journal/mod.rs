//! The journal: append-only files of checksummed records.
//!
//! One thread writes. It takes everything that waits, writes it at once and syncs it once, so the
//! cost of a sync is shared by all executions that move at the same time. A file begins with
//! [`format::MAGIC`]; when it has grown to its size it is sealed and the next one begun. What a
//! sealed file holds is summed up beside it, so that opening need not read it again.
//!
//! Two things can be wrong with a file, and opening tells them apart by the [`mark`], which says up
//! to where records were acknowledged:
//!
//! - A *torn tail* is what a crash cut off before it was acknowledged. It is set aside.
//! - *Damage* is everything else: bytes that had been acknowledged and no longer make sense, or are
//!   gone. Reading goes on behind it, the file stays as it is, writing goes on in the next one, and
//!   each stretch is told as a [`Damage`].
//!
//! A write that fails, as on a full disk, is refused, and so is what comes after it until writing
//! works again; see [`Journal::health`].

mod damage;
mod files;
mod format;
mod mark;
mod open;
mod walk;
mod writer;

pub use damage::Damage;
pub(crate) use files::read;
pub(crate) use format::Position;
pub(crate) use open::{Opened, Reader, Stored, open, reread};
pub(crate) use writer::{Health, Journal};
