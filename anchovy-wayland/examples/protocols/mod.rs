//! The interfaces of the published protocols, with the signatures of their requests and events.
//!
//! They come from bindings, which are generated from the protocol files. This list has the globals of each
//! protocol. The other interfaces are found through the requests and events that create their objects.

use std::collections::HashMap;
use std::sync::LazyLock;

use wayland_client::Proxy;
use wayland_client::backend::protocol::Interface;

/// Returns the interface with this name, if it is in Wayland itself, wayland-protocols, wlr-protocols,
/// plasma-wayland-protocols or some other protocols.
pub(crate) fn interface(name: &str) -> Option<&'static Interface> {
    static ALL: LazyLock<HashMap<&str, &Interface>> = LazyLock::new(|| {
        let mut all = HashMap::new();
        let mut found = globals();
        while let Some(interface) = found.pop() {
            if all.insert(interface.name, interface).is_none() {
                let messages = interface.requests.iter().chain(interface.events);
                found.extend(messages.filter_map(|message| message.child_interface));
            }
        }
        all
    });
    ALL.get(name).copied()
}

/// Returns the interfaces of all globals, and that of the display.
#[rustfmt::skip]
fn globals() -> Vec<&'static Interface> {
    macro_rules! of {
        ($package:ident: $($($module:ident)::+ . $name:ident :: $type:ident,)+) => {
            vec![$($package::$($module)::+::$name::$type::interface(),)+]
        };
    }
    [
        of! { wayland_client:
            protocol.wl_display::WlDisplay,
            protocol.wl_compositor::WlCompositor,
            protocol.wl_shm::WlShm,
            protocol.wl_data_device_manager::WlDataDeviceManager,
            protocol.wl_shell::WlShell,
            protocol.wl_seat::WlSeat,
            protocol.wl_output::WlOutput,
            protocol.wl_subcompositor::WlSubcompositor,
            protocol.wl_fixes::WlFixes,
        },
        of! { wayland_protocols:
            ext::idle_notify::v1::client.ext_idle_notifier_v1::ExtIdleNotifierV1,
            ext::session_lock::v1::client.ext_session_lock_manager_v1::ExtSessionLockManagerV1,
            ext::foreign_toplevel_list::v1::client.ext_foreign_toplevel_list_v1::ExtForeignToplevelListV1,
            ext::transient_seat::v1::client.ext_transient_seat_manager_v1::ExtTransientSeatManagerV1,
            ext::image_capture_source::v1::client.ext_output_image_capture_source_manager_v1::ExtOutputImageCaptureSourceManagerV1,
            ext::image_capture_source::v1::client.ext_foreign_toplevel_image_capture_source_manager_v1::ExtForeignToplevelImageCaptureSourceManagerV1,
            ext::image_copy_capture::v1::client.ext_image_copy_capture_manager_v1::ExtImageCopyCaptureManagerV1,
            ext::data_control::v1::client.ext_data_control_manager_v1::ExtDataControlManagerV1,
            ext::workspace::v1::client.ext_workspace_manager_v1::ExtWorkspaceManagerV1,
            ext::background_effect::v1::client.ext_background_effect_manager_v1::ExtBackgroundEffectManagerV1,
            wp::content_type::v1::client.wp_content_type_manager_v1::WpContentTypeManagerV1,
            wp::color_management::v1::client.wp_color_manager_v1::WpColorManagerV1,
            wp::color_management::v1::client.wp_image_description_reference_v1::WpImageDescriptionReferenceV1,
            wp::color_representation::v1::client.wp_color_representation_manager_v1::WpColorRepresentationManagerV1,
            wp::drm_lease::v1::client.wp_drm_lease_device_v1::WpDrmLeaseDeviceV1,
            wp::tearing_control::v1::client.wp_tearing_control_manager_v1::WpTearingControlManagerV1,
            wp::fractional_scale::v1::client.wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1,
            wp::fullscreen_shell::zv1::client.zwp_fullscreen_shell_v1::ZwpFullscreenShellV1,
            wp::idle_inhibit::zv1::client.zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1,
            wp::input_method::zv1::client.zwp_input_method_v1::ZwpInputMethodV1,
            wp::input_method::zv1::client.zwp_input_panel_v1::ZwpInputPanelV1,
            wp::input_timestamps::zv1::client.zwp_input_timestamps_manager_v1::ZwpInputTimestampsManagerV1,
            wp::keyboard_shortcuts_inhibit::zv1::client.zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1,
            wp::linux_dmabuf::zv1::client.zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
            wp::linux_explicit_synchronization::zv1::client.zwp_linux_explicit_synchronization_v1::ZwpLinuxExplicitSynchronizationV1,
            wp::linux_drm_syncobj::v1::client.wp_linux_drm_syncobj_manager_v1::WpLinuxDrmSyncobjManagerV1,
            wp::pointer_constraints::zv1::client.zwp_pointer_constraints_v1::ZwpPointerConstraintsV1,
            wp::pointer_gestures::zv1::client.zwp_pointer_gestures_v1::ZwpPointerGesturesV1,
            wp::presentation_time::client.wp_presentation::WpPresentation,
            wp::primary_selection::zv1::client.zwp_primary_selection_device_manager_v1::ZwpPrimarySelectionDeviceManagerV1,
            wp::relative_pointer::zv1::client.zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1,
            wp::single_pixel_buffer::v1::client.wp_single_pixel_buffer_manager_v1::WpSinglePixelBufferManagerV1,
            wp::cursor_shape::v1::client.wp_cursor_shape_manager_v1::WpCursorShapeManagerV1,
            wp::tablet::zv1::client.zwp_tablet_manager_v1::ZwpTabletManagerV1,
            wp::tablet::zv2::client.zwp_tablet_manager_v2::ZwpTabletManagerV2,
            wp::text_input::zv1::client.zwp_text_input_manager_v1::ZwpTextInputManagerV1,
            wp::text_input::zv3::client.zwp_text_input_manager_v3::ZwpTextInputManagerV3,
            wp::viewporter::client.wp_viewporter::WpViewporter,
            wp::security_context::v1::client.wp_security_context_manager_v1::WpSecurityContextManagerV1,
            wp::alpha_modifier::v1::client.wp_alpha_modifier_v1::WpAlphaModifierV1,
            wp::fifo::v1::client.wp_fifo_manager_v1::WpFifoManagerV1,
            wp::commit_timing::v1::client.wp_commit_timing_manager_v1::WpCommitTimingManagerV1,
            wp::pointer_warp::v1::client.wp_pointer_warp_v1::WpPointerWarpV1,
            xdg::activation::v1::client.xdg_activation_v1::XdgActivationV1,
            xdg::decoration::zv1::client.zxdg_decoration_manager_v1::ZxdgDecorationManagerV1,
            xdg::foreign::zv1::client.zxdg_exporter_v1::ZxdgExporterV1,
            xdg::foreign::zv1::client.zxdg_importer_v1::ZxdgImporterV1,
            xdg::foreign::zv2::client.zxdg_exporter_v2::ZxdgExporterV2,
            xdg::foreign::zv2::client.zxdg_importer_v2::ZxdgImporterV2,
            xdg::xdg_output::zv1::client.zxdg_output_manager_v1::ZxdgOutputManagerV1,
            xdg::shell::client.xdg_wm_base::XdgWmBase,
            xdg::toplevel_drag::v1::client.xdg_toplevel_drag_manager_v1::XdgToplevelDragManagerV1,
            xdg::dialog::v1::client.xdg_wm_dialog_v1::XdgWmDialogV1,
            xdg::toplevel_icon::v1::client.xdg_toplevel_icon_manager_v1::XdgToplevelIconManagerV1,
            xdg::toplevel_tag::v1::client.xdg_toplevel_tag_manager_v1::XdgToplevelTagManagerV1,
            xdg::system_bell::v1::client.xdg_system_bell_v1::XdgSystemBellV1,
            xwayland::shell::v1::client.xwayland_shell_v1::XwaylandShellV1,
            xwayland::keyboard_grab::zv1::client.zwp_xwayland_keyboard_grab_manager_v1::ZwpXwaylandKeyboardGrabManagerV1,
        },
        of! { wayland_protocols_wlr:
            data_control::v1::client.zwlr_data_control_manager_v1::ZwlrDataControlManagerV1,
            export_dmabuf::v1::client.zwlr_export_dmabuf_manager_v1::ZwlrExportDmabufManagerV1,
            foreign_toplevel::v1::client.zwlr_foreign_toplevel_manager_v1::ZwlrForeignToplevelManagerV1,
            gamma_control::v1::client.zwlr_gamma_control_manager_v1::ZwlrGammaControlManagerV1,
            input_inhibitor::v1::client.zwlr_input_inhibit_manager_v1::ZwlrInputInhibitManagerV1,
            layer_shell::v1::client.zwlr_layer_shell_v1::ZwlrLayerShellV1,
            output_management::v1::client.zwlr_output_manager_v1::ZwlrOutputManagerV1,
            output_power_management::v1::client.zwlr_output_power_manager_v1::ZwlrOutputPowerManagerV1,
            screencopy::v1::client.zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1,
            virtual_pointer::v1::client.zwlr_virtual_pointer_manager_v1::ZwlrVirtualPointerManagerV1,
        },
        of! { wayland_protocols_misc:
            gtk_primary_selection::client.gtk_primary_selection_device_manager::GtkPrimarySelectionDeviceManager,
            zwp_input_method_v2::client.zwp_input_method_manager_v2::ZwpInputMethodManagerV2,
            zwp_virtual_keyboard_v1::client.zwp_virtual_keyboard_manager_v1::ZwpVirtualKeyboardManagerV1,
            server_decoration::client.org_kde_kwin_server_decoration_manager::OrgKdeKwinServerDecorationManager,
        },
        of! { wayland_protocols_plasma:
            appmenu::client.org_kde_kwin_appmenu_manager::OrgKdeKwinAppmenuManager,
            blur::client.org_kde_kwin_blur_manager::OrgKdeKwinBlurManager,
            contrast::client.org_kde_kwin_contrast_manager::OrgKdeKwinContrastManager,
            dpms::client.org_kde_kwin_dpms_manager::OrgKdeKwinDpmsManager,
            external_brightness::v1::client.kde_external_brightness_v1::KdeExternalBrightnessV1,
            fake_input::client.org_kde_kwin_fake_input::OrgKdeKwinFakeInput,
            fullscreen_shell::client._wl_fullscreen_shell::WlFullscreenShell,
            idle::client.org_kde_kwin_idle::OrgKdeKwinIdle,
            keystate::client.org_kde_kwin_keystate::OrgKdeKwinKeystate,
            lockscreen_overlay::v1::client.kde_lockscreen_overlay_v1::KdeLockscreenOverlayV1,
            output_device::v1::client.org_kde_kwin_outputdevice::OrgKdeKwinOutputdevice,
            output_device::v2::client.kde_output_device_v2::KdeOutputDeviceV2,
            output_management::v1::client.org_kde_kwin_outputmanagement::OrgKdeKwinOutputmanagement,
            output_management::v2::client.kde_output_management_v2::KdeOutputManagementV2,
            output_order::v1::client.kde_output_order_v1::KdeOutputOrderV1,
            plasma_shell::client.org_kde_plasma_shell::OrgKdePlasmaShell,
            plasma_virtual_desktop::client.org_kde_plasma_virtual_desktop_management::OrgKdePlasmaVirtualDesktopManagement,
            plasma_window_management::client.org_kde_plasma_window_management::OrgKdePlasmaWindowManagement,
            plasma_window_management::client.org_kde_plasma_activation_feedback::OrgKdePlasmaActivationFeedback,
            primary_output::v1::client.kde_primary_output_v1::KdePrimaryOutputV1,
            remote_access::client.org_kde_kwin_remote_access_manager::OrgKdeKwinRemoteAccessManager,
            screencast::v1::client.zkde_screencast_unstable_v1::ZkdeScreencastUnstableV1,
            screen_edge::v1::client.kde_screen_edge_manager_v1::KdeScreenEdgeManagerV1,
            server_decoration_palette::client.org_kde_kwin_server_decoration_palette_manager::OrgKdeKwinServerDecorationPaletteManager,
            shadow::client.org_kde_kwin_shadow_manager::OrgKdeKwinShadowManager,
            slide::client.org_kde_kwin_slide_manager::OrgKdeKwinSlideManager,
            surface_extension::client.qt_surface_extension::QtSurfaceExtension,
            text_input::v1::client.wl_text_input_manager::WlTextInputManager,
            text_input::v2::client.zwp_text_input_manager_v2::ZwpTextInputManagerV2,
            wayland_eglstream_controller::client.wl_eglstream_controller::WlEglstreamController,
        },
    ]
    .concat()
}
