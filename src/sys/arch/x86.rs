//! i386: syscall(2); arch/x86/entry/entry_32.S.

use core::arch::{asm, global_asm};
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    let registers = [number, a[0], a[1], a[2], a[3], a[4], a[5]];
    // SAFETY: number in eax, arguments in ebx ecx edx esi edi ebp, of which the compiler keeps some for itself.
    unsafe {
        asm!("push ebx", "push esi", "push ebp",
            "mov ebx, [eax + 4]", "mov ecx, [eax + 8]", "mov edx, [eax + 12]", "mov esi, [eax + 16]",
            "mov edi, [eax + 20]", "mov ebp, [eax + 24]", "mov eax, [eax]",
            "int 0x80",
            "pop ebp", "pop esi", "pop ebx",
            inlateout("eax") registers.as_ptr() => result, lateout("ecx") _, lateout("edx") _, lateout("edi") _);
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
    // Where a function finds its argument, when its caller's stack was aligned, and what it is.
    let stack = (top - 16) as *mut usize;
    // SAFETY: the caller's promise about the stack.
    unsafe {
        stack.write(argument as usize);
        stack.add(1).write(body as usize);
    }
    let registers = [libc::SYS_clone as usize, flags, stack as usize, child_tid as usize];
    // SAFETY: as above; the new process has the stack given, and does not leave the block.
    unsafe {
        asm!("push ebx", "push esi", "push ebp",
            "mov ebx, [eax + 4]", "mov ecx, [eax + 8]", "xor edx, edx", "xor esi, esi", "mov edi, [eax + 12]",
            "mov eax, [eax]",
            "int 0x80",
            "test eax, eax", "jnz 2f", "cmp esp, ecx", "jne 2f", "xor ebp, ebp", "call [esp + 4]", "ud2", "2:",
            "pop ebp", "pop esi", "pop ebx",
            inlateout("eax") registers.as_ptr() => result, lateout("ecx") _, lateout("edx") _, lateout("edi") _);
    }
    outcome(result)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    let stack = (top - 16) as *mut usize;
    // SAFETY: the caller's promise about the stack; edi is the function's to keep.
    unsafe {
        stack.write(argument as usize);
        asm!("mov edi, esp", "mov esp, ecx", "call eax", "mov esp, edi",
            out("edi") _, in("ecx") stack, in("eax") function, clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, esp", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
}

// Without one the kernel returns by the vDSO, which a boot parameter takes away (vdso32=0). Unwinders and debuggers know a signal
// frame by just these bytes: mov $173,%eax; int $0x80.
global_asm!(
    ".pushsection .text.ec_restore_rt,\"ax\",@progbits",
    ".balign 16",
    "nop",
    ".globl ec_restore_rt",
    ".hidden ec_restore_rt",
    ".type ec_restore_rt,@function",
    "ec_restore_rt:",
    ".byte 0xb8,0xad,0x00,0x00,0x00,0xcd,0x80",
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

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap2);
