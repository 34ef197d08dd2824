//! armhf, and arm with the EABI: syscall(2); arch/arm/kernel/entry-common.S.

use core::arch::asm;
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in r7, which Thumb code keeps its frame in, arguments in r0 to r5.
    unsafe {
        asm!("mov {kept}, r7", "mov r7, {number}", "svc 0", "mov r7, {kept}",
            kept = out(reg) _, number = in(reg) number,
            inlateout("r0") a[0] => result, in("r1") a[1], in("r2") a[2], in("r3") a[3], in("r4") a[4], in("r5") a[5],
            options(nostack));
    }
    outcome(result)
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
    let result;
    // SAFETY: as above; the new process has the stack given, and does not leave the block.
    unsafe {
        asm!("mov r10, r7", "mov r7, #{number}", "svc 0", "mov r7, r10", "cmp r0, #0", "bne 2f", "cmp sp, r1", "bne 2f",
            "mov r0, r8", "blx r5", "udf #0", "2:",
            number = const libc::SYS_clone as i32,
            inlateout("r0") flags => result, in("r1") top, in("r2") 0usize, in("r3") 0usize, in("r4") child_tid,
            in("r5") body, in("r8") argument, out("r10") _);
    }
    outcome(result)
}

// The kernel's own code is used where no restorer is given (arch/arm/kernel/sigreturn_codes.S); the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap2);

// In r2 is the struct ucontext: ss_sp at 8, ss_size at 16. 192 is mmap2(2), 91 munmap(2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "ldr r3, [r2, #8]\n",
            "sub r3, sp, r3\n",
            "ldr r12, [r2, #16]\n",
            "cmp r3, r12\n",
            "bhs 2f\n",
            "ldr r12, ={needed}\n",
            "cmp r3, r12\n",
            "bhs 2f\n",
            "mov r8, r0\n",
            "mov r9, r1\n",
            "mov r10, r2\n",
            "mov r11, sp\n",
            "mov r6, lr\n",
            "mov r0, #0\n",
            "ldr r1, ={spare}\n",
            "mov r2, #3\n",
            "mov r3, #0x22\n",
            "mvn r4, #0\n",
            "mov r5, #0\n",
            "mov r7, #192\n",
            "svc #0\n",
            "ldr r1, =0xfffff001\n",
            "cmp r0, r1\n",
            "bhs 3f\n",
            "mov r4, r0\n",
            "ldr r1, ={spare}\n",
            "add r1, r0, r1\n",
            "mov sp, r1\n",
            "mov r0, r8\n",
            "mov r1, r9\n",
            "mov r2, r10\n",
            "bl {handler}\n",
            "mov sp, r11\n",
            "mov r0, r4\n",
            "ldr r1, ={spare}\n",
            "mov r7, #91\n",
            "svc #0\n",
            "3:\n",
            "bx r6\n",
            "2:\n",
            "b {handler}\n",
            ".ltorg\n",
        )
    };
}
pub(crate) use handler_entry_code;
