/** Turns whatever was thrown into one line for a person and an exit code; never a stack trace, unless asked for twice with -vv. */

import { TributaryError, toError } from "../core/errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** What to print and how to end. */
export interface Presented {
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
}

/** Exit codes of faults by the beginning of their code; the longest match counts. */
const EXIT_BY_FAULT: Readonly<Record<string, ExitCode>> = {
  USAGE: EXIT.usage,
  TOPOLOGY_NOT_FOUND: EXIT.usage,
  TOPOLOGY_UNREADABLE: EXIT.usage,
  TOPOLOGY_INVALID: EXIT.invalidTopology,
  TOPOLOGY_REFERENCE_UNSET: EXIT.invalidTopology,
  REGION_UNKNOWN: EXIT.usage,
  REGION_NOT_EMBEDDED: EXIT.usage,
  MIRROR_UNKNOWN: EXIT.usage,
  LANE_UNKNOWN: EXIT.usage,
  REGION_DOWN: EXIT.unreachable,
  REGION_UNREACHABLE: EXIT.unreachable,
  UNREACHABLE: EXIT.unreachable,
  NETWORK_REFUSED: EXIT.unreachable,
  NETWORK_RESET: EXIT.unreachable,
  NETWORK_UNREACHABLE: EXIT.unreachable,
  NETWORK_TIMEOUT: EXIT.unreachable,
  SOURCE_UNAVAILABLE: EXIT.unreachable,
  TARGET_UNAVAILABLE: EXIT.unreachable,
  CLIENT_NOT_KAFKA: EXIT.unreachable,
  CLIENT_UNREACHABLE: EXIT.unreachable,
  CLIENT_TIMEOUT: EXIT.unreachable,
  CLIENT_CONNECTION_LOST: EXIT.unreachable,
  CLIENT_DENIED: EXIT.denied,
  STATE_LOCKED: EXIT.busy,
  STORAGE_LOCKED: EXIT.busy,
};

/** What a person should do about faults whose own message only tells the fact. */
const REMEDIES: Readonly<Record<string, string>> = {
  NETWORK_PORT_TAKEN: "stop what listens there, choose another port, or leave the port out to take any free one",
  NETWORK_PORT_DENIED: "choose a port above 1023",
  NETWORK_REFUSED: "check the address, and that the broker runs",
  NETWORK_UNREACHABLE: "check the address and the network",
  NETWORK_TIMEOUT: "check the address and that nothing on the way drops packets",
  CLIENT_UNKNOWN_TOPIC: "tributary topology plan lists the topics there are",
  STORAGE_DENIED: "check owner and mode of the directory, or choose another with --state",
  STORAGE_FULL: "free some space, or choose another directory with --state",
};

/** Causes in words for faults whose message is only their code. */
const CAUSES: Readonly<Record<string, string>> = {
  NETWORK_PORT_TAKEN: "port is taken",
  NETWORK_PORT_DENIED: "port may not be opened",
  NETWORK_REFUSED: "connection refused",
  NETWORK_RESET: "connection reset",
  NETWORK_UNREACHABLE: "host is not reachable",
  NETWORK_TIMEOUT: "no answer",
  STORAGE_DENIED: "directory or file may not be written",
  STORAGE_FULL: "disk is full",
  STORAGE_MISSING: "file is missing",
  STORAGE_IO: "file cannot be read or written",
  STORAGE_LOCKED: "in use by another process",
};

/** Presents an error. */
export function presentError(thrown: unknown): Presented {
  const error = toError(thrown);
  if (!(error instanceof TributaryError)) {
    const line = `tributary: unexpected: ${firstLine(error.message)}; this is a mistake in tributary itself, -vv shows where`;
    return { lines: [line], exitCode: EXIT.failure };
  }
  const { code } = error.fault;
  const exitCode = EXIT_BY_FAULT[code] ?? EXIT.failure;
  // Each line begins with file:line:column, as editors and terminals know how to open it.
  if (code === "TOPOLOGY_INVALID") return { lines: error.message.split("\n"), exitCode };
  return { lines: [`tributary: ${sentence(error)}`], exitCode };
}

/** Cause, place and remedy; errors that say all three themselves are taken at their word. */
function sentence(error: TributaryError): string {
  const { fault } = error;
  const message = firstLine(error.message);
  const remedy = REMEDIES[fault.code];
  if (message.includes(";")) return message;
  const cause = message.startsWith(fault.code) ? (CAUSES[fault.code] ?? message) : message;
  const place = message.startsWith(fault.code) ? placeOf(fault) : "";
  return `${cause}${place}${remedy === undefined ? "" : `; ${remedy}`}`;
}

function placeOf(fault: object): string {
  if ("host" in fault && "port" in fault) return ` (${String(fault.host)}:${String(fault.port)})`;
  if ("path" in fault) return ` (${String(fault.path)})`;
  return "";
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
