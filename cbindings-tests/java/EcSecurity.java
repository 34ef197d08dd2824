import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLong;
import com.sun.jna.Pointer;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.Supplier;

/**
 * libec_security for Java, through JNA: drops the privileges of every thread of this process, the virtual machine's own
 * included.
 *
 * <pre>EcSecurity.apply("ecuser", "ecuser", "cap_net_bind_service+ep");</pre>
 *
 * A call that is refused throws a {@link Refused} with the library's full message, and nothing about the process has
 * changed. libec_security.so.0 is what the loader must find; the environment variable EC_SECURITY_LIB may name another file.
 *
 * A {@link Policy} has a message of its own. The message of any other failure belongs to the thread of the operating system it
 * happened in: call from a platform thread, since a virtual one may change its own between two calls.
 */
public final class EcSecurity {
    /** The EC_SECURITY_E… of ec_security.h. Numbers are never given away again; a newer library may have more. */
    public enum Status {
        EARGUMENT(1),
        ESYNTAX(2),
        EOPTION(3),
        EUSER(4),
        EGROUP(5),
        ELOOKUP(6),
        ECAPABILITY(7),
        EREFUSED(8),
        ETHREAD(9),
        EPROC(10),
        EBUSY(11),
        ERESOURCE(12),
        EFILE(13),
        ENOSTANZA(14),
        ECHROOT(15),
        ENOPROCESS(16),
        EINTERNAL(17);

        public final int number;

        Status(int number) {
            this.number = number;
        }

        private static Status of(int number) {
            for (Status status : values()) {
                if (status.number == number) {
                    return status;
                }
            }
            return null;
        }
    }

    /** A call was refused, and nothing has changed. */
    public static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        public final int number;
        /** Null if the number is newer than this file. */
        public final Status status;
        /** The fixed text of the status. */
        public final String kind;

        private Refused(int number) {
            this(number, C.ec_security_last_error());
        }

        private Refused(int number, String message) {
            super(message);
            this.number = number;
            status = Status.of(number);
            kind = C.ec_security_strerror(number);
        }
    }

    private interface Functions extends Library {
        int ec_security_apply(String user, String group, String capsText);

        Pointer ec_security_policy_new();

        void ec_security_policy_free(Pointer policy);

        int ec_security_policy_set(Pointer policy, String option, String value);

        int ec_security_policy_load(Pointer policy, String path);

        int ec_security_policy_parse(Pointer policy, String text);

        int ec_security_policy_check(Pointer policy);

        int ec_security_policy_apply(Pointer policy);

        int ec_security_policy_get(Pointer policy, String option, Pointer buf, NativeLong len);

        String ec_security_policy_error(Pointer policy);

        int ec_security_caps_from_text(String text, Pointer out);

        int ec_security_caps_to_text(Pointer caps, Pointer buf, NativeLong len);

        int ec_security_status(int pid, Pointer buf, NativeLong len);

        int ec_security_raise(String capsText);

        int ec_security_lower(String capsText);

        String ec_security_strerror(int status);

        String ec_security_last_error();

        String ec_security_version();
    }

    private static final String ENCODING = "UTF-8";
    private static final Functions C =
            Native.load(
                    System.getenv().getOrDefault("EC_SECURITY_LIB", "libec_security.so.0"),
                    Functions.class,
                    Map.of(Library.OPTION_STRING_ENCODING, ENCODING));
    private static final Cleaner CLEANER = Cleaner.create();

    static {
        // Loaded now: once privileges are dropped, the new user may not be allowed to read the class.
        new Refused(0);
    }

    private EcSecurity() {}

    private static void check(int status) {
        if (status != 0) {
            throw new Refused(Math.abs(status));
        }
    }

    /** Null stays NULL. A NUL inside would cut the text short, which may mean something else. */
    private static String text(String value) {
        if (value != null && value.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("a NUL byte inside");
        }
        return value;
    }

    private interface Filling {
        int fill(Pointer buffer, NativeLong size);
    }

    /** What a function like snprintf writes: it is asked again with a larger buffer until all of it fits. */
    private static String written(Filling filling) {
        return written(filling, Refused::new);
    }

    private static String written(Filling filling, IntFunction<Refused> refusal) {
        for (int size = 256; ; ) {
            Memory buffer = new Memory(size);
            int needed = filling.fill(buffer, new NativeLong(size, true));
            if (needed < 0) {
                throw refusal.apply(-needed);
            }
            if (needed < size) {
                return buffer.getString(0, ENCODING);
            }
            size = needed + 1;
        }
    }

    /**
     * Becomes a user and group, by name or decimal id, with just these capabilities left, in every thread of the process.
     * What is not given is null.
     */
    public static void apply(String user, String group, String capabilities) {
        check(C.ec_security_apply(text(user), text(group), text(capabilities)));
    }

    /** Every option of the Security stanza: new Policy().set("user", "ecuser").set("bounding", "keep").apply(). */
    public static final class Policy {
        private final Pointer policy;

        public Policy() {
            Pointer made = C.ec_security_policy_new();
            if (made == null) {
                throw new Refused(Status.ERESOURCE.number);
            }
            policy = made;
            CLEANER.register(this, () -> C.ec_security_policy_free(made));
        }

        private Policy checked(int status) {
            if (status != 0) {
                throw refused(status);
            }
            // Not to be released while the library still has it in hand.
            Reference.reachabilityFence(this);
            return this;
        }

        private Refused refused(int status) {
            try {
                return new Refused(status, C.ec_security_policy_error(policy));
            } finally {
                Reference.reachabilityFence(this);
            }
        }

        /** What an option has come to, as set() takes it; also "uid", "gid" and "groups", as numbers. */
        public String get(String option) {
            String name = text(option);
            return written((buffer, size) -> C.ec_security_policy_get(policy, name, buffer, size), this::refused);
        }

        /** Sets one option; null sets it to its default. */
        public Policy set(String option, String value) {
            return checked(C.ec_security_policy_set(policy, text(option), text(value)));
        }

        /** Sets the options of the Security stanza of a configuration file. */
        public Policy load(String path) {
            return checked(C.ec_security_policy_load(policy, text(path)));
        }

        /** As load(), of a text. */
        public Policy parse(String configuration) {
            return checked(C.ec_security_policy_parse(policy, text(configuration)));
        }

        /** Throws what apply() would throw; changes nothing. */
        public Policy check() {
            return checked(C.ec_security_policy_check(policy));
        }

        /** Every thread of the process ends as asked, or this throws and nothing has changed. */
        public Policy apply() {
            return checked(C.ec_security_policy_apply(policy));
        }
    }

    /** The three sets a capability text describes; bit n of each is capability number n. */
    public static final class Caps {
        public final long effective;
        public final long permitted;
        public final long inheritable;

        public Caps(long effective, long permitted, long inheritable) {
            this.effective = effective;
            this.permitted = permitted;
            this.inheritable = inheritable;
        }

        /** In the format of cap_from_text(3). */
        public static Caps fromText(String capabilities) {
            Memory caps = new Memory(24);
            EcSecurity.check(C.ec_security_caps_from_text(text(capabilities), caps));
            return new Caps(caps.getLong(0), caps.getLong(8), caps.getLong(16));
        }

        /** As cap_to_text(3) has it. */
        public String toText() {
            Memory caps = new Memory(24);
            caps.write(0, new long[] {effective, permitted, inheritable}, 0, 3);
            return written((buffer, size) -> C.ec_security_caps_to_text(caps, buffer, size));
        }
    }

    /** What each thread of a process holds, as text; 0 is this process. */
    public static String status(int pid) {
        return written((buffer, size) -> C.ec_security_status(pid, buffer, size));
    }

    /** Makes permitted capabilities effective in the calling thread. */
    public static void raise(String capabilities) {
        check(C.ec_security_raise(text(capabilities)));
    }

    /** Takes capabilities out of the calling thread's effective set; they stay permitted. */
    public static void lower(String capabilities) {
        check(C.ec_security_lower(text(capabilities)));
    }

    /** Calls body with capabilities effective in this thread, and lowers them however it ends. */
    public static <T> T raised(String capabilities, Supplier<T> body) {
        raise(capabilities);
        try {
            return body.get();
        } finally {
            lower(capabilities);
        }
    }

    /** The version of the library that is loaded. */
    public static String version() {
        return C.ec_security_version();
    }
}
