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

/** Why a connection attempt with TLS failed; `name` is the one that the certificate has to have. What the network says is told as
 *  without. */
export function tlsError(
  error: Error,
  endpoint: Endpoint & { readonly name: string },
  timeoutMs: number,
): NetworkError {
  const { host, port, name } = endpoint;
  const place = `${host}:${port}`;
  const why = codeOf(error);
  const because = tlsReason(why, name);
  if (because === undefined) return connectError(error, endpoint, timeoutMs);
  return made({ code: "NETWORK_TLS_FAILED", host, port, why }, `${place} ${because}`, error);
}

function tlsReason(code: string, name: string): string | undefined {
  switch (code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `has a certificate for other names than ${name}: check the address, or give tls.serverName`;
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return `has a certificate that is not valid now (${code}): check it, and this machine's clock`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "CERT_SIGNATURE_FAILURE":
      return `has a certificate that is not trusted (${code}): check that tls.ca holds the authority that signed it`;
    // What a plaintext listener of Kafka does with the first bytes of TLS, which it takes for the length of a request.
    case "ECONNRESET":
    case "EPIPE":
      return "closed the connection during the TLS handshake: check that it is a TLS listener";
    case "ERR_OSSL_PEM_NO_START_LINE":
    case "ERR_OSSL_PEM_BAD_END_LINE":
    case "ERR_OSSL_X509_KEY_VALUES_MISMATCH":
      return `cannot be asked with these certificates (${code}): check that tls.ca, cert and key are PEM and belong together`;
    default:
      return /^(ERR_SSL|ERR_TLS|ERR_OSSL|EPROTO|CERT_)/.test(code)
        ? `does not agree on TLS (${code}): check that it is a TLS listener, and the certificates`
        : undefined;
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
