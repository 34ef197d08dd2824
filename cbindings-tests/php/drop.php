<?php

declare(strict_types=1);

// The one call in a PHP program that has loaded a library with threads: drop.php USER GROUP CAPS, where "-" stands for null.
require __DIR__ . '/ec_security.php';
require __DIR__ . '/threads.php';

[$user, $group, $caps] = array_map(fn ($word) => $word === '-' ? null : $word, array_slice($argv, 1));
threads()->threads_start(3);
echo "ready\n";
fgets(STDIN);
try {
    EcSecurity\apply($user, $group, $caps);
    echo "dropped\n";
    $refused = false;
} catch (EcSecurity\SecurityException $error) {
    echo "refused: {$error->kind}: {$error->getMessage()}\n";
    $refused = true;
}
fgets(STDIN);
exit($refused ? 1 : 0);
