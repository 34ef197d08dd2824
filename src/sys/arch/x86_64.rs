//! x86-64: syscall(2); arch/x86/entry/entry_64.S.

use core::arch::{asm, global_asm};
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in rax, arguments in rdi rsi rdx r10 r8 r9; rcx and r11 are lost.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    outcome(result)
}

/// clone(flags, stack, parent_tid, child_tid, tls)
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
        asm!("syscall", "test rax, rax", "jnz 2f", "cmp rsp, rsi", "jne 2f", "xor ebp, ebp", "mov rdi, r12",
            "call r13", "ud2", "2:",
            inlateout("rax") libc::SYS_clone => result, in("rdi") flags, in("rsi") top, in("rdx") 0usize,
            in("r10") child_tid, in("r8") 0usize, in("r12") argument, in("r13") body,
            lateout("rcx") _, lateout("r11") _);
    }
    outcome(result)
}

// The kernel does not return from a handler without one (arch/x86/kernel/signal_64.c). Unwinders and debuggers know a
// signal frame by just these bytes: mov $15,%rax (long form); syscall.
global_asm!(
    ".pushsection .text.ec_restore_rt,\"ax\",@progbits",
    ".balign 16",
    "nop",
    ".globl ec_restore_rt",
    ".hidden ec_restore_rt",
    ".type ec_restore_rt,@function",
    "ec_restore_rt:",
    ".byte 0x48,0xc7,0xc0,0x0f,0x00,0x00,0x00,0x0f,0x05",
    ".size ec_restore_rt, .-ec_restore_rt",
    ".popsection",
);

unsafe extern "C" {
    fn ec_restore_rt();
}

pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0x0400_0000;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [ec_restore_rt as *const () as usize]
}

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

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);

// In rdx is the struct ucontext: ss_sp at 16, ss_size at 32. 9 is mmap(2), 11 munmap(2). The stack is aligned again at the end, since
// qemu-user 7 does not align the frame as the kernel does (arch/x86/kernel/signal.c, get_sigframe).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "mov rcx, rsp\n",
            "sub rcx, [rdx + 16]\n",
            "mov r8, [rdx + 32]\n",
            "cmp rcx, r8\n",
            "jae 2f\n",
            "cmp rcx, {needed}\n",
            "jae 2f\n",
            "mov r12, rdi\n",
            "mov r13, rsi\n",
            "mov r14, rdx\n",
            "mov r15, rsp\n",
            "xor edi, edi\n",
            "mov esi, {spare}\n",
            "mov edx, 3\n",
            "mov r10d, 0x22\n",
            "mov r8, -1\n",
            "xor r9d, r9d\n",
            "mov eax, 9\n",
            "syscall\n",
            "cmp rax, -4095\n",
            "jae 3f\n",
            "mov rbx, rax\n",
            "lea rsp, [rax + {spare}]\n",
            "mov rdi, r12\n",
            "mov rsi, r13\n",
            "mov rdx, r14\n",
            "call {handler}\n",
            "mov rsp, r15\n",
            "mov rdi, rbx\n",
            "mov esi, {spare}\n",
            "mov eax, 11\n",
            "syscall\n",
            "3:\n",
            "ret\n",
            "2:\n",
            "push rbp\n",
            "mov rbp, rsp\n",
            "and rsp, -16\n",
            "call {handler}\n",
            "mov rsp, rbp\n",
            "pop rbp\n",
            "ret\n",
        )
    };
}
pub(crate) use handler_entry_code;
