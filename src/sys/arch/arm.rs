//! armhf, and arm with the EABI: syscall(2); arch/arm/kernel/entry-common.S.

use super::layout::{Restorer, calls, handler_code, outcome};

calls! {
    /// Number in r7, which Thumb code keeps its frame in, arguments in r0 to r5.
    syscall6(number, a) -> result {
        asm!("mov {kept}, r7", "mov r7, {number}", "svc 0", "mov r7, {kept}",
            kept = out(reg) _, number = in(reg) number,
            inlateout("r0") a[0] => result, in("r1") a[1], in("r2") a[2], in("r3") a[3], in("r4") a[4], in("r5") a[5],
            options(nostack));
    }

    /// clone(flags, stack, parent_tid, tls, child_tid)
    clone_call(flags, top, body, argument, child_tid) -> result {
        asm!("mov r10, r7", "mov r7, #{number}", "svc 0", "mov r7, r10", "cmp r0, #0", "bne 2f", "cmp sp, r1", "bne 2f",
            "mov r0, r8", "blx r5", "udf #0", "2:",
            number = const libc::SYS_clone as i32,
            inlateout("r0") flags => result, in("r1") top, in("r2") 0usize, in("r3") 0usize, in("r4") child_tid,
            in("r5") body, in("r8") argument, out("r10") _);
    }
}

// The kernel's own code is used where no restorer is given (arch/arm/kernel/sigreturn_codes.S); the field is there all the same.
pub(super) const RESTORER: Restorer = Restorer::Unused;

// In r2 is the struct ucontext: ss_sp at 8, ss_size at 16. 192 is mmap2(2), 91 munmap(2).
handler_code! {
    "ldr r3, [r2, #8]",
    "sub r3, sp, r3",
    "ldr r12, [r2, #16]",
    "cmp r3, r12",
    "bhs 2f",
    "ldr r12, ={needed}",
    "cmp r3, r12",
    "bhs 2f",
    "mov r8, r0",
    "mov r9, r1",
    "mov r10, r2",
    "mov r11, sp",
    "mov r6, lr",
    "mov r0, #0",
    "ldr r1, ={spare}",
    "mov r2, #3",
    "mov r3, #0x22",
    "mvn r4, #0",
    "mov r5, #0",
    "mov r7, #192",
    "svc #0",
    "ldr r1, =0xfffff001",
    "cmp r0, r1",
    "bhs 3f",
    "mov r4, r0",
    "ldr r1, ={spare}",
    "add r1, r0, r1",
    "mov sp, r1",
    "mov r0, r8",
    "mov r1, r9",
    "mov r2, r10",
    "bl {handler}",
    "mov sp, r11",
    "mov r0, r4",
    "ldr r1, ={spare}",
    "mov r7, #91",
    "svc #0",
    "3:",
    "bx r6",
    "2:",
    "b {handler}",
    ".ltorg",
}
