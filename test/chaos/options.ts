/** What `npm run chaos` can be told, and what it says when it is told something else. */

import { parseArgs } from "node:util";

/** Where the plan of a run comes from, and how long it is. */
export interface ChaosOptions {
  /** How long load and faults go on; the check comes after. */
  readonly minutes: number;
  /** Decides the load and the faults; the same seed gives the same of both. */
  readonly seed: number;
  /** What the mirror is told to promise; `at-least-once` shows that the check can fail. */
  readonly delivery: "exactly-once" | "at-least-once";
  readonly output: "text" | "json";
}

/** Everything else is a mistake of the caller's. */
export class UsageError extends Error {}

/** Less is over before anything has been killed; a day of it belongs to a machine of its own. */
const MINUTES_MIN = 0.2;
const MINUTES_MAX = 24 * 60;
const SEEDS = 2 ** 32;

/** The text of `--help`. */
export const USAGE = `npm run chaos -- [--minutes N] [--seed N] [--delivery exactly-once|at-least-once] [-o text|json]

Mirrors 12 partitions between two Apache Kafka clusters while workers are killed and frozen and brokers of the target
come and go, then compares both sides with kcat. Needs Java 17, Maven and kcat. Ends with 0 when everything holds,
1 when something does not, 64 when it was asked wrongly.

  --minutes N    how long load and faults go on (default 3)
  --seed N       the same load and faults again (default: by chance; the report tells it)
  --delivery D   at-least-once must fail: it shows that the check can (default exactly-once)
  -o FORMAT      text or json (default text); progress goes to stderr`;

/** Reads the arguments; undefined means that help was asked for. @throws {UsageError} */
export function parseOptions(args: readonly string[]): ChaosOptions | undefined {
  const { values } = parsed(args);
  if (values.help === true) return undefined;
  const minutes = Number(values.minutes ?? "3");
  if (!(minutes >= MINUTES_MIN && minutes <= MINUTES_MAX))
    throw new UsageError(`--minutes is a number from ${MINUTES_MIN} to ${MINUTES_MAX}`);
  const seed = Number(values.seed ?? Math.floor(Math.random() * SEEDS));
  if (!(Number.isInteger(seed) && seed >= 0 && seed < SEEDS))
    throw new UsageError(`--seed is a whole number from 0 to ${SEEDS - 1}`);
  const delivery = values.delivery ?? "exactly-once";
  if (delivery !== "exactly-once" && delivery !== "at-least-once")
    throw new UsageError("--delivery is exactly-once or at-least-once");
  const output = values.output ?? "text";
  if (output !== "text" && output !== "json") throw new UsageError("-o is text or json");
  return { minutes, seed, delivery, output };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: text,
        seed: text,
        delivery: text,
        output: { ...text, short: "o" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
