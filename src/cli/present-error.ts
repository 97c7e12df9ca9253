/** Turns whatever was thrown into one line for a person and an exit code; never a stack trace, unless asked for twice with -vv. */

import { TributaryError, toError } from "../core/errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** What to print and how to end. */
export interface Presented {
  readonly lines: readonly string[];
  readonly exitCode: ExitCode;
  /** The fault's code, for programs; `UNEXPECTED` for a mistake in this program. */
  readonly code: string;
}

/** Exit codes of faults by their code; all others end with 1. */
const EXIT_BY_FAULT: Readonly<Record<string, ExitCode>> = {
  USAGE: EXIT.usage,
  TOPOLOGY_NOT_FOUND: EXIT.usage,
  TOPOLOGY_UNREADABLE: EXIT.usage,
  TOPOLOGY_INVALID: EXIT.invalidTopology,
  TOPOLOGY_REFERENCE_UNSET: EXIT.invalidTopology,
  IMPORT_INVALID: EXIT.invalidTopology,
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
  CLIENT_SASL_REFUSED: EXIT.denied,
  REGION_DENIED: EXIT.denied,
  NETWORK_TLS_FAILED: EXIT.unreachable,
  STORE_UNAVAILABLE: EXIT.unreachable,
  STORE_NO_BUCKET: EXIT.unreachable,
  STORE_DENIED: EXIT.denied,
  STORE_BAD_URL: EXIT.invalidTopology,
  STATE_UNWRITABLE: EXIT.denied,
  STORAGE_DENIED: EXIT.denied,
  NETWORK_PORT_DENIED: EXIT.denied,
  STATE_LOCKED: EXIT.busy,
  MIRROR_MAKER_RUNS: EXIT.busy,
  TARGET_GROWN: EXIT.busy,
  RESTORE_GROUPS_ACTIVE: EXIT.busy,
  RESTORE_AMBIGUOUS: EXIT.usage,
  NETWORK_PORT_TAKEN: EXIT.busy,
  STORAGE_LOCKED: EXIT.busy,
};

/** What a person should do about faults whose own message only tells the fact. */
const REMEDIES: Readonly<Record<string, string>> = {
  BROKER_REFUSED: "correct local.topicDefaults of the region",
  CLIENT_UNKNOWN_TOPIC: "tributary topology plan lists the topics there are",
};

/** Presents an error. */
export function presentError(thrown: unknown): Presented {
  const error = toError(thrown);
  if (!(error instanceof TributaryError)) return unexpected(error);
  const { code } = error.fault;
  if (code === "UNEXPECTED") return unexpected(error);
  const exitCode = EXIT_BY_FAULT[code] ?? EXIT.failure;
  // Each line begins with file:line:column, as editors and terminals know how to open it.
  if (code === "TOPOLOGY_INVALID") return { lines: error.message.split("\n"), exitCode, code };
  return { lines: [`tributary: ${sentence(error)}`], exitCode, code };
}

function unexpected(error: Error): Presented {
  const line = `tributary: unexpected: ${firstLine(error.message)}; this is a mistake in tributary itself, -vv shows where`;
  return { lines: [line], exitCode: EXIT.failure, code: "UNEXPECTED" };
}

/** Errors say cause, place and remedy themselves; the remedies that only a command knows are added. */
function sentence(error: TributaryError): string {
  const message = firstLine(error.message);
  const remedy = REMEDIES[error.fault.code];
  return remedy === undefined || message.includes(";") ? message : `${message}; ${remedy}`;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
