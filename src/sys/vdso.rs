//! Finds the clock of the vDSO (vdso(7)) without libc. A program may get another library's function by the name of clock_gettime(3)
//! (LD_PRELOAD), which may take a lock that a stopped thread holds, or return another time.

use core::ffi::{CStr, c_char, c_int};
use core::mem::transmute;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering::Relaxed;

use super::arch::Timespec;
use super::elf;

#[cfg(target_pointer_width = "32")]
use libc::{Elf32_Ehdr as Ehdr, Elf32_Phdr as Phdr, Elf32_Sym as Sym};
#[cfg(target_pointer_width = "64")]
use libc::{Elf64_Ehdr as Ehdr, Elf64_Phdr as Phdr, Elf64_Sym as Sym};

const DT_STRTAB: isize = 5;
const DT_SYMTAB: isize = 6;
const DT_STRSZ: isize = 10;

/// With the kernel's timespec: two longs. 0, or minus an error number.
pub(super) type ClockGettime = unsafe extern "C" fn(c_int, *mut Timespec) -> c_int;

/// What the kernels of the architectures call it (arch/*/kernel/vdso).
const NAMES: [&CStr; 2] = [c"__vdso_clock_gettime", c"__kernel_clock_gettime"];

/// The function, if there is a vDSO that has it.
pub(super) fn clock_gettime() -> Option<ClockGettime> {
    /// NULL: not looked for yet. The address of this word itself: there is none.
    static FOUND: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
    let none = FOUND.as_ptr().cast::<u8>();
    let mut found = FOUND.load(Relaxed);
    if found.is_null() {
        // SAFETY: 0, or where the kernel has mapped the vDSO, which stays there.
        found = unsafe { find(libc::getauxval(libc::AT_SYSINFO_EHDR) as *const u8) }.unwrap_or(none);
        FOUND.store(found, Relaxed);
    }
    // SAFETY: of this type in every vDSO.
    if found == none { None } else { Some(unsafe { transmute::<*mut u8, ClockGettime>(found) }) }
}

/// Its address.
///
/// # Safety
/// `base` is NULL or that of a vDSO.
unsafe fn find(base: *const u8) -> Option<*mut u8> {
    if base.is_null() {
        return None;
    }
    // SAFETY: the kernel has made the image: a header, program headers, one dynamic section that DT_NULL ends, and the symbols with
    // their names behind them (arch/*/kernel/vdso/vdso.lds.S).
    unsafe {
        let header = &*base.cast::<Ehdr>();
        let segments =
            core::slice::from_raw_parts(base.add(header.e_phoff as usize).cast::<Phdr>(), header.e_phnum.into());
        let first = segments.iter().find(|segment| segment.p_type == libc::PT_LOAD)?;
        // From an address in the image to one in memory.
        let at = |address: usize| {
            base.wrapping_add(first.p_offset as usize).wrapping_add(address).wrapping_sub(first.p_vaddr as usize)
        };
        let dynamic = segments.iter().find(|segment| segment.p_type == libc::PT_DYNAMIC)?;
        let (mut symbols, mut names, mut len) = (0, 0, 0);
        for (tag, value) in elf::entries(base.add(dynamic.p_offset as usize).cast()) {
            match tag {
                DT_SYMTAB => symbols = value,
                DT_STRTAB => names = value,
                DT_STRSZ => len = value,
                _ => {}
            }
        }
        if symbols == 0 || names <= symbols {
            return None;
        }
        let table = core::slice::from_raw_parts(at(symbols).cast::<Sym>(), (names - symbols) / size_of::<Sym>());
        let is_named = |symbol: &&Sym| {
            symbol.st_shndx != 0
                && (symbol.st_name as usize) < len
                && NAMES.contains(&CStr::from_ptr(at(names + symbol.st_name as usize).cast::<c_char>()))
        };
        table.iter().find(is_named).map(|symbol| at(symbol.st_value as usize).cast_mut())
    }
}
