'use strict';
/**
 * libec_security for Node.js, through koffi: drops the privileges of every thread of this process, libuv's pool and
 * worker_threads included.
 *
 *     const security = require('./ec_security');
 *     security.apply('ecuser', 'ecuser', 'cap_net_bind_service+ep');
 *
 * A call that is refused throws a SecurityError with the library's full message, and nothing about the process has
 * changed. libec_security.so.0 is what the loader must find; EC_SECURITY_LIB may name another file.
 *
 * Policies have checkAsync() and applyAsync() too, which run in a thread of libuv's pool: a policy keeps the message of its last
 * failure, whatever thread it happened in. One call at a time may use a policy.
 */
const koffi = require('koffi');

/** The EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may have more. */
const Status = Object.freeze({
  EARGUMENT: 1,
  ESYNTAX: 2,
  EOPTION: 3,
  EUSER: 4,
  EGROUP: 5,
  ELOOKUP: 6,
  ECAPABILITY: 7,
  EREFUSED: 8,
  ETHREAD: 9,
  EPROC: 10,
  EBUSY: 11,
  ERESOURCE: 12,
  EFILE: 13,
  ENOSTANZA: 14,
  ECHROOT: 15,
  ENOPROCESS: 16,
  EINTERNAL: 17,
});
const NAMES = new Map(Object.entries(Status).map(([name, number]) => [number, name]));

const library = koffi.load(process.env.EC_SECURITY_LIB || 'libec_security.so.0');
// Types have a name each in a process, and every worker thread loads this module: hence types without a name.
const CapsStruct = koffi.struct({ effective: 'uint64_t', permitted: 'uint64_t', inheritable: 'uint64_t' });
const CapsIn = koffi.pointer(CapsStruct);
const CapsOut = koffi.out(koffi.pointer(CapsStruct));

const c = {
  apply: library.func('ec_security_apply', 'int', ['str', 'str', 'str']),
  policy_new: library.func('ec_security_policy_new', 'void *', []),
  policy_free: library.func('ec_security_policy_free', 'void', ['void *']),
  policy_set: library.func('ec_security_policy_set', 'int', ['void *', 'str', 'str']),
  policy_load: library.func('ec_security_policy_load', 'int', ['void *', 'str']),
  policy_parse: library.func('ec_security_policy_parse', 'int', ['void *', 'str']),
  policy_check: library.func('ec_security_policy_check', 'int', ['void *']),
  policy_apply: library.func('ec_security_policy_apply', 'int', ['void *']),
  policy_get: library.func('ec_security_policy_get', 'int', ['void *', 'str', 'void *', 'size_t']),
  policy_error: library.func('ec_security_policy_error', 'str', ['void *']),
  caps_from_text: library.func('ec_security_caps_from_text', 'int', ['str', CapsOut]),
  caps_to_text: library.func('ec_security_caps_to_text', 'int', [CapsIn, 'void *', 'size_t']),
  status: library.func('ec_security_status', 'int', ['int', 'void *', 'size_t']),
  raise: library.func('ec_security_raise', 'int', ['str']),
  lower: library.func('ec_security_lower', 'int', ['str']),
  strerror: library.func('ec_security_strerror', 'str', ['int']),
  last_error: library.func('ec_security_last_error', 'str', []),
  version: library.func('ec_security_version', 'str', []),
};

/** A call was refused, and nothing has changed. `status` is the number, `code` its name, `kind` its fixed text. */
class SecurityError extends Error {
  constructor(status, message = c.last_error()) {
    super(message);
    this.name = 'SecurityError';
    this.status = status;
    this.code = NAMES.get(status) ?? String(status);
    this.kind = c.strerror(status);
  }
}

function check(status) {
  if (status !== 0) {
    throw new SecurityError(Math.abs(status));
  }
}

/** Nothing given stays NULL; numbers become decimal ids. A NUL inside would cut the text short, which may mean another. */
function text(value) {
  if (value === undefined || value === null) {
    return null;
  }
  if (Number.isSafeInteger(value)) {
    return String(value);
  }
  if (typeof value !== 'string') {
    throw new TypeError(`a string, a whole number or null was expected, not ${typeof value}`);
  }
  if (value.includes('\0')) {
    throw new TypeError('a NUL byte inside');
  }
  return value;
}

/** What a function like snprintf writes: it is asked again with a larger buffer until all of it fits. */
function written(fill, failed = (status) => new SecurityError(status)) {
  for (let size = 256; ; ) {
    const buffer = Buffer.alloc(size);
    const needed = fill(buffer, size);
    if (needed < 0) {
      throw failed(-needed);
    }
    if (needed < size) {
      return buffer.toString('utf8', 0, needed);
    }
    size = needed + 1;
  }
}

/** Becomes a user and group, by name or number, with just these capabilities left, in every thread of the process. */
function apply(user, group, capabilities) {
  check(c.apply(text(user), text(group), text(capabilities)));
}

const forgotten = new FinalizationRegistry((policy) => c.policy_free(policy));

/** Every option of the Security stanza: new Policy({ user: 'ecuser', bounding: 'keep' }).apply(). */
class Policy {
  #policy;

  constructor(options = {}) {
    this.#policy = c.policy_new();
    if (!this.#policy) {
      throw new SecurityError(Status.ERESOURCE);
    }
    forgotten.register(this, this.#policy);
    for (const [option, value] of Object.entries(options)) {
      this.set(option, value);
    }
  }

  #error(status) {
    return new SecurityError(status, c.policy_error(this.#policy));
  }

  #check(status) {
    if (status !== 0) {
      throw this.#error(status);
    }
  }

  #async(call) {
    return new Promise((resolve, reject) => {
      call.async(this.#policy, (failure, status) => {
        if (failure || status !== 0) {
          reject(failure || this.#error(status));
        } else {
          resolve();
        }
      });
    });
  }

  /** What an option has come to, as set() takes it; also 'uid', 'gid' and 'groups', as numbers. */
  get(option) {
    const name = text(option);
    return written((buffer, size) => c.policy_get(this.#policy, name, buffer, size), (status) => this.#error(status));
  }

  /** Sets one option; null sets it to its default. */
  set(option, value) {
    this.#check(c.policy_set(this.#policy, text(option), text(value)));
  }

  /** Sets the options of the Security stanza of a configuration file. */
  load(path) {
    this.#check(c.policy_load(this.#policy, text(path)));
  }

  /** As load(), of a text. */
  parse(configuration) {
    this.#check(c.policy_parse(this.#policy, text(configuration)));
  }

  /** Throws what apply() would throw; changes nothing. */
  check() {
    this.#check(c.policy_check(this.#policy));
  }

  /** As check(); the event loop goes on meanwhile. */
  checkAsync() {
    return this.#async(c.policy_check);
  }

  /** As apply(), from a thread of libuv's pool. */
  applyAsync() {
    return this.#async(c.policy_apply);
  }

  /** Every thread of the process ends as asked, or this throws and nothing has changed. */
  apply() {
    this.#check(c.policy_apply(this.#policy));
  }
}

/** The sets that a text in the format of cap_from_text(3) describes: { effective, permitted, inheritable }, as BigInt. */
function capsFromText(capabilities) {
  const caps = {};
  check(c.caps_from_text(text(capabilities), caps));
  return {
    effective: BigInt(caps.effective),
    permitted: BigInt(caps.permitted),
    inheritable: BigInt(caps.inheritable),
  };
}

/** The text of three sets, as cap_to_text(3) has it. */
function capsToText(caps) {
  return written((buffer, size) => c.caps_to_text(caps, buffer, size));
}

/** What each thread of a process holds, as text; 0 is this process. */
function status(pid = 0) {
  return written((buffer, size) => c.status(pid, buffer, size));
}

/** Makes permitted capabilities effective in the calling thread. */
function raise(capabilities) {
  check(c.raise(text(capabilities)));
}

/** Takes capabilities out of the calling thread's effective set; they stay permitted. */
function lower(capabilities) {
  check(c.lower(text(capabilities)));
}

/** Calls body() with capabilities effective in this thread. Not for asynchronous work, which goes on in other threads. */
function raised(capabilities, body) {
  raise(capabilities);
  try {
    return body();
  } finally {
    lower(capabilities);
  }
}

/** The version of the library that is loaded. */
function version() {
  return c.version();
}

module.exports = {
  Policy, SecurityError, Status, apply, capsFromText, capsToText, lower, raise, raised, status, version,
};
