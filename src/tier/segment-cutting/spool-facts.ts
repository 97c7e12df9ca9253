/** What a spool keeps of its segment beside the data, as JSON. */

import type { SpoolStart } from "./spool.ts";

/** How a segment began, and whether it takes no more. */
export interface SpoolFacts extends SpoolStart {
  readonly isClosed: boolean;
}

/** Raised when the meaning changes: other versions are not believed, and fetched anew. */
const FORMAT = 1;

/** The file. */
export function encodeSpoolFacts(facts: SpoolFacts): Buffer {
  const { baseOffset, openedAtMs, leadingGap, isClosed } = facts;
  const earlier = facts.earlierTransactions.map(({ producerId, firstOffset }) => [`${producerId}`, `${firstOffset}`]);
  const json = { format: FORMAT, baseOffset: `${baseOffset}`, openedAtMs, leadingGap, earlier, isClosed };
  return Buffer.from(`${JSON.stringify(json)}\n`);
}

/** Undefined when they are damaged or of another format. */
export function decodeSpoolFacts(bytes: Buffer): SpoolFacts | undefined {
  try {
    const json = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
    if (json["format"] !== FORMAT || typeof json["openedAtMs"] !== "number") return undefined;
    const earlier = json["earlier"] as readonly (readonly [string, string])[];
    return {
      baseOffset: BigInt(String(json["baseOffset"])),
      openedAtMs: json["openedAtMs"],
      leadingGap: json["leadingGap"] === "retention" ? "retention" : undefined,
      earlierTransactions: earlier.map(([producerId, firstOffset]) => {
        return { producerId: BigInt(producerId), firstOffset: BigInt(firstOffset) };
      }),
      isClosed: json["isClosed"] === true,
    };
  } catch {
    return undefined;
  }
}
