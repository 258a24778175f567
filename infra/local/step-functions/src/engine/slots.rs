//! A file of slots that are written as memory is: what stands in it when the process ends, however it
//! ends, is what was written last, and to write costs no call of the operating system.
//!
//! It outlasts the process, not the machine, and nobody else has the file open.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use memmap2::{MmapOptions, MmapRaw};

use crate::sync::lock;

/// How many bytes a slot has. The first of the file is for whoever opened it.
pub(super) const SLOT: usize = 512;
/// How many slots come at once.
const BATCH: usize = 64;

pub(super) struct Slots {
    file: File,
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    slots: Vec<Slot>,
    /// How many there are in all, taken or not.
    count: usize,
}

/// One slot: whoever has it is the only one who writes to it.
pub(super) struct Slot {
    memory: Arc<MmapRaw>,
    start: usize,
}

impl Slots {
    /// A file that says nothing yet but its head.
    pub(super) fn create(path: &Path, head: &[u8]) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(head, 0)?;
        Ok(Self { file, free: Mutex::default() })
    }

    /// A slot that nobody has.
    ///
    /// # Errors
    /// There is none, and the disk has no room for more.
    pub(super) fn take(&self) -> io::Result<Slot> {
        let mut free = lock(&self.free);
        match free.slots.pop() {
            Some(slot) => Ok(slot),
            None => self.grow(&mut free),
        }
    }

    pub(super) fn give_back(&self, slot: Slot) {
        lock(&self.free).slots.push(slot);
    }

    /// Makes a batch of slots, and answers one of them.
    fn grow(&self, free: &mut Free) -> io::Result<Slot> {
        let at = ((free.count + 1) * SLOT) as u64;
        // The room has to be there before it is written to as memory: on a full disk that would end
        // the process.
        self.file.write_all_at(&[0; BATCH * SLOT], at)?;
        let memory = Arc::new(MmapOptions::new().offset(at).len(BATCH * SLOT).map_raw(&self.file)?);
        let slot = |number| Slot { memory: Arc::clone(&memory), start: number * SLOT };
        free.count += BATCH;
        free.slots.extend((1..BATCH).map(slot));
        Ok(slot(0))
    }
}

impl Slot {
    /// Writes to the beginning of the slot, at most as much as it has room for.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let length = bytes.len().min(SLOT);
        #[expect(
            unsafe_code,
            reason = "the range lies within the mapping, `start` being a multiple of SLOT below its \
                      length; nobody reads it here, and its owner alone writes to it"
        )]
        // SAFETY: as the reason says.
        unsafe {
            let to = self.memory.as_mut_ptr().add(self.start);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, length);
        }
        // It stands there before what comes next is begun.
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_stands_in_the_file_at_once_and_each_slot_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slots");
        let slots = Slots::create(&path, b"head").unwrap();
        let mut taken: Vec<Slot> = (0..BATCH * 2 + 1).map(|_| slots.take().unwrap()).collect();
        for (number, slot) in taken.iter_mut().enumerate() {
            slot.write(&(u32::try_from(number).unwrap() + 1).to_le_bytes());
        }
        taken[0].write(&[7; SLOT + 1]);
        let read = std::fs::read(&path).unwrap();
        assert!(read.starts_with(b"head"));
        assert_eq!(read.len(), SLOT * (1 + 3 * BATCH));
        let mut numbers: Vec<u32> = read
            .chunks(SLOT)
            .skip(1)
            .map(|slot| u32::from_le_bytes(*slot.first_chunk().unwrap()))
            .filter(|number| *number != 0)
            .collect();
        numbers.sort_unstable();
        let last = u32::try_from(BATCH * 2 + 1).unwrap();
        let mut expected: Vec<u32> = (2..=last).collect();
        expected.push(u32::from_le_bytes([7; 4]));
        assert_eq!(numbers, expected);

        // What is given back is taken again, and the file does not grow.
        taken.into_iter().for_each(|slot| slots.give_back(slot));
        let again: Vec<Slot> = (0..BATCH * 3).map(|_| slots.take().unwrap()).collect();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), read.len() as u64);
        drop(again);
    }
}
