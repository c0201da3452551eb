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
//! The figures of the rows up to F10 are those of release builds on Linux 6.18 with two processors. In
//! a debug build the sizes are the same and the times are longer.
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
//!
//! The figures of the next rows are those of a release build on a similar machine. Server and honest client
//! share one processor, and the attackers have the other. The honest client runs as soon as it is ready
//! (`SCHED_FIFO`), so it does not wait for its processor. The times are medians of seven runs. The
//! tests bound what an attack takes by counts; how often it is repeated depends on the machine. Up to F18, two
//! users attack at once, and each test fails if a descriptor of the attack is left at its end. The servers of
//! F11 to F14 and F17 count: with which errors connections ended, and how many messages a connection handled
//! in one turn of its task.
//!
//! The honest client waits until each other connection that has something to do had its turn. In none of the
//! rows, this takes more than 10 times the quiet p99. If the receives of an account do not take turns after a
//! large set (`anchovy::Budget`, section Time), the p99 is 2.9 ms in F11 (early), 2.5 ms in F12 and 3.2 ms in
//! F13: 15 to 20 times the quiet one.
//!
//! In F19 and F20, the client that is attacked has its honest connection on the same thread.
//!
//! | row | attack | bound that holds | another user's round trips: quiet, attacked | server, at most |
//! |---|---|---|---|---|
//! | F11 | 16 or 253 descriptors as the first bytes of 32 connections of each user, again and again | the kernel refuses all 52,640 sets (`SO_PASSRIGHTS`) | median 0.053, 0.053 ms; p99 0.11, 0.11 ms | 143 descriptors, 6 MB |
//! | F11 | the same, and the server receives descriptors early | descriptors end a handshake: 2,239 end because of 16, and 2,233 because of 253 | median 0.052, 0.17 ms; p99 0.13, 0.67 ms | 386 descriptors, 6 MB |
//! | F12 | 15, 16 or 253 descriptors after `AGREE_UNIX_FD`, with a part of `BEGIN` or all of it | descriptors end a handshake: 992, 993 and 900 end | median 0.055, 0.12 ms; p99 0.13, 0.37 ms | 344 descriptors, 6 MB |
//! | F13 | messages with 16 descriptors, and with 253 on every other connection | 16 for a message: 1,744 connections end | median 0.053, 0.13 ms; p99 0.12, 0.38 ms | 382 descriptors, 6 MB |
//! | F14 | calls of 48 bytes, 230,000 a second on 4 connections, all answered | a connection has 43 messages until the next has its turn | median 0.054, 0.35 ms; p99 0.13, 0.84 ms | 23 descriptors, 5 MB |
//! | F14 | Wayland requests of 8 bytes, 420,000 a second on 4 connections, all answered | a connection has 57 messages until the next has its turn | median 0.049, 0.32 ms; p99 0.12, 0.75 ms | 18 descriptors, 5 MB |
//! | F15 | halves of messages with 16 descriptors on up to 200 connections of each user; timeouts of 0.5 s | the share of the users and the timeouts; at the end, all connections have ended | median 0.050, 0.096 ms; p99 0.12, 0.28 ms | 866 descriptors, 6 MB |
//! | F15 | the same of Wayland with 28 descriptors; server with `RLIMIT_NOFILE` 1024 | the same; 166,000 further connections are closed | median 0.047, 0.12 ms; p99 0.11, 0.58 ms | 494 descriptors, 6 MB |
//! | F16 | 100 handshakes of each user, a byte every 20 ms; timeout of 0.5 s | the last one ends after 0.53 s | median 0.054, 0.052 ms; p99 0.12, 0.21 ms | 161 descriptors, 6 MB |
//! | F16 | 100 messages of each user, a byte every 20 ms; timeout of 0.5 s | the last one ends after 0.53 s | median 0.057, 0.060 ms; p99 0.13, 0.44 ms | 415 descriptors, 8 MB |
//! | F17 | messages with the own end of their connection, with cycles of sockets, and with sockets inside 16 sockets | the timeout of 0.5 s ends the first; the kernel collects the others | median 0.052, 0.059 ms; p99 0.12, 0.34 ms | 160 descriptors, 6 MB |
//! | F18 | calls on 30 connections of each user, whose answers are not read | a connection that does not read is not read: it can send 224 KiB | median 0.054, 0.055 ms; p99 0.14, 0.40 ms | 135 descriptors, 6 MB |
//! | F18 | Wayland requests on 30 connections of each user, whose events are not read | a connection that does not read is not read: it can send 224 KiB | median 0.046, 0.049 ms; p99 0.12, 0.14 ms | 74 descriptors, 6 MB |
//! | F19 | 16 attacks of a D-Bus server on its client | each ends with its own error, at the latest after the timeout of 0.5 s | median 0.026, 0.027 ms; p99 0.07, 0.06 ms | client: 7 MB |
//! | F20 | 15 attacks of a Wayland server on a roundtrip of its client | the same. Before messages counted against the budget of the task, repeated globals stopped the thread for 1.2 s, and the timeout of 0.5 s for 2.9 s | median 0.031, 0.029 ms; p99 0.08, 0.08 ms | client: 7 MB |
//! | F21 | 64 messages that declare 128 MiB; the server can allocate 64 MiB | nothing is allocated for a declared length | median 0.018 ms, p99 0.05 ms | 7 MB |

#![cfg(target_os = "linux")]

mod attacked;
mod beside;
mod child;
mod clients_attacked;
mod clients_that_never_read;
mod connection_flood;
mod declared_lengths;
mod descriptor_floods;
mod descriptors_in_flight;
mod descriptors_of_two_users;
mod half_messages;
mod honest;
mod hostile_dbus_server;
mod hostile_servers;
mod hostile_wayland_server;
mod kept_messages;
mod large_messages;
mod lines;
mod measure;
mod out_of_band;
mod own_sockets;
mod process;
mod roles;
mod servers;
mod serving;
mod silent_clients;
mod slow_clients;
mod tally;
mod tiny_messages;
mod unclaimed_descriptors;
mod unfinished_messages;
mod victim;
mod waiting_connections;
mod wire;
