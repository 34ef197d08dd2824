/* One pointer a thread. In C, since stable Rust has no thread-local variable without its standard library, which the C library
 * does without. initial-exec, since the lazy kind calls malloc at a thread's first access to a library that was loaded by
 * dlopen(3), and this must be safe in a signal handler. */

void **ec_security_thread_pointer(void);

__attribute__((visibility("hidden"))) void **ec_security_thread_pointer(void)
{
    static __thread __attribute__((tls_model("initial-exec"))) void *pointer;
    return &pointer;
}
