/** What can go wrong between this client and a cluster. */

import { TributaryError } from "../core/errors.ts";
import { type Endpoint, NetworkError } from "../core/network.ts";
import { ErrorCode, errorName, isRetriable } from "../wire/error-codes.ts";

/** Facts about a failed exchange. `sent` says whether the broker may have seen the request: when it is false the
 *  request certainly had no effect, when it is true the outcome is unknown. */
export type ClientFault =
  | { readonly code: "CLIENT_CLOSED"; readonly sent: boolean }
  | { readonly code: "CLIENT_DISCONNECTED"; readonly endpoint: string; readonly sent: boolean }
  | {
      readonly code: "CLIENT_TIMEOUT";
      readonly endpoint: string;
      readonly api: string;
      readonly timeoutMs: number;
      readonly sent: boolean;
    }
  | { readonly code: "CLIENT_OVERLOADED"; readonly endpoint: string; readonly waiting: number; readonly sent: false }
  /** The bytes that arrived are no Kafka frame; `saw` shows the first of them. */
  | { readonly code: "CLIENT_NOT_KAFKA"; readonly endpoint: string; readonly saw: string }
  /** No version of the API is spoken on both sides. */
  | {
      readonly code: "CLIENT_NO_VERSION";
      readonly endpoint: string;
      readonly api: string;
      readonly ours: string;
      readonly theirs: string;
    }
  /** A frame arrived whole, but is not the response that it should be. */
  | { readonly code: "CLIENT_BAD_RESPONSE"; readonly endpoint: string; readonly api: string; readonly what: string }
  /** Neither a known broker nor one of the bootstrap list answers; `reason` is the code of the most telling failure. */
  | { readonly code: "CLIENT_UNREACHABLE"; readonly bootstrap: string; readonly reason: string }
  /** The bootstrap list now leads to another cluster than before. */
  | {
      readonly code: "CLIENT_OTHER_CLUSTER";
      readonly endpoint: string;
      readonly expected: string;
      readonly actual: string;
    }
  /** The broker does not let this client in, or does not prove that it is the right one. */
  | {
      readonly code: "CLIENT_SASL_REFUSED";
      readonly endpoint: string;
      readonly mechanism: string;
      readonly why: string;
    }
  | { readonly code: "CLIENT_UNKNOWN_NODE"; readonly nodeId: number }
  | { readonly code: "CLIENT_UNKNOWN_TOPIC"; readonly topic: string }
  | { readonly code: "CLIENT_NO_LEADER"; readonly topic: string; readonly partition: number }
  /** The broker answered with an error code of the protocol. */
  | {
      readonly code: "CLIENT_BROKER_ERROR";
      readonly api: string;
      readonly errorCode: number;
      readonly error: string;
      readonly subject: string;
    };

/** An operating error of the client. */
export class ClientError extends TributaryError<ClientFault> {}

/** `host:port`. */
export function endpointText({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

/** An error code of the protocol as an error; `subject` names what it is about, for example a topic. */
export function brokerError(
  api: string,
  errorCode: number,
  about: { readonly subject: string; readonly message?: string | null },
): ClientError {
  const error = errorName(errorCode);
  const said = about.message === undefined || about.message === null ? "" : `: ${about.message}`;
  return new ClientError(
    { code: "CLIENT_BROKER_ERROR", api, errorCode, error, subject: about.subject },
    { message: `${api} of ${about.subject} was refused with ${error}${said}` },
  );
}

/** The protocol's error code that `error` carries, if any. */
export function errorCodeOf(error: unknown): number | undefined {
  return error instanceof ClientError && error.fault.code === "CLIENT_BROKER_ERROR" ? error.fault.errorCode : undefined;
}

const DENIED_CODES: ReadonlySet<number> = new Set([
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
]);

/** Whether the broker's authorizer said no: nothing happened, and nothing will before somebody adds a rule. */
export function isDeniedCode(errorCode: number): boolean {
  return DENIED_CODES.has(errorCode);
}

/** Whether the broker takes no batch of this size: a smaller one may pass. */
export function isTooLargeCode(errorCode: number): boolean {
  return errorCode === ErrorCode.MESSAGE_TOO_LARGE || errorCode === ErrorCode.RECORD_LIST_TOO_LARGE;
}

/** Whether the same request may succeed when sent again, to the same or another broker. Says nothing about whether
 *  sending it twice is harmless: see `hadNoEffect`. */
export function mayRetry(error: unknown): boolean {
  if (error instanceof NetworkError) return error.fault.code !== "NETWORK_PORT_TAKEN";
  if (!(error instanceof ClientError)) return false;
  switch (error.fault.code) {
    case "CLIENT_DISCONNECTED":
    case "CLIENT_TIMEOUT":
    case "CLIENT_OVERLOADED":
    case "CLIENT_UNREACHABLE":
    case "CLIENT_UNKNOWN_NODE":
    case "CLIENT_NO_LEADER":
    case "CLIENT_SASL_REFUSED":
      return true;
    case "CLIENT_BROKER_ERROR":
      return isRetriable(error.fault.errorCode);
    default:
      return false;
  }
}

/** Whether the request that failed with `error` certainly changed nothing: it was never sent, or no connection existed.
 *  A broker's error code is not judged here: its meaning depends on the API. */
export function hadNoEffect(error: unknown): boolean {
  if (error instanceof NetworkError) return true;
  if (!(error instanceof ClientError)) return false;
  return "sent" in error.fault ? !error.fault.sent : error.fault.code !== "CLIENT_BAD_RESPONSE";
}
