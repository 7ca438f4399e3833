//! The way to the drivers: one instance for Vulkan, Metal and DX12, without windows.
//!
//! wgpu asks Vulkan for the surfaces of every window system that there may be, and with them layers
//! of the driver look for one: Mesa's tries to reach Wayland and X11, and where nobody has a
//! desktop session it complains on standard error. Nothing is ever drawn here, so they are not
//! asked for.

use wgpu::{Backends, Instance, InstanceDescriptor};

/// The systems' own interfaces, and no translation of one to another.
pub(super) const BACKENDS: Backends = Backends::VULKAN
    .union(Backends::METAL)
    .union(Backends::DX12);

/// Opens an instance; one without adapters where there is no driver.
pub(super) fn open() -> Instance {
    let descriptor = InstanceDescriptor {
        backends: BACKENDS,
        ..InstanceDescriptor::new_without_display_handle()
    };
    #[cfg(all(unix, not(target_vendor = "apple")))]
    return without_windows::open(&descriptor).unwrap_or_else(|| Instance::new(descriptor));
    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    Instance::new(descriptor)
}

#[cfg(all(unix, not(target_vendor = "apple")))]
mod without_windows {
    #![allow(
        unsafe_code,
        reason = "wgpu offers the choice of extensions only where it hands out the raw instance"
    )]

    use std::ffi::CStr;

    use wgpu::hal::vulkan;
    use wgpu::{Instance, InstanceDescriptor, hal};

    /// The window systems; none of them is there for certain.
    const WINDOWS: [&CStr; 3] = [
        c"VK_KHR_wayland_surface",
        c"VK_KHR_xcb_surface",
        c"VK_KHR_xlib_surface",
    ];

    /// Opens Vulkan, which is all there is on such systems; none where it cannot be opened.
    pub(super) fn open(descriptor: &InstanceDescriptor) -> Option<Instance> {
        let descriptor = hal::InstanceDescriptor {
            name: "grokrun",
            flags: descriptor.flags,
            memory_budget_thresholds: descriptor.memory_budget_thresholds,
            backend_options: descriptor.backend_options.clone(),
            telemetry: None,
            display: None,
        };
        let no_windows = |arguments: vulkan::CreateInstanceCallbackArgs<'_, '_, '_>| {
            arguments.extensions.retain(|name| !WINDOWS.contains(name));
        };
        // SAFETY: a system without these window systems is one that wgpu handles: it enables only
        // those that are there, and looks for the one it needs before it makes a surface, which
        // nobody here does. Nothing else is changed. The instance goes to its one owner.
        unsafe {
            let instance =
                vulkan::Instance::init_with_callback(&descriptor, Some(Box::new(no_windows)));
            Some(Instance::from_hal::<hal::api::Vulkan>(instance.ok()?))
        }
    }
}
