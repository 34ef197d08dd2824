// libec_security for .NET: drops the privileges of every thread of this process.
//
//     EcSecurity.Apply("ecuser", "ecuser", "cap_net_bind_service+ep");
//
// A call that is refused throws EcSecurity.Refused, whose message is the full one, and nothing about the process has changed.
// One file for .NET and for Mono. Needs libec_security.so.0 where the loader finds it, or where LD_LIBRARY_PATH says.
using System;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

public static class EcSecurity
{
    /// <summary>Numbers are never given away again; a newer library may have more.</summary>
    public enum Status
    {
        EARGUMENT = 1, ESYNTAX, EOPTION, EUSER, EGROUP, ELOOKUP, ECAPABILITY, EREFUSED, ETHREAD, EPROC, EBUSY, ERESOURCE, EFILE,
        ENOSTANZA, ECHROOT, ENOPROCESS, EINTERNAL,
    }

    /// <summary>A call was refused, and nothing has changed.</summary>
    public sealed class Refused : Exception
    {
        internal Refused(int status) : this(status, ec_security_last_error())
        {
        }

        internal Refused(int status, IntPtr message) : base(Text(message))
        {
            Status = (Status)status;
            Kind = Text(ec_security_strerror(status));
        }

        public Status Status { get; }

        /// <summary>The fixed text of the status.</summary>
        public string Kind { get; }
    }

    /// <summary>Three sets of capabilities; bit n of each is capability number n.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Caps
    {
        public ulong Effective, Permitted, Inheritable;

        /// <summary>Reads a text in the format of cap_from_text(3).</summary>
        public static Caps FromText(string text)
        {
            Caps caps;
            Check(ec_security_caps_from_text(Bytes(text), out caps));
            return caps;
        }

        /// <summary>As cap_to_text(3) has it.</summary>
        public string ToText()
        {
            Caps caps = this;
            return Filled((buffer, length) => ec_security_caps_to_text(ref caps, buffer, length));
        }
    }

    /// <summary>Every option of the Security stanza. One thread at a time may use it.</summary>
    public sealed class Policy : SafeHandleZeroOrMinusOneIsInvalid
    {
        public Policy() : base(true)
        {
            SetHandle(ec_security_policy_new());
            if (IsInvalid)
            {
                throw new Refused((int)Status.ERESOURCE);
            }
        }

        protected override bool ReleaseHandle()
        {
            ec_security_policy_free(handle);
            return true;
        }

        /// <summary>What an option has come to, as Set takes it; also "uid", "gid" and "groups", as numbers.</summary>
        public string Get(string option)
        {
            byte[] name = Bytes(option);
            return Filled((buffer, length) => ec_security_policy_get(this, name, buffer, length), Own);
        }

        // A policy keeps the message of its own last failure.
        private Refused Own(int status)
        {
            return new Refused(status, ec_security_policy_error(this));
        }

        private void CheckOwn(int status)
        {
            if (status != 0)
            {
                throw Own(status);
            }
        }

        /// <summary>Sets one option; null puts it back to its default.</summary>
        public Policy Set(string option, string value)
        {
            CheckOwn(ec_security_policy_set(this, Bytes(option), Bytes(value)));
            return this;
        }

        /// <summary>Sets the options of the Security stanza of a configuration file.</summary>
        public Policy Load(string path)
        {
            CheckOwn(ec_security_policy_load(this, Bytes(path)));
            return this;
        }

        /// <summary>As Load, of a text.</summary>
        public Policy Parse(string text)
        {
            CheckOwn(ec_security_policy_parse(this, Bytes(text)));
            return this;
        }

        /// <summary>Throws what Apply would throw; changes nothing. It is ec_security_policy_check().</summary>
        public void DryRun()
        {
            CheckOwn(ec_security_policy_check(this));
        }

        /// <summary>Every thread of the process ends as asked, or this throws and nothing has changed.</summary>
        public void Apply()
        {
            CheckOwn(ec_security_policy_apply(this));
        }
    }

    /// <summary>Becomes a user and group, by name or decimal id, with just these capabilities left, in every thread of the
    /// process. null leaves an argument out.</summary>
    public static void Apply(string user, string group, string capabilities)
    {
        Check(ec_security_apply(Bytes(user), Bytes(group), Bytes(capabilities)));
    }

    /// <summary>What each thread of a process holds, as text; 0 is this process.</summary>
    public static string ProcessStatus(int pid)
    {
        return Filled((buffer, length) => ec_security_status(pid, buffer, length));
    }

    /// <summary>Runs inside with these permitted capabilities effective in the calling thread. No await in there: what comes
    /// after one may run in another thread.</summary>
    public static T Raised<T>(string capabilities, Func<T> inside)
    {
        Check(ec_security_raise(Bytes(capabilities)));
        try
        {
            return inside();
        }
        finally
        {
            Check(ec_security_lower(Bytes(capabilities)));
        }
    }

    /// <summary>The version of the library that is loaded.</summary>
    public static string Version()
    {
        return Text(ec_security_version());
    }

    // A status and its message are read in one go in the thread of the call: no code of the caller comes between.
    private static void Check(int status)
    {
        if (status != 0)
        {
            throw new Refused(Math.Abs(status));
        }
    }

    // A NUL inside would cut the text short, which may mean something else.
    private static byte[] Bytes(string text)
    {
        if (text == null)
        {
            return null;
        }
        if (text.IndexOf('\0') >= 0)
        {
            throw new ArgumentException("a NUL character inside");
        }
        return Encoding.UTF8.GetBytes(text + "\0");
    }

    private static string Text(IntPtr text)
    {
        int length = 0;
        while (Marshal.ReadByte(text, length) != 0)
        {
            length++;
        }
        byte[] bytes = new byte[length];
        Marshal.Copy(text, bytes, 0, length);
        return Encoding.UTF8.GetString(bytes);
    }

    // What a function like snprintf(3) writes: it is called again with a larger buffer until all of it fits.
    private static string Filled(Func<byte[], UIntPtr, int> fill, Func<int, Refused> refused = null)
    {
        for (int length = 256; ;)
        {
            byte[] buffer = new byte[length];
            int needed = fill(buffer, (UIntPtr)(uint)length);
            if (needed < 0)
            {
                throw refused == null ? new Refused(-needed) : refused(-needed);
            }
            if (needed < length)
            {
                return Encoding.UTF8.GetString(buffer, 0, needed);
            }
            length = needed + 1;
        }
    }

    private const string Library = "libec_security.so.0";

    [DllImport(Library)] private static extern int ec_security_apply(byte[] user, byte[] group, byte[] caps);
    [DllImport(Library)] private static extern IntPtr ec_security_policy_new();
    [DllImport(Library)] private static extern void ec_security_policy_free(IntPtr policy);
    [DllImport(Library)] private static extern int ec_security_policy_set(Policy policy, byte[] option, byte[] value);
    [DllImport(Library)] private static extern int ec_security_policy_load(Policy policy, byte[] path);
    [DllImport(Library)] private static extern int ec_security_policy_parse(Policy policy, byte[] text);
    [DllImport(Library)] private static extern int ec_security_policy_check(Policy policy);
    [DllImport(Library)] private static extern int ec_security_policy_apply(Policy policy);
    [DllImport(Library)]
    private static extern int ec_security_policy_get(Policy policy, byte[] option, byte[] buffer, UIntPtr length);
    [DllImport(Library)] private static extern IntPtr ec_security_policy_error(Policy policy);
    [DllImport(Library)] private static extern int ec_security_caps_from_text(byte[] text, out Caps caps);
    [DllImport(Library)] private static extern int ec_security_caps_to_text(ref Caps caps, byte[] buffer, UIntPtr length);
    [DllImport(Library)] private static extern int ec_security_status(int pid, byte[] buffer, UIntPtr length);
    [DllImport(Library)] private static extern int ec_security_raise(byte[] caps);
    [DllImport(Library)] private static extern int ec_security_lower(byte[] caps);
    [DllImport(Library)] private static extern IntPtr ec_security_strerror(int status);
    [DllImport(Library)] private static extern IntPtr ec_security_last_error();
    [DllImport(Library)] private static extern IntPtr ec_security_version();
}
