//! System calls without libc: no errno, no thread-local access, no cancellation point, so that a thread parked in a signal
//! handler can make them whatever it was doing before. And the other facts that differ from architecture to architecture.

use core::ffi::{c_int, c_long, c_void};

use crate::text::Errno;

/// Makes a system call with up to six arguments; the kernel's negative results are errors.
///
/// # Safety
/// As the system call made: pointers must be what it takes.
#[inline(always)]
pub(crate) unsafe fn syscall(number: c_long, a: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    let result = unsafe { arch::syscall6(number as usize, a) };
    // include/linux/err.h: the last 4095 values are errors
    if result > -4096isize as usize { Err(Errno(-(result as isize) as i32)) } else { Ok(result) }
}

/// `call!(SYS_x, a, b)`: the arguments as registers.
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        #[allow(unused_mut, unused_assignments)]
        let arguments = {
            let mut all = [0usize; 6];
            let mut at = 0;
            $( all[at] = $argument as usize; at += 1; )*
            let _ = at;
            all
        };
        $crate::sys::raw::syscall($number, arguments)
    }};
}
pub(crate) use call;

/// What a child made by [`clone_call`] runs: it must end by exit(2).
pub(crate) type Body = extern "C" fn(*mut c_void) -> c_int;

/// clone(2) of a child that runs `body` on a stack of its own. libc's takes every 0 for the child's; here the stack tells, since
/// a seccomp filter may say 0 to the caller.
///
/// # Safety
/// `flags` and the stack below `top` must be such that the child can run beside, or instead of, the caller.
pub(crate) unsafe fn clone_call(flags: c_int, top: *mut u8, body: Body, argument: *mut c_void) -> Result<i32, Errno> {
    // SAFETY: the caller's promise.
    let result = unsafe { arch::clone_call(flags as usize, top as usize, body, argument) } as isize;
    match result {
        ..0 => Err(Errno(-result as i32)),
        0 => Err(Errno(libc::ENOSYS)),
        pid => Ok(pid as i32),
    }
}

#[cfg(target_arch = "x86_64")]
mod arch {
    use core::arch::{asm, global_asm};
    use core::ffi::c_void;

    use super::Body;

    #[inline(always)]
    pub(super) unsafe fn syscall6(number: usize, a: [usize; 6]) -> usize {
        let result;
        // SAFETY: syscall(2), x86-64: number in rax, arguments in rdi rsi rdx r10 r8 r9; rcx and r11 are lost.
        unsafe {
            asm!("syscall", inlateout("rax") number => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
                in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _,
                options(nostack));
        }
        result
    }

    #[inline(always)]
    pub(super) unsafe fn clone_call(flags: usize, top: usize, body: Body, argument: *mut c_void) -> usize {
        let result;
        // SAFETY: as above; the new process has the stack given, and does not leave the block.
        unsafe {
            asm!("syscall", "test rax, rax", "jnz 2f", "cmp rsp, rsi", "jne 2f", "xor ebp, ebp", "mov rdi, r12",
                "call r13", "ud2", "2:",
                inlateout("rax") libc::SYS_clone => result, in("rdi") flags, in("rsi") top, in("rdx") 0usize, in("r10") 0usize,
                in("r8") 0usize, in("r12") argument, in("r13") body, lateout("rcx") _, lateout("r11") _);
        }
        result
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

    pub(crate) const SA_RESTORER: usize = 0x0400_0000;

    pub(crate) fn restorer() -> usize {
        ec_restore_rt as *const () as usize
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    use core::ffi::c_void;

    use super::Body;

    #[inline(always)]
    pub(super) unsafe fn syscall6(number: usize, a: [usize; 6]) -> usize {
        let result;
        // SAFETY: syscall(2), arm64: number in x8, arguments in x0 to x5.
        unsafe {
            core::arch::asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2],
                in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
        }
        result
    }

    #[inline(always)]
    pub(super) unsafe fn clone_call(flags: usize, top: usize, body: Body, argument: *mut c_void) -> usize {
        let result;
        // SAFETY: as above; the new process has the stack given, and does not leave the block.
        unsafe {
            core::arch::asm!("svc 0", "cbnz x0, 2f", "mov x9, sp", "cmp x9, x1", "b.ne 2f", "mov x29, xzr",
                "mov x0, x20", "blr x21", "brk 1", "2:",
                in("x8") libc::SYS_clone, inlateout("x0") flags => result, in("x1") top, in("x2") 0usize, in("x3") 0usize,
                in("x4") 0usize, in("x20") argument, in("x21") body, lateout("x9") _);
        }
        result
    }

    // The vDSO's trampoline is used where no restorer is given; the field is there all the same.
    pub(crate) const SA_RESTORER: usize = 0;

    pub(crate) fn restorer() -> usize {
        0
    }
}

#[cfg(target_arch = "riscv64")]
mod arch {
    use core::ffi::c_void;

    use super::Body;

    #[inline(always)]
    pub(super) unsafe fn syscall6(number: usize, a: [usize; 6]) -> usize {
        let result;
        // SAFETY: syscall(2), riscv: number in a7, arguments in a0 to a5.
        unsafe {
            core::arch::asm!("ecall", in("a7") number, inlateout("a0") a[0] => result, in("a1") a[1], in("a2") a[2],
                in("a3") a[3], in("a4") a[4], in("a5") a[5], options(nostack));
        }
        result
    }

    #[inline(always)]
    pub(super) unsafe fn clone_call(flags: usize, top: usize, body: Body, argument: *mut c_void) -> usize {
        let result;
        // SAFETY: as above; the new process has the stack given, and does not leave the block.
        unsafe {
            core::arch::asm!("ecall", "bnez a0, 2f", "bne sp, a1, 2f", "mv s0, zero", "mv a0, s2", "jalr s3", "unimp",
                "2:",
                in("a7") libc::SYS_clone, inlateout("a0") flags => result, in("a1") top, in("a2") 0usize, in("a3") 0usize,
                in("a4") 0usize, in("s2") argument, in("s3") body);
        }
        result
    }
}

#[cfg(target_arch = "loongarch64")]
mod arch {
    use core::ffi::c_void;

    use super::Body;

    #[inline(always)]
    pub(super) unsafe fn syscall6(number: usize, a: [usize; 6]) -> usize {
        let result;
        // SAFETY: syscall(2), loongarch: number in $a7, arguments in $a0 to $a5; $t0 to $t8 are lost.
        unsafe {
            core::arch::asm!("syscall 0", in("$a7") number, inlateout("$a0") a[0] => result, in("$a1") a[1],
                in("$a2") a[2], in("$a3") a[3], in("$a4") a[4], in("$a5") a[5],
                lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
                lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _, options(nostack));
        }
        result
    }

    #[inline(always)]
    pub(super) unsafe fn clone_call(flags: usize, top: usize, body: Body, argument: *mut c_void) -> usize {
        let result;
        // SAFETY: as above; the new process has the stack given, and does not leave the block.
        unsafe {
            core::arch::asm!("syscall 0", "bnez $a0, 2f", "bne $sp, $a1, 2f", "move $fp, $zero", "move $a0, $s0",
                "jirl $ra, $s1, 0", "break 0", "2:",
                in("$a7") libc::SYS_clone, inlateout("$a0") flags => result, in("$a1") top, in("$a2") 0usize, in("$a3") 0usize,
                in("$a4") 0usize, in("$s0") argument, in("$s1") body,
                lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
                lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _);
        }
        result
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "loongarch64"
)))]
compile_error!(
    "libec_security: for this architecture src/sys/raw.rs lacks the registers of a system call, the layout of the \
     kernel's struct sigaction, and the signal restorer if the kernel needs one"
);

/// The kernel's struct sigaction (not libc's), as rt_sigaction(2) takes it on 64-bit Linux.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelSigaction {
    pub(crate) handler: usize,
    pub(crate) flags: usize,
    // riscv and loongarch have no restorer (no SA_RESTORER in their asm/signal.h)
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) restorer: usize,
    pub(crate) mask: u64,
}

impl KernelSigaction {
    pub(crate) const DEFAULT: KernelSigaction = KernelSigaction {
        handler: libc::SIG_DFL,
        flags: 0,
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        restorer: 0,
        mask: 0,
    };

    /// A handler that runs with all signals blocked.
    pub(crate) fn new(handler: usize, flags: usize) -> KernelSigaction {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        {
            KernelSigaction { handler, flags: flags | arch::SA_RESTORER, restorer: arch::restorer(), mask: u64::MAX }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            KernelSigaction { handler, flags, mask: u64::MAX }
        }
    }
}
