#!/bin/sh
# The packages of build/module-packages: each installed by its language's own tool in an empty directory, without root's
# configuration; then its example run with what was installed, and looked at from outside by tests/bindings.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/scratch.sh
packages=$top/build/module-packages
export EC_SECURITY_LIB="$top/build/libec_security.so.0" EC_BUILD="$top/build/runtimes" HOME="$work/home"
mkdir "$HOME"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

looked_at() { tests/bindings "$@" || failed=1; }

# The same where the runtime starts threads as it likes, and ends with its input: tests/runtimes looks at each thread of these.
ran() {
    name=$1
    shift
    id=4711
    [ "$(awk '{ n += $3 } END { print (n > 4711) }' /proc/self/uid_map)" = 1 ] || id=-
    verdict "$name: it drops" "$(
        said=$(timeout 60 "$@" $id $id cap_net_bind_service+ep </dev/null 2>&1)
        [ "$said" = "ready
dropped" ] || echo "it says: $said")"
    verdict "$name: it is refused" "$(
        said=$(timeout 60 "$@" no-such-user-here - cap_net_bind_service+ep </dev/null 2>&1)
        echo "$said" | grep -q '^refused: .*no-such-user-here' || echo "it says: $said")"
}

# place NAME EXAMPLE...: an empty directory that has copies of the examples and no module; it becomes the working directory.
place() {
    mkdir "$work/$1" || exit 1
    to=$work/$1
    shift
    for example; do cp "$top/cbindings-tests/$example" "$to/"; done
}

place python python/drop.py
verdict "python: pip installs the sdist" "$(
    silent "${PYTHON:-python3}" -m pip install --quiet --no-deps --root-user-action=ignore \
        --target "$to/site" "$packages/ec_security-$version.tar.gz")"
PYTHONPATH="$to/site" looked_at python-package "${PYTHON:-python3}" "$to/drop.py"

# koffi comes from the registry, or npm's cache of it.
place node node/drop.js
sed -i "s|'./ec_security'|'ec_security'|" "$to/drop.js"
verdict "node: npm installs the package, and what it needs" "$(
    cd "$to" && echo '{"private": true}' >package.json &&
        silent npm install --ignore-scripts --no-fund --no-audit "$packages/ec_security-$version.tgz")"
ran node-package node "$to/drop.js"

place ruby ruby/drop.rb
sed -i 's|require_relative "ec_security"|require "ec_security"|' "$to/drop.rb"
verdict "ruby: gem installs the gem" "$(silent gem install --local --no-document --install-dir "$to/gems" \
    "$packages/ec_security-$version.gem")"
GEM_PATH="$to/gems" looked_at ruby-package ruby "$to/drop.rb"

place perl perl/drop.pl
verdict "perl: Makefile.PL, make, make install" "$(
    cd "$to" && tar -xf "$packages/EC-Security-$version.tar.gz" && cd "EC-Security-$version" &&
        silent sh -c "perl Makefile.PL INSTALL_BASE='$to/installed' && make && make install")"
PERL5LIB="$to/installed/lib/perl5" looked_at perl-package perl "$to/drop.pl"

place luajit luajit/drop.lua luajit/threads.lua
verdict "luajit: luarocks installs the rock" "$(silent luarocks --lua-version 5.1 --tree "$to/rocks" install \
    "$packages/ec_security-$version-1.all.rock")"
LUA_PATH="$to/rocks/share/lua/5.1/?.lua;$to/?.lua" looked_at luajit-package luajit "$to/drop.lua"

place php php/drop.php php/threads.php
sed -i "s|__DIR__ . '/ec_security.php'|__DIR__ . '/vendor/autoload.php'|" "$to/drop.php"
verdict "php: composer installs the archive" "$(
    mkdir "$to/package" && tar -xf "$packages/ec_security-php-$version.tar" -C "$to/package" && cd "$to" &&
        echo '{"repositories": [{"type": "path", "url": "package", "options": {"symlink": false}}, {"packagist.org": false}],
            "require": {"ec-security/ec-security": "*"}}' >composer.json &&
        COMPOSER_ALLOW_SUPERUSER=1 silent composer install --no-interaction --no-progress)"
looked_at php-package php -d ffi.enable=1 "$to/drop.php"

place java java/Drop.java
jars=$packages/ec_security-$version.jar:/usr/share/java/jna.jar
verdict "java: a program compiles against the jar" "$(silent javac -Xlint:all -Werror -d "$to" -cp "$jars" "$to/Drop.java")"
ran java-package java -cp "$to:$jars" Drop

# What go get would fetch from where the module's path leads is taken from here.
place go go/cmd/drop/main.go
verdict "go: a module that requires it compiles" "$(
    cd "$to" && printf 'module program\n\ngo 1.19\n\nrequire example.org/ec_security/go v%s\n\nreplace example.org/ec_security/go => %s\n' \
        "$version" "$top/cbindings-tests/go" >go.mod &&
        PKG_CONFIG_PATH="$top/build/runtimes/pkgconfig" GOPROXY=off GOFLAGS=-mod=mod silent go build -o program .)"
LD_LIBRARY_PATH="$top/build" looked_at --runtime go-module "$to/program"

place erlang erlang/test/drop.erl
cp -r cbindings-tests/erlang "$to/ec_security"
verdict "erlang: an application, built as rebar.config has it" "$(
    cd "$to/ec_security" && mkdir ebin && silent erlc -Werror -o ebin src/ec_security.erl &&
        cp src/ec_security.app.src ebin/ec_security.app &&
        PKG_CONFIG_PATH="$top/build/runtimes/pkgconfig" silent make -C c_src && silent erlc -o "$to" "$to/drop.erl")"
ERL_CRASH_DUMP=/dev/null ERL_LIBS="$to" LD_LIBRARY_PATH="$top/build" looked_at --runtime erlang-application erl -noshell -pa "$to" -s drop main -extra

# One version: that of Cargo.toml.
verdict "every package has version $version" "$(
    cd cbindings-tests &&
        for file in python/pyproject.toml node/package.json ruby/ec_security.gemspec perl/EC/Security.pm php/composer.json \
            luajit/*.rockspec erlang/src/ec_security.app.src; do
            grep -qE "[Vv](ersion|ERSION|sn).*['\"]$version(-1)?['\"]" "$file" || echo "$file has another"
        done)"
exit $failed
