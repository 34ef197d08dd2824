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
    // The last two by registers that clone(2) ignores without CLONE_PARENT_SETTID and CLONE_SETTLS: another thread may have a copy of
    // this stack made for a child of its own.
    let registers = [libc::SYS_clone as usize, flags, top, child_tid as usize, body as usize, argument as usize];
    // SAFETY: as above; the new process has the stack given, and does not leave the block.
    unsafe {
        asm!("push ebx", "push esi", "push ebp",
            "mov ebx, [eax + 4]", "mov ecx, [eax + 8]", "mov edi, [eax + 12]", "mov edx, [eax + 16]", "mov esi, [eax + 20]",
            "mov eax, [eax]",
            "int 0x80",
            "test eax, eax", "jnz 2f", "cmp esp, ecx", "jne 2f", "xor ebp, ebp",
            // A function finds its argument on a stack that was aligned there.
            "sub esp, 12", "push esi", "call edx", "ud2", "2:",
            "pop ebp", "pop esi", "pop ebx",
            inlateout("eax") registers.as_ptr() => result, lateout("ecx") _, lateout("edx") _, lateout("edi") _);
    }
    outcome(result)
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

// The third argument is the struct ucontext: ss_sp at 8, ss_size at 16. 192 is mmap2(2), 91 munmap(2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "mov edx, [esp + 12]\n",
            "mov ecx, esp\n",
            "sub ecx, [edx + 8]\n",
            "cmp ecx, [edx + 16]\n",
            "jae 2f\n",
            "cmp ecx, {needed}\n",
            "jae 2f\n",
            "xor ebx, ebx\n",
            "mov ecx, {spare}\n",
            "mov edx, 3\n",
            "mov esi, 0x22\n",
            "mov edi, -1\n",
            "xor ebp, ebp\n",
            "mov eax, 192\n",
            "int 0x80\n",
            "cmp eax, -4095\n",
            "jae 3f\n",
            "mov esi, esp\n",
            "mov edi, eax\n",
            "lea esp, [eax + {spare} - 16]\n",
            "mov eax, [esi + 4]\n",
            "mov [esp], eax\n",
            "mov eax, [esi + 8]\n",
            "mov [esp + 4], eax\n",
            "mov eax, [esi + 12]\n",
            "mov [esp + 8], eax\n",
            "call {handler}\n",
            "mov esp, esi\n",
            "mov ebx, edi\n",
            "mov ecx, {spare}\n",
            "mov eax, 91\n",
            "int 0x80\n",
            "3:\n",
            "ret\n",
            "2:\n",
            "jmp {handler}\n",
        )
    };
}
pub(crate) use handler_entry_code;
