// Runs PouchDB Server in this process, until standard input closes: the other end of that pipe is held by
// crossbar-appstore, so the server ends with it however it ends, by SIGKILL too.
//
//   node run.cjs INSTALLATION PORT HOST DATABASES [--in-memory]      in the directory that holds config.json
//
// Standard output carries one line, the port, once the server listens. A port that is taken ends the process with 98.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const { createRequire } = require('node:module');

const [installation, port, host, databases, ...options] = process.argv.slice(2);
const portTaken = 98;
const longestFarewell = 2000; // milliseconds

// PouchDB Server logs a failed listen and stays; its caller needs to know.
const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (...options) {
  this.once('listening', () => fs.writeSync(1, `${this.address().port}\n`));
  this.once('error', (error) => {
    console.error(error);
    process.exit(error.code === 'EADDRINUSE' ? portTaken : 1);
  });
  return listen.apply(this, options);
};

// After that line nobody reads standard output, and a full pipe would stop the server. Its log goes to a file.
process.stdout.write = () => true;

// A new database is answered for before it is written down in the list of databases; whoever ends between the two has
// lost it. What asks for the list is answered after all that was to be written there.
const end = () => {
  setTimeout(() => process.exit(0), longestFarewell);
  http.get({ host, port, path: '/_all_dbs' }, () => process.exit(0)).on('error', () => process.exit(0));
};
process.stdin.once('end', end);
process.stdin.once('error', end);
process.stdin.resume();

process.argv.splice(2, process.argv.length, '--port', port, '--host', host, '--dir', databases, ...options);
createRequire(`${installation}/package.json`)('pouchdb-server/lib/index.js');
