/** Free loopback ports, and whether a Kafka broker answers on one. */

import { connect, createServer, type Server } from "node:net";

/** `count` different ports that nobody listens on. They are only known to have been free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listening));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listening(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

/** ApiVersions v0, correlation id 1, no client id. */
const API_VERSIONS_REQUEST = Buffer.from("0000000a001200000000000100ff", "hex");
API_VERSIONS_REQUEST.writeInt16BE(-1, 12);

/** Whether a broker on this port answers ApiVersions within `timeoutMs`. */
export function answersApiVersions(port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("connect", () => socket.write(API_VERSIONS_REQUEST));
    socket.once("data", (data) => end(data.length >= 10 && data.readInt32BE(4) === 1 && data.readInt16BE(8) === 0));
  });
}
