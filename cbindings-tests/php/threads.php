<?php

declare(strict_types=1);

/** The threads of threads.c: PHP has none of its own, but what it loads may have. */
function threads(): FFI
{
    static $threads = null;
    return $threads ??= FFI::cdef(
        'int threads_start(int n); uint64_t threads_done(int number); int threads_listen(int number, int port);',
        getenv('EC_BUILD') . '/libthreads.so',
    );
}
