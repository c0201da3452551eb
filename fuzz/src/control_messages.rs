//! The parser of control messages, against the layout of cmsg(3) in plain arithmetic.

/// Length of a header on 64-bit Linux: a length of 8 bytes, the level and the type.
const HEADER: usize = 16;

/// Headers are aligned to the size of a length.
const ALIGNMENT: usize = 8;

type Listed = (i32, i32, Vec<i32>);

/// Parses the bytes twice and compares.
pub fn target(data: &[u8]) {
    assert_eq!(anchovy::fuzzing::control_messages(data), expected(data));
}

fn expected(data: &[u8]) -> Vec<Listed> {
    let (mut list, mut at) = (Vec::new(), 0_usize);
    while let Some(header) = data.get(at..at + HEADER) {
        let claimed = usize::from_ne_bytes(header[..8].try_into().expect("8 bytes"));
        if claimed < HEADER {
            break;
        }
        let start = at + HEADER;
        let end = at.saturating_add(claimed).min(data.len());
        let ints = data[start..end].chunks_exact(4).map(int).collect();
        list.push((int(&header[8..12]), int(&header[12..]), ints));
        let next = end.next_multiple_of(ALIGNMENT);
        // The data of a message that claims too much is the last.
        if next >= data.len() {
            break;
        }
        at = next;
    }
    list
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_ne_bytes(bytes.try_into().expect("4 bytes"))
}
