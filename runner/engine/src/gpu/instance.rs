//! Opens the drivers: one instance for Vulkan, Metal and DX12, without windows.
//!
//! wgpu asks Vulkan for the surfaces of every possible window system. Layers of the driver then
//! search for one: Mesa's try to reach Wayland and X11, and complain on standard error where there
//! is no desktop session. Nothing is ever drawn here, so the surfaces are not asked for.

use wgpu::{Backends, Instance, InstanceDescriptor};

/// The systems' own interfaces, without translations from one to another.
pub(super) const BACKENDS: Backends = Backends::VULKAN
    .union(Backends::METAL)
    .union(Backends::DX12);

/// Opens an instance; it has no adapters if there is no driver.
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

    /// The extensions of window systems; a system may lack any of them.
    const WINDOWS: [&CStr; 3] = [
        c"VK_KHR_wayland_surface",
        c"VK_KHR_xcb_surface",
        c"VK_KHR_xlib_surface",
    ];

    /// Opens Vulkan, which is the only interface on such systems; returns `None` if it cannot be
    /// opened.
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
        // SAFETY: wgpu handles systems without these window systems: it enables only the extensions
        // that exist, and searches for the one it needs before it makes a surface, which never
        // happens here. Nothing else is changed. The instance goes to its only owner.
        unsafe {
            let instance =
                vulkan::Instance::init_with_callback(&descriptor, Some(Box::new(no_windows)));
            Some(Instance::from_hal::<hal::api::Vulkan>(instance.ok()?))
        }
    }
}
