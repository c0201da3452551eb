//! Attacks on servers by processes of other users, and what an honest client notices of them.
//!
//! ```text
//! cargo test -p interop-tests --test hostile -- --nocapture
//! ```
//!
//! Each test starts a server under a user of its own, without privileges; an honest client, which
//! measures its round trips before and during the attack; and hostile clients under one or two
//! further users, which speak to the kernel without our crates. All of them are this program in
//! another role. A test prints one line with what it has measured, and fails if that exceeds the
//! figures in its file. Only root can start processes of other users; without it, a test says so and
//! passes.
//!
//! The figures are those of release builds on Linux 6.18 with two processors. In a debug build the
//! sizes are the same and the times are longer.
//!
//! | row | attack | before | after |
//! |---|---|---|---|
//! | F1 | 10 connections each send a message of 100 MiB, which is received and dropped; then 3,000 small ones | memory 4 → 1,053 MB, and 1,053 MB after the small ones | memory 4 → 5 MB, and 5 MB after the small ones |
//! | F2 | server with `RLIMIT_NOFILE` 1024; one client makes 150 calls for 16 descriptors each and reads no answer | another user gets no answer with descriptors | another user gets its answers with 16 descriptors, median 27 → 28 µs; the one that does not read gets 18 |
//! | F3 | 3,500 connections of one user wait for room, and one of them sends single bytes | another user's median round trip 15 µs → 1.8 ms; 62 % of a processor | another user's median round trip 15 → 15 µs; 1 % of a processor |
//! | F4 | 100 times a message of 8 MiB and one of 64 bytes; the server keeps the small ones | memory 4 → 1,232 MB | memory 4 → 5 MB |
//! | F5 | 12 connections of one user each lack 10 bytes of a message of 128 MiB | memory 4 → 1,615 MB, and no timeout | memory 4 → 72 MB, of which most is returned after the timeout of 2 s |
//! | F7 | 600 silent connections of each of two users | a third user gets no answer in a second | a third user is served within 1 ms |
//! | F7b | server with `RLIMIT_NOFILE` 1024; two users begin messages with descriptors until they are refused, at 14 connections each | a third user is refused | a third user is served within 0.3 ms, with 14 and 5 connections of the two |
//! | F8 | Wayland server with `RLIMIT_NOFILE` 1024; two users send 40 descriptors on each connection that no message claims | 995 to 1,022 descriptors open; another user's connection ends after at most 104 round trips with a descriptor | 478 to 484 descriptors open; another user's median round trip with a descriptor 19 → 20.5 µs |
//! | F9 | seven lines with out-of-band bytes, with and without descriptors | six lines lose a byte or a descriptor, or wait for the next send; all seven without `SO_INQ` | every byte and every descriptor of the seven arrives, with and without `SO_INQ` |
//! | F10 | one user connects, sends garbage and disconnects, 93,000 times a second | another user's median round trip 17 µs → 740 µs (of a loop that accepts and drops: 20 µs → 32 µs) | another user's median round trip 16 → 70 µs at 66,000 times a second |

#![cfg(target_os = "linux")]

mod attacked;
mod child;
mod connection_flood;
mod descriptors_in_flight;
mod descriptors_of_two_users;
mod honest;
mod kept_messages;
mod large_messages;
mod lines;
mod measure;
mod out_of_band;
mod process;
mod roles;
mod servers;
mod serving;
mod silent_clients;
mod unclaimed_descriptors;
mod unfinished_messages;
mod waiting_connections;
mod wire;
