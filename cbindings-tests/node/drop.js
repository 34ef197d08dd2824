'use strict';
// The one call in a Node.js program: drop.js USER GROUP CAPS, where "-" stands for null.
const readline = require('node:readline');
const security = require('./ec_security');

async function main() {
  const [user, group, caps] = process.argv.slice(2).map((word) => (word === '-' ? null : word));
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  console.log('ready');
  await lines.next();
  try {
    security.apply(user, group, caps);
    console.log('dropped');
  } catch (error) {
    if (!(error instanceof security.SecurityError)) {
      throw error;
    }
    console.log(`refused: ${error.kind}: ${error.message}`);
    process.exitCode = 1;
  }
  await lines.next();
}

main();
