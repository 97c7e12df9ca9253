/** What kcat prints with `FORMAT`, as records: a line of facts, then key and value as they are. */

import { createHash } from "node:crypto";

/** One record as the reader saw it. */
export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  /** The number in its header `id`; -1 when it has none. */
  readonly id: number;
  /** Timestamp, key, value and headers; equal digests are equal records. */
  readonly digest: string;
}

/** For `kcat -f`: partition, offset, timestamp, lengths (-1 is null) and headers, then the bytes. */
export const FORMAT = "%p %o %T %K %S %h\\n%k%s\\n";

const NEWLINE = 10;

/** Cuts a stream of kcat's output into records. */
export class KcatParser {
  #pending: Buffer = Buffer.alloc(0);

  /** The records that are complete with this piece. @throws {Error} when the output is not what was asked for */
  push(piece: Buffer): readonly ReadRecord[] {
    this.#pending = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
    const records: ReadRecord[] = [];
    let at = 0;
    for (;;) {
      const taken = recordAt(this.#pending, at);
      if (taken === undefined) break;
      records.push(taken.record);
      at = taken.next;
    }
    this.#pending = this.#pending.subarray(at);
    return records;
  }

  /** Bytes that are no whole record; 0 at a proper end. */
  get pendingBytes(): number {
    return this.#pending.length;
  }
}

function recordAt(bytes: Buffer, at: number): { readonly record: ReadRecord; readonly next: number } | undefined {
  const lineEnd = bytes.indexOf(NEWLINE, at);
  if (lineEnd === -1) return undefined;
  const line = bytes.toString("latin1", at, lineEnd);
  const [partition, offset, timestampMs, keyBytes, valueBytes] = line.split(" ", 5).map(Number);
  if (partition === undefined || offset === undefined || timestampMs === undefined) throw unreadable(line);
  if (keyBytes === undefined || valueBytes === undefined || Number.isNaN(valueBytes)) throw unreadable(line);
  const bodyEnd = lineEnd + 1 + Math.max(0, keyBytes) + Math.max(0, valueBytes);
  if (bytes.length <= bodyEnd) return undefined;
  if (bytes[bodyEnd] !== NEWLINE) throw unreadable(line);
  const headers = line.split(" ").slice(5).join(" ");
  const digest = createHash("md5")
    .update(`${timestampMs} ${keyBytes} ${valueBytes} ${headers}\n`)
    .update(bytes.subarray(lineEnd + 1, bodyEnd))
    .digest("base64");
  const id = Number(/(?:^|,)id=(\d+)/.exec(headers)?.[1] ?? -1);
  return { record: { partition, offset, timestampMs, id, digest }, next: bodyEnd + 1 };
}

function unreadable(line: string): Error {
  return new Error(`kcat printed what cannot be read: ${line.slice(0, 200)}`);
}
