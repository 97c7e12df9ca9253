/** Operating system errors of sockets as typed facts, each with one line that names cause, place and remedy. */

import { type Endpoint, NetworkError, type NetworkFault } from "../core/network.ts";

/** Thrown by Node, not an event: the port is outside 0..65535. */
export const BAD_PORT = "ERR_SOCKET_BAD_PORT";

/** Why a connection attempt failed. */
export function connectError(error: Error, { host, port }: Endpoint, timeoutMs: number): NetworkError {
  const place = `${host}:${port}`;
  switch (codeOf(error)) {
    case "ECONNREFUSED":
      return made(
        { code: "NETWORK_REFUSED", host, port },
        `${place} refused the connection: does a broker listen there?`,
        error,
      );
    case "ETIMEDOUT":
      return made(
        { code: "NETWORK_TIMEOUT", host, port, timeoutMs },
        `${place} did not answer within ${timeoutMs} ms: is the host up and reachable from here?`,
        error,
      );
    case "ECONNRESET":
    case "EPIPE":
    case "ECONNABORTED":
      return made(
        { code: "NETWORK_RESET", host, port },
        `${place} closed the connection while it was being made`,
        error,
      );
    case BAD_PORT:
      return made({ code: "NETWORK_UNREACHABLE", host, port }, badPort(port), error);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return made(
        { code: "NETWORK_UNREACHABLE", host, port },
        `host ${host} has no address: check the name and DNS`,
        error,
      );
    default:
      return made({ code: "NETWORK_UNREACHABLE", host, port }, `${place} cannot be reached (${codeOf(error)})`, error);
  }
}

/** Why an established connection ended. */
export function streamError(error: Error, { host, port }: Endpoint): NetworkError {
  const place = `${host}:${port}`;
  if (codeOf(error) === "ETIMEDOUT")
    return made({ code: "NETWORK_UNREACHABLE", host, port }, `${place} stopped answering`, error);
  return made({ code: "NETWORK_RESET", host, port }, `connection with ${place} broke (${codeOf(error)})`, error);
}

/** Why a listener could not be opened. */
export function listenError(error: Error, { host, port }: Endpoint): NetworkError {
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return made(
        { code: "NETWORK_PORT_TAKEN", host, port },
        `port ${port} on ${host} is taken: stop the process that listens there or choose another port`,
        error,
      );
    case "EACCES":
    case "EPERM":
      return made(
        { code: "NETWORK_PORT_DENIED", host, port },
        `no permission to listen on port ${port} of ${host}: choose one of 1024 or more`,
        error,
      );
    case BAD_PORT:
      return made({ code: "NETWORK_UNREACHABLE", host, port }, badPort(port), error);
    default:
      return made(
        { code: "NETWORK_UNREACHABLE", host, port },
        `cannot listen on ${host}:${port} (${codeOf(error)}): ${host} is no address of this host`,
        error,
      );
  }
}

function badPort(port: number): string {
  return `${port} is no port: use a number from 1 to 65535`;
}

function made(fault: NetworkFault, message: string, cause: Error): NetworkError {
  return new NetworkError(fault, { message, cause });
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}
