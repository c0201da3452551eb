//! Full disks.

use anchovy_wayland::{ListenError, Listener};
use interop_tests::on_a_full_disk;
use tokio::net::UnixStream;

use crate::names;

#[test]
fn binding_on_a_full_disk_leaves_no_file_and_succeeds_once_there_is_room() {
    on_a_full_disk(|mut disk| async move {
        let path = disk.directory.join("wayland-0");
        let before = names(&disk.directory);
        let error = Listener::bind(&path).unwrap_err();
        assert!(error.to_string().contains("wayland-0.lock"), "{error}");
        let ListenError::Lock { error, .. } = error else { panic!("{error:?}") };
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(names(&disk.directory), before);

        // Room for the lock, and none for the socket.
        disk.make_room();
        let before = names(&disk.directory);
        let error = Listener::bind(&path).unwrap_err();
        let ListenError::Socket(anchovy::ListenError::Io { error, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(names(&disk.directory), before);

        disk.make_room();
        let listener = Listener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).await.unwrap();
        listener.accept().await.unwrap();
    });
}
