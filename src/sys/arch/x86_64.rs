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

#[inline(always)]
#[cfg_attr(target_arch = "x86_64", allow(dead_code))]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: r12 is the function's to keep. Neither stack's red zone is touched: that of this one, since the block may push.
    unsafe {
        asm!("mov r12, rsp", "mov rsp, r14", "call r13", "mov rsp, r12",
            out("r12") _, in("r13") function, in("r14") top, in("rdi") argument, clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
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

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);

/// Defines a function that gives the entry of a signal handler which calls `$handler`, on a stack of its own where the thread's
/// alternate one has less than `$needed` bytes left: nothing may be pushed before that is known. Without memory for that the signal
/// is lost. All registers are the handler's to use: rt_sigreturn(2) puts them back.
macro_rules! handler_entry {
    ($name:ident, $handler:path, $needed:expr, $spare:expr) => {
        core::arch::global_asm!(
            ".pushsection .text.ec_handler_entry,\"ax\",@progbits",
            ".balign 16",
            ".hidden ec_handler_entry",
            ".globl ec_handler_entry",
            ".type ec_handler_entry,@function",
            "ec_handler_entry:",
            // struct ucontext: ss_sp at 16, ss_size at 32, 0 where there is no alternate stack
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
            // mmap(NULL, spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
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
            // munmap
            "mov rdi, rbx",
            "mov esi, {spare}",
            "mov eax, 11",
            "syscall",
            "3:",
            "ret",
            "2:",
            "jmp {handler}",
            ".size ec_handler_entry, .-ec_handler_entry",
            ".popsection",
            handler = sym $handler,
            needed = const $needed,
            spare = const $spare,
        );

        fn $name() -> usize {
            unsafe extern "C" {
                fn ec_handler_entry();
            }
            ec_handler_entry as *const () as usize
        }
    };
}
pub(crate) use handler_entry;
