/** Contents of objects, in memory or elsewhere, seen alike. */

import type { ObjectBody } from "./ports.ts";

/** Bytes in memory as a body; a body as it is. */
export function bodyOf(content: Uint8Array | ObjectBody): ObjectBody {
  if (!(content instanceof Uint8Array)) return content;
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return { sizeBytes: bytes.length, read: (start, endExclusive) => bytes.subarray(start, endExclusive) };
}

/** The body's parts of at most `partBytes`, in order. */
export function* partsOf(
  { sizeBytes }: Pick<ObjectBody, "sizeBytes">,
  partBytes: number,
): Generator<{ start: number; endExclusive: number }> {
  for (let start = 0; start < sizeBytes; start += partBytes)
    yield { start, endExclusive: Math.min(sizeBytes, start + partBytes) };
}

/** Read at once by `wholeOf`. */
const PART_BYTES = 8 * 1024 * 1024;

/** All of the body, in memory of its own. */
export async function wholeOf(body: ObjectBody): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { start, endExclusive } of partsOf(body, PART_BYTES)) parts.push(await body.read(start, endExclusive));
  return Buffer.concat(parts);
}

/** Smaller buffers may share their memory with others. */
const OWN_BYTES_MIN = 64 * 1024;

/** Gives memory back at once that nobody else has a part in, where it is at least `bytesMin`. Whoever uses the buffer after that
 *  finds it empty. */
export function freeMemory(bytes: Buffer, bytesMin = OWN_BYTES_MIN): void {
  if (bytes.length < bytesMin || bytes.length !== bytes.buffer.byteLength) return;
  if (bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}
