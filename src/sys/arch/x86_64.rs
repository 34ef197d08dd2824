//! x86-64: syscall(2); arch/x86/entry/entry_64.S.

use core::arch::asm;

use super::layout::{Restorer, calls, handler_code, outcome, restorer_code};

calls! {
    /// Number in rax, arguments in rdi rsi rdx r10 r8 r9; rcx and r11 are lost.
    syscall6(number, a) -> result {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }

    /// clone(flags, stack, parent_tid, child_tid, tls)
    clone_call(flags, top, body, argument, child_tid) -> result {
        asm!("syscall", "test rax, rax", "jnz 2f", "cmp rsp, rsi", "jne 2f", "xor ebp, ebp", "mov rdi, r12",
            "call r13", "ud2", "2:",
            inlateout("rax") libc::SYS_clone => result, in("rdi") flags, in("rsi") top, in("rdx") 0usize,
            in("r10") child_tid, in("r8") 0usize, in("r12") argument, in("r13") body,
            lateout("rcx") _, lateout("r11") _);
    }
}

// The kernel does not return from a handler without one (arch/x86/kernel/signal_64.c). Unwinders and debuggers know a
// signal frame by just these bytes: mov $15,%rax (long form); syscall.
restorer_code!("0x48,0xc7,0xc0,0x0f,0x00,0x00,0x00,0x0f,0x05");

pub(super) const RESTORER: Restorer = Restorer::Code(ec_restore_rt);

/// Whether valgrind runs this code: its client request RUNNING_ON_VALGRIND, which changes nothing on a processor.
pub(crate) fn is_under_valgrind() -> bool {
    let request: [u64; 6] = [0x1001, 0, 0, 0, 0, 0];
    let mut result = 0u64;
    // SAFETY: rdi comes back as it was, after rotations by 128 bits in all; valgrind writes rdx.
    unsafe {
        asm!("rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") request.as_ptr(), inout("rdx") result, in("rdi") 0u64, options(nostack));
    }
    result != 0
}

// In rdx is the struct ucontext: ss_sp at 16, ss_size at 32. 9 is mmap(2), 11 munmap(2). The stack is aligned again at the end, since
// qemu-user 7 does not align the frame as the kernel does (arch/x86/kernel/signal.c, get_sigframe).
handler_code! {
    "mov rcx, rsp",
    "sub rcx, [rdx + 16]",
    "mov r8, [rdx + 32]",
    "cmp rcx, r8",
    "jae 2f",
    "cmp rcx, {needed}",
    "jae 2f",
    "mov r12, rdi",
    "mov r13, rsi",
    "mov r14, rdx",
    "mov r15, rsp",
    "xor edi, edi",
    "mov esi, {spare}",
    "mov edx, 3",
    "mov r10d, 0x22",
    "mov r8, -1",
    "xor r9d, r9d",
    "mov eax, 9",
    "syscall",
    "cmp rax, -4095",
    "jae 3f",
    "mov rbx, rax",
    "lea rsp, [rax + {spare}]",
    "mov rdi, r12",
    "mov rsi, r13",
    "mov rdx, r14",
    "call {handler}",
    "mov rsp, r15",
    "mov rdi, rbx",
    "mov esi, {spare}",
    "mov eax, 11",
    "syscall",
    "3:",
    "ret",
    "2:",
    "push rbp",
    "mov rbp, rsp",
    "and rsp, -16",
    "call {handler}",
    "mov rsp, rbp",
    "pop rbp",
    "ret",
}
