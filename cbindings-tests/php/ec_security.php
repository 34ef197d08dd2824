<?php

declare(strict_types=1);

/**
 * libec_security for PHP, through the FFI extension: drops the privileges of every thread of this process.
 *
 *     require 'ec_security.php';
 *     EcSecurity\apply('ecuser', 'ecuser', 'cap_net_bind_service+ep');
 *
 * A call that is refused throws EcSecurity\SecurityException with the library's full message, and nothing about the process
 * has changed. For the command line, where a server of PHP runs: elsewhere ffi.enable is off. Needs libec_security.so.0,
 * which the loader must find; EC_SECURITY_LIB may name another file.
 */

namespace EcSecurity;

use FFI;

/** The EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may have more. */
enum Status: int
{
    case EARGUMENT = 1;
    case ESYNTAX = 2;
    case EOPTION = 3;
    case EUSER = 4;
    case EGROUP = 5;
    case ELOOKUP = 6;
    case ECAPABILITY = 7;
    case EREFUSED = 8;
    case ETHREAD = 9;
    case EPROC = 10;
    case EBUSY = 11;
    case ERESOURCE = 12;
    case EFILE = 13;
    case ENOSTANZA = 14;
    case ECHROOT = 15;
    case ENOPROCESS = 16;
    case EINTERNAL = 17;
}

/** A call was refused, and nothing has changed. getCode() is the number, $status its case (null if it is newer than this). */
final class SecurityException extends \RuntimeException
{
    public readonly ?Status $status;
    public readonly string $kind;

    /** A policy has a message of its own. */
    public function __construct(int $number, ?FFI\CData $policy = null)
    {
        $c = Library::c();
        parent::__construct($policy ? $c->ec_security_policy_error($policy) : $c->ec_security_last_error(), $number);
        $this->status = Status::tryFrom($number);
        $this->kind = Library::c()->ec_security_strerror($number);
    }
}

/** What the functions below share.
 * @internal */
final class Library
{
    private static ?FFI $c = null;

    public static function c(): FFI
    {
        return self::$c ??= FFI::cdef(<<<'C'
            typedef struct ec_security_policy ec_security_policy;
            typedef struct ec_security_caps { uint64_t effective, permitted, inheritable; } ec_security_caps;
            int ec_security_apply(const char *user, const char *group, const char *caps_text);
            ec_security_policy *ec_security_policy_new(void);
            void ec_security_policy_free(ec_security_policy *policy);
            int ec_security_policy_set(ec_security_policy *policy, const char *option, const char *value);
            int ec_security_policy_load(ec_security_policy *policy, const char *path);
            int ec_security_policy_parse(ec_security_policy *policy, const char *text);
            int ec_security_policy_check(ec_security_policy *policy);
            int ec_security_policy_apply(ec_security_policy *policy);
            int ec_security_policy_get(ec_security_policy *policy, const char *option, char *buf, size_t len);
            const char *ec_security_policy_error(const ec_security_policy *policy);
            int ec_security_caps_from_text(const char *text, ec_security_caps *out);
            int ec_security_caps_to_text(const ec_security_caps *caps, char *buf, size_t len);
            int ec_security_status(int pid, char *buf, size_t len);
            int ec_security_raise(const char *caps_text);
            int ec_security_lower(const char *caps_text);
            const char *ec_security_strerror(int status);
            const char *ec_security_last_error(void);
            const char *ec_security_version(void);
            C, getenv('EC_SECURITY_LIB') ?: 'libec_security.so.0');
    }

    public static function check(int $status, ?FFI\CData $policy = null): void
    {
        if ($status !== 0) {
            throw new SecurityException(abs($status), $policy);
        }
    }

    /** Numbers become decimal ids. A NUL inside would cut the text short, which may mean something else. */
    public static function text(string|int|null $value): ?string
    {
        if ($value === null) {
            return null;
        }
        $value = (string) $value;
        if (str_contains($value, "\0")) {
            throw new \ValueError('a NUL byte inside');
        }
        return $value;
    }

    /** What a function like snprintf writes: it is asked again with a larger buffer until all of it fits. */
    public static function written(callable $fill, ?FFI\CData $policy = null): string
    {
        for ($size = 256; ; $size = $needed + 1) {
            $buffer = self::c()->new("char[$size]");
            $needed = $fill($buffer, $size);
            if ($needed < 0) {
                throw new SecurityException(-$needed, $policy);
            }
            if ($needed < $size) {
                return FFI::string($buffer, $needed);
            }
        }
    }
}

/** The three sets a capability text describes; bit n of each is capability number n (bit 63 makes the number negative). */
final class Caps
{
    public function __construct(
        public readonly int $effective,
        public readonly int $permitted,
        public readonly int $inheritable,
    ) {
    }

    /** In the format of cap_from_text(3). */
    public static function fromText(string $capabilities): self
    {
        $caps = Library::c()->new('ec_security_caps');
        Library::check(Library::c()->ec_security_caps_from_text(Library::text($capabilities), FFI::addr($caps)));
        return new self($caps->effective, $caps->permitted, $caps->inheritable);
    }

    /** As cap_to_text(3) has it. */
    public function toText(): string
    {
        $caps = Library::c()->new('ec_security_caps');
        $caps->effective = $this->effective;
        $caps->permitted = $this->permitted;
        $caps->inheritable = $this->inheritable;
        return Library::written(
            fn ($buffer, $size) => Library::c()->ec_security_caps_to_text(FFI::addr($caps), $buffer, $size)
        );
    }
}

/** Every option of the Security stanza: (new Policy(user: 'ecuser', bounding: 'keep'))->apply(). */
final class Policy
{
    private ?FFI\CData $policy;

    public function __construct(string|int|null ...$options)
    {
        $this->policy = Library::c()->ec_security_policy_new();
        if ($this->policy === null) {
            throw new SecurityException(Status::ERESOURCE->value);
        }
        foreach ($options as $option => $value) {
            $this->set($option, $value);
        }
    }

    public function __destruct()
    {
        Library::c()->ec_security_policy_free($this->policy);
        $this->policy = null;
    }

    private function __clone()
    {
        // Two objects would release one policy.
    }

    /** What an option has come to, as set() takes it; also "uid", "gid" and "groups", as numbers. */
    public function get(string $option): string
    {
        $name = Library::text($option);
        return Library::written(
            fn ($buffer, $size) => Library::c()->ec_security_policy_get($this->policy, $name, $buffer, $size),
            $this->policy
        );
    }

    /** Sets one option; null sets it to its default. */
    public function set(string $option, string|int|null $value): void
    {
        Library::check(Library::c()->ec_security_policy_set($this->policy, Library::text($option), Library::text($value)), $this->policy);
    }

    /** Sets the options of the Security stanza of a configuration file. */
    public function load(string $path): void
    {
        Library::check(Library::c()->ec_security_policy_load($this->policy, Library::text($path)), $this->policy);
    }

    /** As load(), of a text. */
    public function parse(string $configuration): void
    {
        Library::check(Library::c()->ec_security_policy_parse($this->policy, Library::text($configuration)), $this->policy);
    }

    /** Throws what apply() would throw; changes nothing. */
    public function check(): void
    {
        Library::check(Library::c()->ec_security_policy_check($this->policy), $this->policy);
    }

    /** Every thread of the process ends as asked, or this throws and nothing has changed. */
    public function apply(): void
    {
        Library::check(Library::c()->ec_security_policy_apply($this->policy), $this->policy);
    }
}

/** Becomes a user and group, by name or number, with just these capabilities left, in every thread of the process. */
function apply(string|int|null $user = null, string|int|null $group = null, ?string $capabilities = null): void
{
    Library::check(
        Library::c()->ec_security_apply(Library::text($user), Library::text($group), Library::text($capabilities))
    );
}

/** What each thread of a process holds, as text; 0 is this process. */
function status(int $pid = 0): string
{
    return Library::written(fn ($buffer, $size) => Library::c()->ec_security_status($pid, $buffer, $size));
}

/** Makes permitted capabilities effective in the calling thread. */
function raise(string $capabilities): void
{
    Library::check(Library::c()->ec_security_raise(Library::text($capabilities)));
}

/** Takes capabilities out of the calling thread's effective set; they stay permitted. */
function lower(string $capabilities): void
{
    Library::check(Library::c()->ec_security_lower(Library::text($capabilities)));
}

/** Calls $body() with capabilities effective in this thread, and lowers them however it ends. */
function raised(string $capabilities, callable $body): mixed
{
    raise($capabilities);
    try {
        return $body();
    } finally {
        lower($capabilities);
    }
}

/** The version of the library that is loaded. */
function version(): string
{
    return Library::c()->ec_security_version();
}
