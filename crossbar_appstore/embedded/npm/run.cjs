// Runs PouchDB Server in this process until standard input is closed. crossbar-appstore holds the other end of that
// pipe, so the server ends with it, even after SIGKILL.
//
//   node run.cjs INSTALLATION PORT HOST DATABASES [--in-memory]      in the directory that contains config.json
//
// Prints one line on standard output, the port, when the server listens. Exits with 98 if the port is taken.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const { createRequire } = require('node:module');

const [installation, port, host, databases, ...options] = process.argv.slice(2);
const portTaken = 98;
const shutdownTimeout = 2000; // milliseconds

// PouchDB Server only logs a failed listen and keeps running; its caller needs an exit code.
const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (...options) {
  this.once('listening', () => fs.writeSync(1, `${this.address().port}\n`));
  this.once('error', (error) => {
    console.error(error);
    process.exit(error.code === 'EADDRINUSE' ? portTaken : 1);
  });
  return listen.apply(this, options);
};

// Standard output is not read after that line, and a full pipe would block the server. Its log goes to a file.
process.stdout.write = () => true;

// PouchDB Server confirms a new database before it stores the list of databases, and would lose the database if it
// ended in between. A request for that list is answered after all pending changes of the list are stored.
const end = () => {
  setTimeout(() => process.exit(0), shutdownTimeout);
  http.get({ host, port, path: '/_all_dbs' }, () => process.exit(0)).on('error', () => process.exit(0));
};
process.stdin.once('end', end);
process.stdin.once('error', end);
process.stdin.resume();

process.argv.splice(2, process.argv.length, '--port', port, '--host', host, '--dir', databases, ...options);
createRequire(`${installation}/package.json`)('pouchdb-server/lib/index.js');
