/** What producers know, written outside both regions: every record sent, and what became of it. */

import type { RegionName } from "./plan.ts";

/** `unknown`: it may or may not have been appended, now or later. */
export type Outcome = "ok" | "fail" | "unknown";

/** A record as a reader sees it. Key, value and headers in one text, which no two records share. */
export interface SeenRecord {
  readonly content: string;
  readonly timestampMs: bigint;
}

/** A partition of a topic incarnation in the region that it was produced in. */
export interface Origin {
  readonly region: RegionName;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** One record sent. */
export interface LedgerRecord extends SeenRecord {
  readonly origin: Origin;
  outcome: Outcome;
  /** As acknowledged. */
  offset: bigint | undefined;
}

/** All records ever sent, by content. */
export class Ledger {
  readonly #records = new Map<string, LedgerRecord>();

  /** Notes a record before it is sent. */
  invoke(origin: Origin, record: SeenRecord): LedgerRecord {
    const entry: LedgerRecord = { ...record, origin, outcome: "unknown", offset: undefined };
    this.#records.set(record.content, entry);
    return entry;
  }

  find(content: string): LedgerRecord | undefined {
    return this.#records.get(content);
  }

  get size(): number {
    return this.#records.size;
  }

  values(): Iterable<LedgerRecord> {
    return this.#records.values();
  }
}

/** Key, value and headers as one text. */
export function contentOf(record: {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}): string {
  const headers = (record.headers ?? []).map(({ key, value }) => `${key}=${text(value)}`);
  return [text(record.key), text(record.value), ...headers].join("|");
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : `"${Buffer.from(bytes).toString("latin1")}"`;
}
