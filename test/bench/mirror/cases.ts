/** What is measured: shapes of data, and which mirrors copy them. */

import type { ContenderName } from "./contenders.ts";

/** Kafka's number of a codec. */
export type Codec = 0 | 3 | 4;

/** One shape of data. */
export interface Case {
  readonly name: string;
  readonly recordBytes: number;
  readonly codec: Codec;
  readonly partitions: number;
  /** `history`: records of 2001, which no producer state remembers; Tributary then copies in transactions. */
  readonly age: "live" | "history";
  /** Bytes of record values that a mirror copies before it is measured. */
  readonly warmBytes: number;
  /** Bytes of record values that one round copies. */
  readonly roundBytes: number;
  readonly contenders: readonly ContenderName[];
  /** Added latency is measured too. */
  readonly latency: boolean;
}

/** Names of codecs, as in settings of clients. */
export const CODEC_NAMES: Readonly<Record<Codec, string>> = { 0: "none", 3: "lz4", 4: "zstd" };

const MIB = 1024 * 1024;
const SIZE_NAMES: Readonly<Record<number, string>> = { 100: "100 B", 1024: "1 KiB", 65536: "64 KiB" };

/** Until the compilers of V8 are done with the hot path: the first 64 MiB cost the bare loop 7.2 CPU s per GB and Tributary 9.5, and
 *  costs were level from 500 MB on. How much of it this much before and a median over rounds leave was not measured. */
const WARM_BYTES = 384 * MIB;
/** A second and a half at 130 MB/s: some forty ticks of the CPU clock for the cheapest mirror, so that one more is 2 %. */
const ROUND_BYTES = 192 * MIB;
/** Records of 100 B cost MirrorMaker 2 ten times more per byte. */
const SMALL_SHARE = 1 / 2;
/** Of what a quick run copies before and in each round. */
const QUICK_SHARE = 2 / 3;

const OURS: readonly ContenderName[] = ["tributary", "relay"];
/** The best settings of MirrorMaker 2 in both modes, which is what the budgets are about. */
const BEST: readonly ContenderName[] = [...OURS, "mm2-tuned", "mm2-tuned-eos"];
const ALL: readonly ContenderName[] = [...BEST, "mm2-shipped", "mm2-shipped-eos"];

type Shape = Pick<Case, "recordBytes" | "codec" | "partitions" | "age">;

function caseOf(shape: Shape, rest: Pick<Case, "contenders" | "latency">, share = 1): Case {
  const what = `${SIZE_NAMES[shape.recordBytes]}, ${CODEC_NAMES[shape.codec]}`;
  const name = `${what}, ${shape.partitions} partition${shape.partitions === 1 ? "" : "s"}, ${shape.age}`;
  const size = share * (shape.recordBytes < 1_000 ? SMALL_SHARE : 1);
  return { name, ...shape, ...rest, warmBytes: WARM_BYTES * size, roundBytes: ROUND_BYTES * size };
}

/** Everything: sizes, codecs, partitions, and history. MirrorMaker 2 as shipped is there where nothing is compressed: it does not
 *  compress what it copies, so that codecs say nothing about it. Latency is that of uncompressed records of 1 KiB. */
export function fullCases(): readonly Case[] {
  const cases: Case[] = [];
  for (const codec of [0, 3, 4] as const) {
    for (const recordBytes of [1_024, 100, 65_536]) {
      for (const partitions of [1, 100]) {
        const latency = recordBytes === 1_024 && codec === 0;
        const contenders = codec === 0 ? ALL : BEST;
        cases.push(caseOf({ recordBytes, codec, partitions, age: "live" }, { contenders, latency }));
      }
    }
  }
  for (const recordBytes of [1_024, 100]) {
    for (const partitions of [1, 100]) {
      const shape = { recordBytes, codec: 0, partitions, age: "history" } as const;
      cases.push(caseOf(shape, { contenders: BEST, latency: false }));
    }
  }
  return cases;
}

/** What five minutes allow, with every budget among it. */
export function quickCases(): readonly Case[] {
  const live = { codec: 0, age: "live" } as const;
  const without = { latency: false };
  return [
    caseOf({ ...live, recordBytes: 1_024, partitions: 24 }, { contenders: BEST, latency: true }, QUICK_SHARE),
    caseOf({ ...live, recordBytes: 1_024, partitions: 1 }, { contenders: OURS, ...without }, QUICK_SHARE),
    caseOf(
      { ...live, recordBytes: 100, partitions: 24 },
      { contenders: [...OURS, "mm2-tuned"], ...without },
      QUICK_SHARE,
    ),
    caseOf(
      { codec: 0, age: "history", recordBytes: 1_024, partitions: 24 },
      { contenders: OURS, ...without },
      QUICK_SHARE,
    ),
  ];
}
