/** Producer state on disk, in Kafka's `.snapshot` format (`ProducerStateManager`, snapshot version 1).
 *
 *  ```
 *  version i16 = 1 | crc u32 = CRC-32C of what follows | count i32 | count times 46 bytes:
 *  producerId i64 | epoch i16 | lastSequence i32 | lastOffset i64 | offsetDelta i32 | timestamp i64
 *  | coordinatorEpoch i32 | currentTxnFirstOffset i64
 *  ``` */

import { crc32c } from "../../wire/crc32c.ts";
import type { ProducerState } from "./producer-states.ts";

const VERSION = 1;
const CRC_AT = 2;
const CRC_COVERED_AT = 6;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 46;

/** The file's content. */
export function encodeSnapshot(states: readonly ProducerState[]): Buffer {
  const buffer = Buffer.alloc(HEADER_BYTES + states.length * ENTRY_BYTES);
  buffer.writeInt16BE(VERSION, 0);
  buffer.writeInt32BE(states.length, CRC_COVERED_AT);
  let at = HEADER_BYTES;
  for (const state of states) {
    at = buffer.writeBigInt64BE(state.producerId, at);
    at = buffer.writeInt16BE(state.producerEpoch, at);
    at = buffer.writeInt32BE(state.lastSequence, at);
    at = buffer.writeBigInt64BE(state.lastOffset, at);
    at = buffer.writeInt32BE(state.offsetDelta, at);
    at = buffer.writeBigInt64BE(state.lastTimestampMs, at);
    at = buffer.writeInt32BE(state.coordinatorEpoch, at);
    at = buffer.writeBigInt64BE(state.currentTxnFirstOffset, at);
  }
  buffer.writeUInt32BE(crc32c(buffer.subarray(CRC_COVERED_AT)), CRC_AT);
  return buffer;
}

/** The states in a file, or undefined when it is damaged or of another version. */
export function decodeSnapshot(buffer: Buffer): readonly ProducerState[] | undefined {
  if (buffer.length < HEADER_BYTES || buffer.readInt16BE(0) !== VERSION) return undefined;
  const count = buffer.readInt32BE(CRC_COVERED_AT);
  if (buffer.length !== HEADER_BYTES + count * ENTRY_BYTES) return undefined;
  if (crc32c(buffer.subarray(CRC_COVERED_AT)) !== buffer.readUInt32BE(CRC_AT)) return undefined;
  return Array.from({ length: count }, (_, i) => stateAt(buffer, HEADER_BYTES + i * ENTRY_BYTES));
}

function stateAt(buffer: Buffer, at: number): ProducerState {
  return {
    producerId: buffer.readBigInt64BE(at),
    producerEpoch: buffer.readInt16BE(at + 8),
    lastSequence: buffer.readInt32BE(at + 10),
    lastOffset: buffer.readBigInt64BE(at + 14),
    offsetDelta: buffer.readInt32BE(at + 22),
    lastTimestampMs: buffer.readBigInt64BE(at + 26),
    coordinatorEpoch: buffer.readInt32BE(at + 34),
    currentTxnFirstOffset: buffer.readBigInt64BE(at + 38),
  };
}
