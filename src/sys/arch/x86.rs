//! i386: syscall(2); arch/x86/entry/entry_32.S.

use super::layout::{Restorer, calls, handler_code, outcome, restorer_code};

calls! {
    /// Number in eax, arguments in ebx ecx edx esi edi ebp, of which the compiler keeps some for itself.
    syscall6(number, a) -> result {
        let registers = [number, a[0], a[1], a[2], a[3], a[4], a[5]];
        asm!("push ebx", "push esi", "push ebp",
            "mov ebx, [eax + 4]", "mov ecx, [eax + 8]", "mov edx, [eax + 12]", "mov esi, [eax + 16]",
            "mov edi, [eax + 20]", "mov ebp, [eax + 24]", "mov eax, [eax]",
            "int 0x80",
            "pop ebp", "pop esi", "pop ebx",
            inlateout("eax") registers.as_ptr() => result, lateout("ecx") _, lateout("edx") _, lateout("edi") _);
    }

    /// clone(flags, stack, parent_tid, tls, child_tid)
    clone_call(flags, top, body, argument, child_tid) -> result {
        // The last two by registers that clone(2) ignores without CLONE_PARENT_SETTID and CLONE_SETTLS: another thread may have a copy of
        // this stack made for a child of its own.
        let registers = [libc::SYS_clone as usize, flags, top, child_tid as usize, body as usize, argument as usize];
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
}

// Without one the kernel returns by the vDSO, which a boot parameter takes away (vdso32=0). Unwinders and debuggers know a signal
// frame by just these bytes: mov $173,%eax; int $0x80.
restorer_code!("0xb8,0xad,0x00,0x00,0x00,0xcd,0x80");

pub(super) const RESTORER: Restorer = Restorer::Code(ec_restore_rt);

// The third argument is the struct ucontext: ss_sp at 8, ss_size at 16. 192 is mmap2(2), 91 munmap(2).
handler_code! {
    "mov edx, [esp + 12]",
    "mov ecx, esp",
    "sub ecx, [edx + 8]",
    "cmp ecx, [edx + 16]",
    "jae 2f",
    "cmp ecx, {needed}",
    "jae 2f",
    "xor ebx, ebx",
    "mov ecx, {spare}",
    "mov edx, 3",
    "mov esi, 0x22",
    "mov edi, -1",
    "xor ebp, ebp",
    "mov eax, 192",
    "int 0x80",
    "cmp eax, -4095",
    "jae 3f",
    "mov esi, esp",
    "mov edi, eax",
    "lea esp, [eax + {spare} - 16]",
    "mov eax, [esi + 4]",
    "mov [esp], eax",
    "mov eax, [esi + 8]",
    "mov [esp + 4], eax",
    "mov eax, [esi + 12]",
    "mov [esp + 8], eax",
    "call {handler}",
    "mov esp, esi",
    "mov ebx, edi",
    "mov ecx, {spare}",
    "mov eax, 91",
    "int 0x80",
    "3:",
    "ret",
    "2:",
    "jmp {handler}",
}
