import com.sun.jna.Library;
import com.sun.jna.Native;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** A Java server whose workers never rest; tests/runtimes says what it answers to. */
public final class Busy {
    private interface Libc extends Library {
        int setuid(int uid);
    }

    private static final Libc LIBC = Native.load("c", Libc.class);
    private static final int WORKERS = 4;
    private static final AtomicLongArray DONE = new AtomicLongArray(WORKERS);
    private static final List<BlockingQueue<Runnable>> JOBS = new ArrayList<>();
    private static final List<ServerSocket> LISTENERS = new ArrayList<>();
    private static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in));

    /** Computes, makes the collector work, and waits in system calls; a job may come in between. */
    private static Void work(int number) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        Pipe pipe = Pipe.open();
        while (true) {
            byte[] block = new byte[1 << 14];
            digest.digest(block);
            if (number % 2 == 1) {
                pipe.sink().write(ByteBuffer.wrap(block, 0, 4096));
                pipe.source().read(ByteBuffer.allocate(4096));
                Thread.sleep(1);
            }
            DONE.incrementAndGet(number);
            Runnable job = JOBS.get(number).poll();
            if (job != null) {
                job.run();
            }
        }
    }

    private static <T> CompletableFuture<T> inWorker(int number, Supplier<T> job) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        JOBS.get(number).add(() -> answer.complete(job.get()));
        return answer;
    }

    private static String bind(int port) {
        try {
            ServerSocket listener = new ServerSocket(port, 5, InetAddress.getLoopbackAddress());
            synchronized (LISTENERS) {
                LISTENERS.add(listener);
            }
            return "ok";
        } catch (IOException error) {
            return "failed\t" + error.getMessage();
        }
    }

    private static int wrongMessages(String name) {
        int wrong = 0;
        for (int n = 0; n < 100; n++) {
            try {
                EcSecurity.apply(name, null, null);
                wrong++;
            } catch (EcSecurity.Refused error) {
                wrong += error.getMessage().contains(name) ? 0 : 1;
            }
        }
        return wrong;
    }

    private static String inside() {
        System.out.println("inside");
        try {
            IN.readLine();
        } catch (IOException error) {
            return "failed\t" + error.getMessage();
        }
        return "ok";
    }

    private static String answer(List<String> words) {
        String first = words.size() > 1 ? words.get(1) : null;
        switch (words.get(0)) {
            case "work":
                StringBuilder counts = new StringBuilder("work");
                for (int number = 0; number < WORKERS; number++) {
                    counts.append('\t').append(DONE.get(number));
                }
                return counts.toString();
            case "apply":
                EcSecurity.apply(first, words.get(2), words.get(3));
                return "ok";
            case "policy":
                EcSecurity.Policy policy = new EcSecurity.Policy();
                for (String option : words.subList(2, words.size())) {
                    String[] pair = option.split("=", 2);
                    policy.set(pair[0], pair[1]);
                }
                if (first.equals("check")) {
                    policy.check();
                } else {
                    policy.apply();
                }
                return "ok";
            case "get":
                return new EcSecurity.Policy().set("user", first).get(words.get(2));
            case "parse":
                new EcSecurity.Policy().parse(first).apply();
                return "ok";
            case "load":
                new EcSecurity.Policy().load(first).apply();
                return "ok";
            case "raised":
                return EcSecurity.raised(first, Busy::inside);
            case "bind":
                int port = Integer.parseInt(words.get(2));
                return first.equals("main") ? bind(port) : inWorker(0, () -> bind(port)).join();
            case "root":
                return LIBC.setuid(0) == 0 ? "ok" : "failed\terrno " + Native.getLastError();
            case "text":
                EcSecurity.Caps caps = EcSecurity.Caps.fromText(first);
                return String.join(
                        "\t",
                        "text",
                        Long.toUnsignedString(caps.effective),
                        Long.toUnsignedString(caps.permitted),
                        Long.toUnsignedString(caps.inheritable),
                        caps.toText());
            case "status":
                return "status\t" + EcSecurity.status(0).replace("\n", " | ");
            case "version":
                return "version\t" + EcSecurity.version();
            case "names":
                return Arrays.stream(EcSecurity.Status.values())
                        .map(status -> "\t" + status + "=" + status.number)
                        .collect(Collectors.joining("", "names", ""));
            case "nul":
                try {
                    EcSecurity.apply("root\0nobody", null, null);
                    return "taken";
                } catch (IllegalArgumentException error) {
                    return "refused";
                }
            case "race":
                CompletableFuture<Integer> one = inWorker(0, () -> wrongMessages("no-such-0"));
                CompletableFuture<Integer> other = inWorker(1, () -> wrongMessages("no-such-1"));
                return "race\t200\t" + (one.join() + other.join());
            default:
                return "what?";
        }
    }

    public static void main(String[] arguments) throws IOException {
        ExecutorService pool = Executors.newFixedThreadPool(WORKERS);
        for (int number = 0; number < WORKERS; number++) {
            JOBS.add(new LinkedBlockingQueue<>());
        }
        for (int number = 0; number < WORKERS; number++) {
            int own = number;
            pool.submit(() -> work(own));
        }
        System.out.println("ready");
        for (String line; (line = IN.readLine()) != null; ) {
            List<String> words = new ArrayList<>();
            for (String word : line.split("\t", -1)) {
                words.add(word.equals("-") ? null : word);
            }
            String said;
            try {
                said = answer(words);
            } catch (EcSecurity.Refused error) {
                said = String.join("\t", "error", String.valueOf(error.status), error.kind, error.getMessage());
            }
            System.out.println(said);
        }
        System.exit(0); // the workers never end
    }
}
