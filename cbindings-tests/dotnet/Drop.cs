// The one call in a program of .NET with threads: Drop USER GROUP CAPS, where "-" stands for null.
using System;
using System.Threading;

public static class Drop
{
    private static string Optional(string word)
    {
        return word == "-" ? null : word;
    }

    public static int Main(string[] words)
    {
        for (int n = 0; n < 3; n++)
        {
            new Thread(() => Thread.Sleep(Timeout.Infinite)) { IsBackground = true }.Start();
        }
        Console.WriteLine("ready");
        Console.In.ReadLine();
        int status = 0;
        try
        {
            EcSecurity.Apply(Optional(words[0]), Optional(words[1]), Optional(words[2]));
            Console.WriteLine("dropped");
        }
        catch (EcSecurity.Refused refused)
        {
            Console.WriteLine("refused: " + refused.Kind + ": " + refused.Message);
            status = 1;
        }
        Console.In.ReadLine();
        return status;
    }
}
