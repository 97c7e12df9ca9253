/** What is measured: shapes of data, and which mirrors copy them. */

import type { ContenderName } from "./contenders.ts";

/** One shape of data. */
export interface Case {
  readonly name: string;
  readonly recordBytes: number;
  /** Kafka's number of the codec. */
  readonly codec: 0 | 3 | 4;
  readonly partitions: number;
  /** `history`: records of 2001, which no producer state remembers; Tributary then copies in transactions. */
  readonly age: "live" | "history";
  /** Bytes of record values that one round copies. */
  readonly roundBytes: number;
  readonly contenders: readonly ContenderName[];
  /** Added latency is measured too. */
  readonly latency: boolean;
}

const MIB = 1024 * 1024;
const CODEC_NAMES = { 0: "none", 3: "lz4", 4: "zstd" } as const;
const SIZE_NAMES: Readonly<Record<number, string>> = { 100: "100 B", 1024: "1 KiB", 65536: "64 KiB" };
const ALL: readonly ContenderName[] = [
  "tributary",
  "relay",
  "mm2-tuned",
  "mm2-tuned-eos",
  "mm2-shipped",
  "mm2-shipped-eos",
];
/** The best settings of MirrorMaker 2 in both modes, which is what the budgets are about. */
const BEST: readonly ContenderName[] = ["tributary", "relay", "mm2-tuned", "mm2-tuned-eos"];

type Shape = Pick<Case, "recordBytes" | "codec" | "partitions" | "age">;

function caseOf(shape: Shape, rest: Pick<Case, "contenders" | "latency" | "roundBytes">): Case {
  const what = `${SIZE_NAMES[shape.recordBytes]}, ${CODEC_NAMES[shape.codec]}`;
  const name = `${what}, ${shape.partitions} partition${shape.partitions === 1 ? "" : "s"}, ${shape.age}`;
  return { name, ...shape, ...rest };
}

/** Everything: sizes, codecs, partitions, and history. About an hour and a half. */
export function fullCases(): readonly Case[] {
  const cases: Case[] = [];
  for (const recordBytes of [1_024, 100, 65_536]) {
    for (const codec of [0, 3, 4] as const) {
      for (const partitions of [1, 100]) {
        const latency = recordBytes === 1_024;
        const shape = { recordBytes, codec, partitions, age: "live" } as const;
        cases.push(caseOf(shape, { contenders: ALL, latency, roundBytes: 128 * MIB }));
      }
    }
  }
  for (const recordBytes of [1_024, 100]) {
    for (const partitions of [1, 100]) {
      const shape = { recordBytes, codec: 0, partitions, age: "history" } as const;
      cases.push(caseOf(shape, { contenders: BEST, latency: false, roundBytes: 128 * MIB }));
    }
  }
  return cases;
}

/** What five minutes allow, with every budget among it. */
export function quickCases(): readonly Case[] {
  const live = { codec: 0, age: "live" } as const;
  const ours: readonly ContenderName[] = ["tributary", "relay"];
  return [
    caseOf({ ...live, recordBytes: 1_024, partitions: 24 }, { contenders: BEST, latency: true, roundBytes: 96 * MIB }),
    caseOf({ ...live, recordBytes: 1_024, partitions: 1 }, { contenders: ours, latency: false, roundBytes: 96 * MIB }),
    caseOf(
      { ...live, recordBytes: 100, partitions: 24 },
      { contenders: ["tributary", "relay", "mm2-tuned"], latency: false, roundBytes: 48 * MIB },
    ),
    caseOf(
      { codec: 0, age: "history", recordBytes: 1_024, partitions: 24 },
      { contenders: ours, latency: false, roundBytes: 96 * MIB },
    ),
  ];
}
