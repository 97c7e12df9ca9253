/** What `npm run bench:mirror` can be told. */

import { parseArgs } from "node:util";
import { type Case, fullCases, quickCases } from "./cases.ts";
import { type ContenderName, TITLES } from "./contenders.ts";

/** What to measure and how to tell it. */
export interface BenchOptions {
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** Rounds are left out rather than taking longer than this. */
  readonly minutes: number;
  readonly output: "text" | "markdown" | "json";
}

/** Everything else is a mistake of the caller's. */
export class UsageError extends Error {}

/** Odd, so that the median is a round that happened. */
const ROUNDS = 3;
/** A full run leaves two minutes of half an hour to starts and ends; a quick one half a minute of five. */
const MINUTES_FULL = 28;
const MINUTES_QUICK = 4.5;
const MINUTES_MAX = 24 * 60;
const ROUNDS_MAX = 99;
const ROUND_MIB_MAX = 4_096;

/** The text of `--help`. */
export const USAGE = `npm run bench:mirror -- [--quick] [--case TEXT] [--mirrors A,B] [--rounds N] [--minutes N]
                    [--round-mib N] [-o FORMAT]

Measures Tributary beside MirrorMaker 2 on the same two Apache Kafka brokers, in turns, on the same data: rate, CPU, memory and
added latency. Needs Java 17 and Maven; wants a machine that does nothing else. Ends with 0 when every budget
is kept, 1 when one is missed, 64 when it was asked wrongly.

  --quick        what five minutes allow (default: everything, half an hour)
  --case TEXT    only cases whose name holds the text, such as "1 KiB, none, 100" (may be repeated)
  --mirrors A,B  only these: ${Object.keys(TITLES).join(", ")}
  --rounds N     rounds after the warm-up, of which the median counts (default ${ROUNDS})
  --minutes N    leaves out rounds, but for the first of each case, rather than taking longer (default ${MINUTES_FULL}; with --quick ${MINUTES_QUICK})
  --round-mib N  MiB of record values that a round copies (default 192, half for 100 B; with --quick two thirds), after twice
                 as much to warm up; small ones show only that it runs
  -o FORMAT      text, markdown or json (default text); progress goes to stderr`;

/** Reads the arguments; undefined means that help was asked for. @throws {UsageError} */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parsed(args);
  if (values.help === true) return undefined;
  const isQuick = values.quick === true;
  const rounds = Number(values.rounds ?? ROUNDS);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX))
    throw new UsageError(`--rounds is a whole number from 1 to ${ROUNDS_MAX}`);
  const minutes = Number(values.minutes ?? (isQuick ? MINUTES_QUICK : MINUTES_FULL));
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) throw new UsageError(`--minutes is a number up to ${MINUTES_MAX}`);
  const roundMiB = values["round-mib"] === undefined ? undefined : Number(values["round-mib"]);
  if (roundMiB !== undefined && !(roundMiB >= 1 && roundMiB <= ROUND_MIB_MAX))
    throw new UsageError(`--round-mib is a number from 1 to ${ROUND_MIB_MAX}`);
  const output = values.output ?? "text";
  if (output !== "text" && output !== "markdown" && output !== "json")
    throw new UsageError("-o is text, markdown or json");
  const known = isQuick ? quickCases() : fullCases();
  const wanted = values.case ?? [];
  const cases = wanted.length === 0 ? known : known.filter(({ name }) => wanted.some((text) => name.includes(text)));
  if (cases.length === 0)
    throw new UsageError(`no case is called so; there are: ${known.map(({ name }) => name).join("; ")}`);
  const sized = cases.map((one) => (roundMiB === undefined ? one : sizedTo(one, roundMiB * 1024 * 1024)));
  return { cases: sized.map((one) => narrowed(one, values.mirrors)), rounds, minutes, output };
}

function sizedTo(shape: Case, roundBytes: number): Case {
  return { ...shape, roundBytes, warmBytes: 2 * roundBytes };
}

function narrowed(shape: Case, mirrors: string | undefined): Case {
  if (mirrors === undefined) return shape;
  const names = mirrors.split(",");
  const unknown = names.find((name) => !(name in TITLES));
  if (unknown !== undefined)
    throw new UsageError(`--mirrors knows no "${unknown}"; there are ${Object.keys(TITLES).join(", ")}`);
  return { ...shape, contenders: names as readonly ContenderName[] };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: flag,
        case: { ...text, multiple: true },
        mirrors: text,
        rounds: text,
        minutes: text,
        "round-mib": text,
        output: { ...text, short: "o" },
        help: { ...flag, short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
