<?php

declare(strict_types=1);

// A PHP server that has loaded a library whose threads never rest; tests/runtimes says what it answers to.
require __DIR__ . '/ec_security.php';
require __DIR__ . '/threads.php';

use EcSecurity\{Caps, Policy, SecurityException, Status};

const WORKERS = 3;
$listeners = [];

function verdict(int $errno): string
{
    return $errno === 0 ? 'ok' : "failed\t" . posix_strerror($errno);
}

function policy_from(string $how, string $argument): string
{
    $policy = new Policy();
    $policy->$how($argument);
    $policy->apply();
    return 'ok';
}

$commands = [
    'work' => fn () => implode("\t", ['work', ...array_map(fn ($n) => threads()->threads_done($n), range(0, WORKERS - 1))]),
    'apply' => function (?string ...$words): string {
        EcSecurity\apply(...$words);
        return 'ok';
    },
    'policy' => function (string $verb, string ...$words): string {
        $options = [];
        foreach ($words as $word) {
            [$option, $value] = explode('=', $word, 2);
            $options[$option] = $value;
        }
        (new Policy(...$options))->$verb();
        return 'ok';
    },
    'get' => fn (string $user, string $option) => (new Policy(user: $user))->get($option),
    'parse' => fn (string $text) => policy_from('parse', $text),
    'load' => fn (string $path) => policy_from('load', $path),
    'raised' => fn (string $caps) => EcSecurity\raised($caps, function () {
        echo "inside\n";
        fgets(STDIN);
        return 'ok';
    }),
    'bind' => function (string $where, string $port) use (&$listeners): string {
        if ($where === 'worker') {
            return verdict(threads()->threads_listen(0, (int) $port));
        }
        $listener = @stream_socket_server("tcp://127.0.0.1:$port", $number, $why);
        if ($listener === false) {
            return "failed\t$why";
        }
        $listeners[] = $listener;
        return 'ok';
    },
    'root' => fn () => posix_setuid(0) ? 'ok' : verdict(posix_get_last_error()),
    'text' => function (string $text): string {
        $caps = Caps::fromText($text);
        return vsprintf("text\t%u\t%u\t%u\t%s", [$caps->effective, $caps->permitted, $caps->inheritable, $caps->toText()]);
    },
    'status' => fn () => "status\t" . str_replace("\n", ' | ', EcSecurity\status()),
    'version' => fn () => "version\t" . EcSecurity\version(),
    'names' => fn () => implode("\t", ['names', ...array_map(fn ($s) => "{$s->name}={$s->value}", Status::cases())]),
    'nul' => function (): string {
        try {
            EcSecurity\apply("root\0nobody");
            return 'taken';
        } catch (ValueError) {
            return 'refused';
        }
    },
];

threads()->threads_start(WORKERS);
echo "ready\n";
while (($line = fgets(STDIN)) !== false) {
    $words = array_map(fn ($word) => $word === '-' ? null : $word, explode("\t", rtrim($line, "\n")));
    try {
        $said = $commands[array_shift($words)](...$words);
    } catch (SecurityException $error) {
        $said = implode("\t", ['error', $error->status?->name ?? $error->getCode(), $error->kind, $error->getMessage()]);
    }
    echo "$said\n";
}
