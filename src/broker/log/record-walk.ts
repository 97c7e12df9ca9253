/** A walk over the records of a batch that reads only what a broker must know of each: offset, time, and whether there is
 *  a key. No object per record, because every produced record passes here. */

import { DEFAULT_DECOMPRESSED_BYTES_MAX } from "../../wire/compression/codec.ts";
import { codecFor } from "../../wire/compression/codecs.ts";
import { WireError } from "../../wire/errors.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { RecordCursor } from "../../wire/record-cursor.ts";

/** Stands before the first record after construction; `next` moves it. */
export class RecordWalk {
  /** Offset of the record minus the batch's base offset. */
  offsetDelta = 0;
  /** Time of the record minus the batch's base timestamp, in milliseconds; exact up to 2^53. */
  timestampDelta = 0;
  hasKey = false;
  readonly #cursor: RecordCursor;

  /** @throws {WireError} `WIRE_BAD_COMPRESSION` */
  constructor(batch: BatchView, limitBytes: number = DEFAULT_DECOMPRESSED_BYTES_MAX) {
    this.#cursor = new RecordCursor(codecFor(batch.codec).decompress(batch.recordBytes, limitBytes));
  }

  /** Reads the next record; false at the end of the bytes. @throws {WireError} `WIRE_BAD_BATCH`, `WIRE_BAD_VARINT` */
  next(): boolean {
    const cursor = this.#cursor;
    const limit = cursor.bytes.length;
    if (cursor.at >= limit) return false;
    const lengthBytes = cursor.varint();
    const end = cursor.at + lengthBytes;
    if (lengthBytes < 1 || end > limit) throw badRecord("record length");
    cursor.at += 1;
    this.timestampDelta = Number(cursor.varlong());
    this.offsetDelta = cursor.varint();
    const keyBytes = cursor.varint();
    this.hasKey = keyBytes >= 0;
    if (keyBytes > 0) cursor.at += keyBytes;
    this.#skipBytes(end);
    this.#skipHeaders(end);
    if (cursor.at !== end) throw badRecord("record length");
    return true;
  }

  #skipBytes(end: number): void {
    const cursor = this.#cursor;
    if (cursor.at >= end) throw badRecord("length inside a record");
    const lengthBytes = cursor.varint();
    if (lengthBytes > 0) cursor.at += lengthBytes;
  }

  #skipHeaders(end: number): void {
    const cursor = this.#cursor;
    if (cursor.at >= end) throw badRecord("length inside a record");
    const count = cursor.varint();
    if (count < 0) throw badRecord("header count");
    for (let i = 0; i < count; i++) {
      this.#skipBytes(end);
      this.#skipBytes(end);
    }
  }
}

function badRecord(what: string): WireError {
  return new WireError({ code: "WIRE_BAD_BATCH", what });
}
