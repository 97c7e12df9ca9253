/** MirrorMaker 2's source positions as Kafka Connect keeps them in its offsets topic, a record for each source partition:
 *  `["<connector>",{"cluster":"<source alias>","partition":0,"topic":"t"}]` with `{"offset":n}`, the last offset copied. Keys are
 *  read as JSON, whatever the order of their fields. */

import * as z from "zod";

const keySchema = z.tuple([
  z.string(),
  z.object({ cluster: z.string(), partition: z.int().min(0), topic: z.string() }),
]);
const valueSchema = z.object({ offset: z.int().min(0) });

/** Where a connector stands in one partition. */
export interface StoredPosition {
  readonly connector: string;
  /** The last source offset that is known to be copied. */
  readonly offset: bigint;
}

/** The latest positions for one source cluster. */
export class StoredPositions {
  readonly #alias: string;
  readonly #byPlace = new Map<string, Map<string, bigint>>();

  constructor(sourceAlias: string) {
    this.#alias = sourceAlias;
  }

  /** Takes one record of the offsets topic, in the order of the log; null removes. Positions of other connectors and clusters, and
   *  what cannot be read, are left out: Connect keeps all its connectors' offsets in one topic. */
  apply(key: string, value: Buffer | null): void {
    const parsed = keySchema.safeParse(jsonIn(key));
    if (!parsed.success || parsed.data[1].cluster !== this.#alias) return;
    const [connector, { topic, partition }] = parsed.data;
    const place = placeOf(topic, partition);
    const connectors = this.#byPlace.get(place) ?? new Map<string, bigint>();
    const stored = valueSchema.safeParse(value === null ? null : jsonIn(value.toString("utf8")));
    if (stored.success) connectors.set(connector, BigInt(stored.data.offset));
    else connectors.delete(connector);
    this.#byPlace.set(place, connectors);
  }

  /** Positions in one source partition: none, one, or several when connectors of different names copied it. */
  at(topic: string, partition: number): readonly StoredPosition[] {
    const connectors = this.#byPlace.get(placeOf(topic, partition)) ?? new Map<string, bigint>();
    return [...connectors].map(([connector, offset]) => ({ connector, offset }));
  }
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
