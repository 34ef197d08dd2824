//! ppc64el: Documentation/arch/powerpc/syscall64-abi.rst.

use core::ffi::c_int;

use super::layout::{Outcome, Restorer, calls, handler_code};

/// An error is told by the summary overflow bit of cr0, beside a positive number: a value is never one, whatever it is.
#[inline(always)]
fn outcome(value: usize, cr: usize) -> Outcome {
    const CR0_SO: usize = 0x1000_0000;
    if cr & CR0_SO != 0 { Err(value as c_int) } else { Ok(value) }
}

calls! {
    /// Number in r0, arguments in r3 to r8; all that a function may change is lost.
    syscall6(number, a) -> result, cr {
        asm!("sc", "mfcr 9",
            inlateout("r0") number => _, inlateout("r3") a[0] => result, inlateout("r4") a[1] => _,
            inlateout("r5") a[2] => _, inlateout("r6") a[3] => _, inlateout("r7") a[4] => _, inlateout("r8") a[5] => _,
            lateout("r9") cr, lateout("r10") _, lateout("r11") _, lateout("r12") _, lateout("ctr") _, lateout("xer") _,
            lateout("cr") _, options(nostack));
    }

    /// clone(flags, stack, parent_tid, tls, child_tid). Who calls a function has a frame of 32 bytes with a back chain, and the function's address in r12 (ELFv2).
    clone_call(flags, top, body, argument, child_tid) -> result, cr {
        asm!("sc", "mfcr 9", "cmpdi 3, 0", "bne 2f", "cmpd 1, 16", "bne 2f", "li 0, 0", "stdu 0, -32(1)", "mr 3, 17",
            "mr 12, 18", "mtctr 12", "bctrl", "trap", "2:",
            inlateout("r0") libc::SYS_clone => _, inlateout("r3") flags => result, inlateout("r4") top => _,
            inlateout("r5") 0usize => _, inlateout("r6") 0usize => _, inlateout("r7") child_tid => _,
            lateout("r8") _, lateout("r9") cr, lateout("r10") _, lateout("r11") _, lateout("r12") _, lateout("ctr") _,
            lateout("xer") _, lateout("cr") _, lateout("lr") _, in("r16") top, in("r17") argument, in("r18") body);
    }
}

// The vDSO's trampoline is used where no restorer is given; the field is there all the same.
pub(super) const RESTORER: Restorer = Restorer::Unused;

// In r5 is the struct ucontext: ss_sp at 16, ss_size at 32. 90 is mmap(2), 91 munmap(2). The kernel enters with the address in r12 (ELFv2).
handler_code! {
    "0:",
    "addis 2, 12, .TOC.-0b@ha",
    "addi 2, 2, .TOC.-0b@l",
    ".localentry ec_handler_entry, .-ec_handler_entry",
    "ld 6, 16(5)",
    "subf 6, 6, 1",
    "ld 7, 32(5)",
    "cmpld 6, 7",
    "bge 2f",
    "cmpldi 6, {needed}",
    "bge 2f",
    "mr 14, 3",
    "mr 15, 4",
    "mr 16, 5",
    "mr 17, 1",
    "mflr 18",
    "lis 20, {spare} >> 16",
    "ori 20, 20, {spare} & 0xffff",
    "li 0, 90",
    "li 3, 0",
    "mr 4, 20",
    "li 5, 3",
    "li 6, 0x22",
    "li 7, -1",
    "li 8, 0",
    "sc",
    "bso 3f",
    "mr 19, 3",
    "add 1, 3, 20",
    "li 0, 0",
    "stdu 0, -32(1)",
    "mr 3, 14",
    "mr 4, 15",
    "mr 5, 16",
    "bl {handler}",
    "nop",
    "mr 1, 17",
    "mr 3, 19",
    "mr 4, 20",
    "li 0, 91",
    "sc",
    "3:",
    "mtlr 18",
    "blr",
    "2:",
    "b {handler}",
}
