/** Node's HTTP without what an `import` of it brings: that reads every export of the module, and one of them loads all of fetch,
 *  WebSocket and web streams, which costs each process 12 MiB and 50 ms of its start. */

const http = process.getBuiltinModule("node:http");

/** As `node:http`'s. */
export const createServer = http.createServer;

/** As `node:http`'s. */
export const request = http.request;
