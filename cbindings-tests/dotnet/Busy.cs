// A server of .NET whose workers never rest; tests/runtimes says what it answers to.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

public static class Busy
{
    private const int Workers = 5;
    private static readonly long[] Done = new long[Workers];
    private static readonly ConcurrentQueue<Action>[] Jobs = Enumerable.Range(0, Workers).Select(_ => new ConcurrentQueue<Action>()).ToArray();
    private static readonly List<TcpListener> Listeners = new List<TcpListener>();
    private static volatile bool over;

    [DllImport("libc", SetLastError = true)] private static extern int setuid(uint uid);

    // Two compute, one waits in system calls, one keeps the collector busy, and one the threads of the pool.
    private static void Work(int number)
    {
        uint sum = 1;
        while (!over)
        {
            switch (number)
            {
                case 2:
                    File.ReadAllBytes("/proc/self/stat");
                    Thread.Sleep(1);
                    break;
                case 3:
                    GC.KeepAlive(new byte[1 << 20]);
                    GC.Collect();
                    break;
                case 4:
                    Task.WaitAll(Task.Run(() => Thread.Sleep(1)), Task.Run(() => Thread.Sleep(2)));
                    break;
                default:
                    for (int n = 0; n < 1 << 16; n++)
                    {
                        sum = sum * 16777619 ^ (uint)n;
                    }
                    break;
            }
            Interlocked.Increment(ref Done[number]);
            Action job;
            if (Jobs[number].TryDequeue(out job))
            {
                job();
            }
        }
    }

    private static Task<T> InWorker<T>(int number, Func<T> job)
    {
        TaskCompletionSource<T> answer = new TaskCompletionSource<T>();
        Jobs[number].Enqueue(() => answer.SetResult(job()));
        return answer.Task;
    }

    private static string Bind(int port)
    {
        try
        {
            TcpListener listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            lock (Listeners)
            {
                Listeners.Add(listener);
            }
            return "ok";
        }
        catch (SocketException error)
        {
            return "failed\t" + error.Message;
        }
    }

    private static int WrongMessages(string name)
    {
        int wrong = 0;
        for (int n = 0; n < 100; n++)
        {
            try
            {
                EcSecurity.Apply(name, null, null);
                wrong++;
            }
            catch (EcSecurity.Refused error)
            {
                wrong += error.Message.Contains(name) ? 0 : 1;
            }
        }
        return wrong;
    }

    private static string Race()
    {
        Task<int>[] both = { InWorker(0, () => WrongMessages("no-such-0-")), InWorker(1, () => WrongMessages("no-such-1-")) };
        return "race\t200\t" + both.Sum(one => one.Result);
    }

    private static string Inside()
    {
        Console.WriteLine("inside");
        Console.In.ReadLine();
        return "ok";
    }

    private static string Answer(string[] words)
    {
        string[] given = words.Select(word => word == "-" ? null : word).ToArray();
        switch (words[0])
        {
            case "work":
                return "work\t" + string.Join("\t", Enumerable.Range(0, Workers).Select(n => Interlocked.Read(ref Done[n])));
            case "apply":
                EcSecurity.Apply(given[1], given[2], given[3]);
                return "ok";
            case "policy":
                // Not disposed: the collector has to release it.
                EcSecurity.Policy policy = new EcSecurity.Policy();
                foreach (string word in words.Skip(2))
                {
                    int at = word.IndexOf('=');
                    policy.Set(word.Substring(0, at), word.Substring(at + 1));
                }
                if (words[1] == "check")
                {
                    policy.DryRun();
                }
                else
                {
                    policy.Apply();
                }
                return "ok";
            case "get":
                using (EcSecurity.Policy asked = new EcSecurity.Policy())
                {
                    return asked.Set("user", words[1]).Get(words[2]);
                }
            case "parse":
                using (EcSecurity.Policy parsed = new EcSecurity.Policy())
                {
                    parsed.Parse(words[1]).Apply();
                }
                return "ok";
            case "load":
                using (EcSecurity.Policy loaded = new EcSecurity.Policy())
                {
                    loaded.Load(words[1]).Apply();
                }
                return "ok";
            case "raised":
                return EcSecurity.Raised(words[1], Inside);
            case "bind":
                int port = int.Parse(words[2]);
                return words[1] == "main" ? Bind(port) : InWorker(0, () => Bind(port)).Result;
            case "root":
                return setuid(0) == 0 ? "ok" : "failed\terrno " + Marshal.GetLastWin32Error();
            case "text":
                EcSecurity.Caps caps = EcSecurity.Caps.FromText(words[1]);
                return string.Join("\t", "text", caps.Effective, caps.Permitted, caps.Inheritable, caps.ToText());
            case "status":
                return "status\t" + EcSecurity.ProcessStatus(0).Replace("\n", " | ");
            case "version":
                return "version\t" + EcSecurity.Version();
            case "names":
                return "names\t" + string.Join(
                    "\t", Enum.GetValues(typeof(EcSecurity.Status)).Cast<EcSecurity.Status>().Select(s => s + "=" + (int)s));
            case "nul":
                try
                {
                    EcSecurity.Apply("root\0nobody", null, null);
                    return "taken";
                }
                catch (ArgumentException)
                {
                    return "refused";
                }
            case "race":
                return Race();
            default:
                return "what?";
        }
    }

    public static int Main()
    {
        Thread[] workers = Enumerable.Range(0, Workers).Select(n => new Thread(() => Work(n)) { IsBackground = true }).ToArray();
        foreach (Thread worker in workers)
        {
            worker.Start();
        }
        Console.WriteLine("ready");
        for (string line = Console.In.ReadLine(); line != null; line = Console.In.ReadLine())
        {
            string said;
            try
            {
                said = Answer(line.Split('\t'));
            }
            catch (EcSecurity.Refused error)
            {
                said = "error\t" + error.Status + "\t" + error.Kind + "\t" + error.Message;
            }
            Console.WriteLine(said);
        }
        // Mono aborts threads as it ends, and says of Task.Run in one of them that nobody has caught the exception.
        over = true;
        foreach (Thread worker in workers)
        {
            worker.Join();
        }
        return 0;
    }
}
