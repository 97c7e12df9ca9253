/** The process of one contender: opens it once, runs a round when told so, and answers what it cost. */

import { subscribe } from "node:diagnostics_channel";
import { argv } from "node:process";
import { toError } from "../../../src/core/errors.ts";
import { type ContenderName, openContender, type Place } from "./contenders.ts";

/** What a round cost. */
export interface RoundCost {
  readonly bytes: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly requests: number;
  /** Highest resident memory of the process so far. */
  readonly peakBytes: number;
  readonly fetchesMs: readonly number[];
}

const KIB = 1_024;

let requests = 0;
subscribe("http.client.request.start", () => {
  requests++;
});

const reviver = (_: string, value: unknown): unknown =>
  typeof value === "string" && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
const place = JSON.parse(argv[3] ?? "", reviver) as Place;
const contender = await openContender(argv[2] as ContenderName, place);

async function run(round: number): Promise<RoundCost> {
  const requestsBefore = requests;
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const { bytes, fetchesMs = [], tidy } = await contender(round);
  const wallSeconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cost = {
    bytes,
    wallSeconds,
    cpuSeconds: (user + system) / 1_000_000,
    requests: requests - requestsBefore,
    peakBytes: process.resourceUsage().maxRSS * KIB,
    fetchesMs,
  };
  await tidy?.();
  return cost;
}

process.on("message", ({ round }: { readonly round: number }) => {
  run(round).then(
    (cost) => process.send?.({ cost }),
    (error: unknown) => process.send?.({ error: toError(error).message }),
  );
});
process.once("disconnect", () => process.exit());
process.send?.({ isReady: true });
