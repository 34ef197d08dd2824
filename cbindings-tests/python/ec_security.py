"""libec_security for Python, through ctypes: drops the privileges of every thread of this process.

    import ec_security
    ec_security.apply("ecuser", "ecuser", "cap_net_bind_service+ep")

A call that is refused raises ec_security.Error with the library's full message, and nothing about the process has
changed. Needs nothing but the standard library and libec_security.so.0, which the loader must find; EC_SECURITY_LIB
may name another file.
"""

import contextlib
import ctypes
import enum
import os
from typing import NamedTuple

__all__ = [
    "Caps", "Error", "Policy", "Status",
    "apply", "caps_from_text", "caps_to_text", "lower", "raise_", "raised", "status", "version",
]

_policy_p = ctypes.c_void_p


class Status(enum.IntEnum):
    """The EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may have more."""

    EARGUMENT = 1
    ESYNTAX = 2
    EOPTION = 3
    EUSER = 4
    EGROUP = 5
    ELOOKUP = 6
    ECAPABILITY = 7
    EREFUSED = 8
    ETHREAD = 9
    EPROC = 10
    EBUSY = 11
    ERESOURCE = 12
    EFILE = 13
    ENOSTANZA = 14
    ECHROOT = 15
    ENOPROCESS = 16
    EINTERNAL = 17


class Caps(NamedTuple):
    """The three sets a capability text describes; bit n of each is capability number n."""

    effective: int
    permitted: int
    inheritable: int


class _Caps(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in Caps._fields]


def _declared():
    library = ctypes.CDLL(os.environ.get("EC_SECURITY_LIB", "libec_security.so.0"))
    text = ctypes.c_char_p
    for name, result, *arguments in [
        ("apply", ctypes.c_int, text, text, text),
        ("policy_new", _policy_p),
        ("policy_free", None, _policy_p),
        ("policy_set", ctypes.c_int, _policy_p, text, text),
        ("policy_load", ctypes.c_int, _policy_p, text),
        ("policy_parse", ctypes.c_int, _policy_p, text),
        ("policy_check", ctypes.c_int, _policy_p),
        ("policy_apply", ctypes.c_int, _policy_p),
        ("policy_get", ctypes.c_int, _policy_p, text, text, ctypes.c_size_t),
        ("policy_error", text, _policy_p),
        ("caps_from_text", ctypes.c_int, text, ctypes.POINTER(_Caps)),
        ("caps_to_text", ctypes.c_int, ctypes.POINTER(_Caps), text, ctypes.c_size_t),
        ("status", ctypes.c_int, ctypes.c_int, text, ctypes.c_size_t),
        ("raise", ctypes.c_int, text),
        ("lower", ctypes.c_int, text),
        ("strerror", text, ctypes.c_int),
        ("last_error", text),
        ("version", text),
    ]:
        function = getattr(library, "ec_security_" + name)
        function.restype = result
        function.argtypes = arguments
    return library


_library = _declared()


class Error(Exception):
    """A call was refused, and nothing has changed. `status` is a Status (or a newer number), `kind` its fixed text."""

    def __init__(self, status, message=None):
        super().__init__(os.fsdecode(_library.ec_security_last_error() if message is None else message))
        self.status = Status(status) if status in Status._value2member_map_ else status
        self.kind = _library.ec_security_strerror(status).decode()


def _check(status):
    if status != 0:
        raise Error(abs(status))


def _bytes(value):
    """None stays None; numbers become decimal ids. A NUL inside would cut the text short, which may mean something else."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    value = os.fsencode(value)
    if b"\0" in value:
        raise ValueError("a NUL byte inside")
    return value


def _text(fill, failed=Error):
    """What a function like snprintf writes: it is asked again with a larger buffer until all of it fits."""
    size = 256
    while True:
        buffer = ctypes.create_string_buffer(size)
        needed = fill(buffer, size)
        if needed < 0:
            raise failed(-needed)
        if needed < size:
            return os.fsdecode(buffer.value)
        size = needed + 1


def apply(user=None, group=None, capabilities=None):
    """Becomes a user and group, by name or number, with just these capabilities left, in every thread of the process."""
    _check(_library.ec_security_apply(_bytes(user), _bytes(group), _bytes(capabilities)))


class Policy:
    """Every option of the Security stanza: Policy(user="ecuser", bounding="keep").apply()."""

    def __init__(self, **options):
        self._policy = _library.ec_security_policy_new()
        if not self._policy:
            raise Error(Status.ERESOURCE)
        for option, value in options.items():
            self.set(option, value)

    def __del__(self):
        if getattr(self, "_policy", None):
            _library.ec_security_policy_free(self._policy)
            self._policy = None

    def _error(self, status):
        # The policy's own message: another thread may have failed meanwhile, and a task may have moved to another thread.
        return Error(status, _library.ec_security_policy_error(self._policy))

    def _check(self, status):
        if status != 0:
            raise self._error(status)

    def get(self, option):
        """What an option has come to, as set() takes it; also "uid", "gid" and "groups", as numbers."""
        option = _bytes(option)
        return _text(lambda buffer, size: _library.ec_security_policy_get(self._policy, option, buffer, size), self._error)

    def set(self, option, value):
        """Sets one option; None sets it to its default."""
        self._check(_library.ec_security_policy_set(self._policy, _bytes(option), _bytes(value)))

    def load(self, path):
        """Sets the options of the Security stanza of a configuration file."""
        self._check(_library.ec_security_policy_load(self._policy, _bytes(path)))

    def parse(self, text):
        """As load(), of a text."""
        self._check(_library.ec_security_policy_parse(self._policy, _bytes(text)))

    def check(self):
        """Raises what apply() would raise; changes nothing."""
        self._check(_library.ec_security_policy_check(self._policy))

    def apply(self):
        """Every thread of the process ends as asked, or this raises and nothing has changed."""
        self._check(_library.ec_security_policy_apply(self._policy))


def caps_from_text(text):
    """The sets that a text in the format of cap_from_text(3) describes."""
    caps = _Caps()
    _check(_library.ec_security_caps_from_text(_bytes(text), ctypes.byref(caps)))
    return Caps(caps.effective, caps.permitted, caps.inheritable)


def caps_to_text(caps):
    """The text of three sets, as cap_to_text(3) has it."""
    given = _Caps(*caps)
    return _text(lambda buffer, size: _library.ec_security_caps_to_text(ctypes.byref(given), buffer, size))


def status(pid=0):
    """What each thread of a process holds, as text; 0 is this process."""
    return _text(lambda buffer, size: _library.ec_security_status(pid, buffer, size))


def raise_(capabilities):
    """Makes permitted capabilities effective in the calling thread."""
    _check(_library.ec_security_raise(_bytes(capabilities)))


def lower(capabilities):
    """Takes capabilities out of the calling thread's effective set; they stay permitted."""
    _check(_library.ec_security_lower(_bytes(capabilities)))


@contextlib.contextmanager
def raised(capabilities):
    """with raised("cap_net_bind_service+e"): effective in this thread meanwhile."""
    raise_(capabilities)
    try:
        yield
    finally:
        lower(capabilities)


def version():
    """The version of the library that is loaded."""
    return _library.ec_security_version().decode()
