/** What can be wrong with a topology file: every fault of the file at once, each with its place. */

import { TributaryError } from "../core/errors.ts";

/** A spot in a file; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The kind of one mistake. */
export type TopologyIssueCode =
  | "syntax"
  | "unknown-key"
  | "missing-key"
  | "wrong-type"
  | "bad-value"
  | "unit-missing"
  | "literal-secret"
  | "unknown-region"
  | "duplicate-name"
  | "name-collision"
  | "loop"
  | "unsupported"
  | "missing-file";

/** One mistake: where, what, and the nearest known name when a name was meant. */
export interface TopologyIssue {
  readonly code: TopologyIssueCode;
  readonly place: Place;
  readonly fact: string;
  readonly suggestion?: string;
}

/** A topology that cannot be used. */
export type TopologyFault =
  | { readonly code: "TOPOLOGY_INVALID"; readonly file: string; readonly issues: readonly TopologyIssue[] }
  | { readonly code: "TOPOLOGY_REFERENCE_UNSET"; readonly reference: string };

/** Carries every mistake of a file; the message has one line for each. */
export class TopologyError extends TributaryError<TopologyFault> {}

/** What a file says may be quoted at length or carry control characters; a terminal gets this many plain ones of each fact. */
const SHOWN_CHARACTERS_MAX = 300;

/** `file:line:column fact; did you mean "x"?` on one line. */
export function formatIssue(issue: TopologyIssue): string {
  const { file, line, column } = issue.place;
  const hint = issue.suggestion === undefined ? "" : `; did you mean "${issue.suggestion}"?`;
  return `${file}:${line}:${column} ${plain(issue.fact)}${hint}`;
}

function plain(text: string): string {
  const cut = text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
  return cut.replace(/\p{Cc}/gu, "\ufffd");
}

/** Wraps issues, sorted by place and without repeats, into the error to throw. */
export function topologyInvalid(file: string, issues: readonly TopologyIssue[]): TopologyError {
  const seen = new Map(issues.map((issue) => [formatIssue(issue), issue]));
  const sorted = [...seen.values()].sort((a, b) => comparePlaces(a.place, b.place));
  return new TopologyError(
    { code: "TOPOLOGY_INVALID", file, issues: sorted },
    { message: sorted.map(formatIssue).join("\n") },
  );
}

function comparePlaces(a: Place, b: Place): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}
