'use strict';
// A Node.js server whose workers never rest; tests/runtimes says what it answers to.
const crypto = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const security = require('./ec_security');

const POOL = 4; // as UV_THREADPOOL_SIZE
const WORKERS = 3;

function listen(port) {
  return new Promise((resolve) => {
    const server = net.createServer((connection) => connection.end());
    server.once('error', (error) => resolve(`failed\t${error.message}`));
    server.listen(port, '127.0.0.1', () => resolve('ok'));
  });
}

function failAndCompare(name) {
  let wrong = 0;
  for (let n = 0; n < 100; n++) {
    try {
      security.apply(name);
      wrong++;
    } catch (error) {
      wrong += error instanceof security.SecurityError && error.message.includes(name) ? 0 : 1;
    }
  }
  return wrong;
}

// A thread with an event loop of its own: computes, and answers to messages in between.
function worker() {
  const { counts, number } = workerData;
  parentPort.on('message', async ({ job, argument }) => {
    parentPort.postMessage(job === 'bind' ? await listen(argument) : failAndCompare(argument));
  });
  const step = () => {
    crypto.createHash('sha256').update(new Uint8Array(1 << 14)).digest();
    Atomics.add(counts, number, 1);
    setImmediate(step);
  };
  step();
  parentPort.postMessage('ready');
}

function inWorker(thread, job, argument) {
  return new Promise((resolve) => {
    thread.once('message', resolve);
    thread.postMessage({ job, argument });
  });
}

async function main() {
  // The first WORKERS counts are theirs, the others those of the chains of work in libuv's pool.
  const counts = new Int32Array(new SharedArrayBuffer(4 * (WORKERS + POOL)));
  const threads = [];
  for (let number = 0; number < WORKERS; number++) {
    threads.push(new Worker(__filename, { workerData: { counts, number } }));
  }
  // Not their 'online', which comes before they have loaded anything: a process that exits then is aborted by node.
  await Promise.all(threads.map((thread) => new Promise((resolve) => thread.once('message', resolve))));
  for (let chain = 0; chain < POOL; chain++) {
    const next = () => {
      Atomics.add(counts, WORKERS + chain, 1);
      if (chain % 2) {
        crypto.pbkdf2('password', 'salt', 200, 32, 'sha256', next);
      } else {
        fs.readFile('/proc/self/stat', next);
      }
    };
    next();
  }

  // Read by hand, since `raised` waits for a line in the middle of a block.
  let rest = '';
  const chunk = Buffer.alloc(4096);
  const takeLine = () => {
    const end = rest.indexOf('\n');
    if (end < 0) {
      return null;
    }
    const line = rest.slice(0, end);
    rest = rest.slice(end + 1);
    return line;
  };
  const lineNow = () => {
    for (;;) {
      const line = takeLine();
      if (line !== null) {
        return line;
      }
      try {
        rest += chunk.toString('utf8', 0, fs.readSync(0, chunk));
      } catch (error) {
        if (error.code !== 'EAGAIN') {
          throw error;
        }
        Atomics.wait(counts, WORKERS, counts[WORKERS], 10); // node has made the pipe non-blocking
      }
    }
  };
  const say = (line) => fs.writeSync(1, `${line}\n`);

  const commands = {
    work: () => ['work', ...counts].join('\t'),
    apply: (user, group, caps) => {
      security.apply(user, group, caps);
      return 'ok';
    },
    policy: async (verb, ...options) => {
      await new security.Policy(Object.fromEntries(options.map((option) => option.split(/=(.*)/s))))[verb]();
      return 'ok';
    },
    get: (user, option) => new security.Policy({ user }).get(option),
    parse: (text) => {
      const policy = new security.Policy();
      policy.parse(text);
      policy.apply();
      return 'ok';
    },
    load: (path) => {
      const policy = new security.Policy();
      policy.load(path);
      policy.apply();
      return 'ok';
    },
    raised: (caps) =>
      security.raised(caps, () => {
        say('inside');
        lineNow();
        return 'ok';
      }),
    bind: (where, port) => (where === 'main' ? listen(Number(port)) : inWorker(threads[0], 'bind', Number(port))),
    root: () => {
      try {
        process.setuid(0);
        return 'ok';
      } catch (error) {
        return `failed\t${error.message}`;
      }
    },
    text: (text) => {
      const caps = security.capsFromText(text);
      return ['text', caps.effective, caps.permitted, caps.inheritable, security.capsToText(caps)].join('\t');
    },
    status: () => `status\t${security.status().replaceAll('\n', ' | ')}`,
    version: () => `version\t${security.version()}`,
    names: () => ['names', ...Object.entries(security.Status).map(([name, number]) => `${name}=${number}`)].join('\t'),
    nul: () => {
      try {
        security.apply('root\0nobody');
        return 'taken';
      } catch (error) {
        return error instanceof TypeError ? 'refused' : `${error}`;
      }
    },
    race: async () => {
      const wrong = await Promise.all(threads.map((thread, number) => inWorker(thread, 'race', `no-such-${number}`)));
      return `race\t${100 * threads.length}\t${wrong.reduce((sum, one) => sum + one)}`;
    },
  };

  say('ready');
  for await (const input of process.stdin) {
    rest += input;
    for (let line; (line = takeLine()) !== null; ) {
      const [command, ...words] = line.split('\t');
      let said;
      try {
        said = await commands[command](...words.map((word) => (word === '-' ? null : word)));
      } catch (error) {
        if (!(error instanceof security.SecurityError)) {
          throw error;
        }
        said = `error\t${error.code}\t${error.kind}\t${error.message}`;
      }
      say(said);
    }
  }
  process.exit(0); // the workers never end
}

if (isMainThread) {
  main();
} else {
  worker();
}
