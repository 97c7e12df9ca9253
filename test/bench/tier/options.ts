/** What `npm run bench:tier` can be told. */

import { parseArgs } from "node:util";

/** What to measure and how to tell it. */
export interface BenchOptions {
  readonly rounds: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly output: "text" | "markdown" | "json";
}

/** Everything else is a mistake of the caller's. */
export class UsageError extends Error {}

const MIB = 1024 * 1024;
const ROUNDS_MAX = 99;
const ROUND_MIB_MAX = 16_384;
const FULL = { rounds: 7, segments: 8, roundMiB: 1_024 };
const QUICK = { rounds: 5, segments: 4, roundMiB: 256 };

/** The text of `--help`. */
export const USAGE = `npm run bench:tier -- [--quick] [--rounds N] [--round-mib N] [-o FORMAT]

Moves the same segments to MinIO and to a directory, reads them back and restores half of them into an embedded region, beside the
SDK's own multipart upload and download, plain copies of the files and plain produce: rate, CPU, requests, memory, and how long one
cold fetch takes. Rounds of all contenders take turns.
Needs Go, which builds MinIO once; wants a machine that does nothing else. Ends with 0 when every budget is kept, 1 when one is
missed, 64 when it was asked wrongly.

  --quick        what three minutes allow
  --rounds N     rounds after the warm-up, of which the median counts (default ${FULL.rounds}; with --quick ${QUICK.rounds})
  --round-mib N  MiB that a round moves (default ${FULL.roundMiB}; with --quick ${QUICK.roundMiB}); small ones show only that it runs
  -o FORMAT      text, markdown or json (default text); progress goes to stderr`;

/** Reads the arguments; undefined means that help was asked for. @throws {UsageError} */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const values = parsed(args);
  if (values.help === true) return undefined;
  const shape = values.quick === true ? QUICK : FULL;
  const rounds = Number(values.rounds ?? shape.rounds);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX))
    throw new UsageError(`--rounds is a whole number from 1 to ${ROUNDS_MAX}`);
  const roundMiB = Number(values["round-mib"] ?? shape.roundMiB);
  if (!(roundMiB >= 1 && roundMiB <= ROUND_MIB_MAX))
    throw new UsageError(`--round-mib is a number from 1 to ${ROUND_MIB_MAX}`);
  const output = values.output ?? "text";
  if (output !== "text" && output !== "markdown" && output !== "json")
    throw new UsageError("-o is text, markdown or json");
  const { segments } = shape;
  return { rounds, segments, segmentBytes: Math.floor((roundMiB * MIB) / segments), output };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    const options = {
      quick: flag,
      rounds: text,
      "round-mib": text,
      output: { ...text, short: "o" },
      help: flag,
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
