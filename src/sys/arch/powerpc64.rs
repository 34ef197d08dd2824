//! ppc64el: Documentation/arch/powerpc/syscall64-abi.rst.

use core::arch::asm;
use core::ffi::{c_int, c_void};

use super::layout::{Body, Mmap, Outcome};

/// An error is told by the summary overflow bit of cr0, beside a positive number: a value is never one, whatever it is.
#[inline(always)]
fn outcome(value: usize, cr: usize) -> Outcome {
    const CR0_SO: usize = 0x1000_0000;
    if cr & CR0_SO != 0 { Err(value as c_int) } else { Ok(value) }
}

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let (result, cr);
    // SAFETY: number in r0, arguments in r3 to r8; all that a function may change is lost.
    unsafe {
        asm!("sc", "mfcr 9",
            inlateout("r0") number => _, inlateout("r3") a[0] => result, inlateout("r4") a[1] => _,
            inlateout("r5") a[2] => _, inlateout("r6") a[3] => _, inlateout("r7") a[4] => _, inlateout("r8") a[5] => _,
            lateout("r9") cr, lateout("r10") _, lateout("r11") _, lateout("r12") _, lateout("ctr") _, lateout("xer") _,
            lateout("cr") _, options(nostack));
    }
    outcome(result, cr)
}

/// clone(flags, stack, parent_tid, tls, child_tid)
#[inline(always)]
pub(crate) unsafe fn clone_call(
    flags: usize,
    top: usize,
    body: Body,
    argument: *mut c_void,
    child_tid: *mut i32,
) -> Outcome {
    let (result, cr);
    // SAFETY: as above; the new process has the stack given, and does not leave the block. Who calls a function has a frame of
    // 32 bytes with a back chain, and the function's address in r12 (ELFv2).
    unsafe {
        asm!("sc", "mfcr 9", "cmpdi 3, 0", "bne 2f", "cmpd 1, 16", "bne 2f", "li 0, 0", "stdu 0, -32(1)", "mr 3, 17",
            "mr 12, 18", "mtctr 12", "bctrl", "trap", "2:",
            inlateout("r0") libc::SYS_clone => _, inlateout("r3") flags => result, inlateout("r4") top => _,
            inlateout("r5") 0usize => _, inlateout("r6") 0usize => _, inlateout("r7") child_tid => _,
            lateout("r8") _, lateout("r9") cr, lateout("r10") _, lateout("r11") _, lateout("r12") _, lateout("ctr") _,
            lateout("xer") _, lateout("cr") _, lateout("lr") _, in("r16") top, in("r17") argument, in("r18") body);
    }
    outcome(result, cr)
}

// The vDSO's trampoline is used where no restorer is given; the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);

// In r5 is the struct ucontext: ss_sp at 16, ss_size at 32. 90 is mmap(2), 91 munmap(2). The kernel enters with the address in r12 (ELFv2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "0:\n",
            "addis 2, 12, .TOC.-0b@ha\n",
            "addi 2, 2, .TOC.-0b@l\n",
            ".localentry ec_handler_entry, .-ec_handler_entry\n",
            "ld 6, 16(5)\n",
            "subf 6, 6, 1\n",
            "ld 7, 32(5)\n",
            "cmpld 6, 7\n",
            "bge 2f\n",
            "cmpldi 6, {needed}\n",
            "bge 2f\n",
            "mr 14, 3\n",
            "mr 15, 4\n",
            "mr 16, 5\n",
            "mr 17, 1\n",
            "mflr 18\n",
            "lis 20, {spare} >> 16\n",
            "ori 20, 20, {spare} & 0xffff\n",
            "li 0, 90\n",
            "li 3, 0\n",
            "mr 4, 20\n",
            "li 5, 3\n",
            "li 6, 0x22\n",
            "li 7, -1\n",
            "li 8, 0\n",
            "sc\n",
            "bso 3f\n",
            "mr 19, 3\n",
            "add 1, 3, 20\n",
            "li 0, 0\n",
            "stdu 0, -32(1)\n",
            "mr 3, 14\n",
            "mr 4, 15\n",
            "mr 5, 16\n",
            "bl {handler}\n",
            "nop\n",
            "mr 1, 17\n",
            "mr 3, 19\n",
            "mr 4, 20\n",
            "li 0, 91\n",
            "sc\n",
            "3:\n",
            "mtlr 18\n",
            "blr\n",
            "2:\n",
            "b {handler}\n",
        )
    };
}
pub(crate) use handler_entry_code;
