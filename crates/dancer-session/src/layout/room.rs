//! Room to write in: how long something will be, only its end tells, and to grow costs more than to
//! copy once.

use std::cell::Cell;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
/// More of it is given back.
const MUCH_ROOM: usize = 16 * 1024;

/// Gives `write` an empty buffer, which the thread keeps.
pub(super) fn in_room<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // If this is called from within, there is another one.
    let mut room = ROOM.take();
    let written = write(&mut room);
    if room.capacity() <= MUCH_ROOM {
        room.clear();
        ROOM.set(room);
    }
    written
}
