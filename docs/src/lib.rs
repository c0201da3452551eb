//! The guides of this directory and the READMEs. Each page is a doc test of this package, so its programs
//! compile and run:
//!
//! ```sh
//! cargo test -p guides
//! ```

/// Makes each page the documentation of a module, which rustdoc tests.
macro_rules! pages {
    ($(#[$attribute:meta])* $list:ident { $($module:ident: $file:literal,)* }) => {
        $(
            #[cfg(all(doctest, target_os = "linux"))]
            #[doc = include_str!(concat!("../", $file))]
            mod $module {}
        )*

        $(#[$attribute])*
        pub const $list: &[&str] = &[$($file),*];
    };
}

pages! {
    /// The pages of the guides, relative to this package.
    PAGES {
        index: "README.md",
        sending_and_receiving: "sending-and-receiving.md",
        framing: "framing.md",
        rpc: "rpc.md",
        server: "server.md",
        restart: "restart.md",
        sandbox: "sandbox.md",
        proxying: "proxying.md",
        dbus: "dbus.md",
        wayland: "wayland.md",
        errors: "errors.md",
        performance: "performance.md",
        from_anchovy_0_4: "migration/from-anchovy-0.4.md",
        from_anchovy_0_3: "migration/from-anchovy-0.3.md",
        from_sendfd: "migration/from-sendfd.md",
        from_uds: "migration/from-uds.md",
        from_tokio_util_framed: "migration/from-tokio-util-framed.md",
        from_recvmsg: "migration/from-recvmsg.md",
        from_zlink_and_zbus: "migration/from-zlink-and-zbus.md",
    }
}

pages! {
    /// The READMEs of the repository and of the crates, relative to this package.
    READMES {
        readme: "../README.md",
        readme_of_anchovy: "../anchovy/README.md",
        readme_of_anchovy_dbus: "../anchovy-dbus/README.md",
        readme_of_anchovy_wayland: "../anchovy-wayland/README.md",
    }
}
