/** `mirror run`: copies until interrupted; the entry point of a worker's process. */

import { openPinoLogger } from "../../adapters/pino-logger.ts";
import { failedMessage } from "../../runtime/child-messages.ts";
import { selectedFlows } from "../../runtime/flow-selection.ts";
import { MirrorWorker } from "../../runtime/worker.ts";
import type { WorkerStatus } from "../../runtime/worker-status.ts";
import type { CliContext } from "../context.ts";
import { CommandError } from "../errors.ts";
import type { ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";
import { interruption } from "../signals.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** How often the progress line is repainted. */
const PROGRESS_EVERY_MS = 500;

/** Runs until a signal or a command ends it; what is in flight is settled first. */
export async function mirrorRun(
  context: CliContext,
  options: { readonly attached?: boolean },
  mirrors: readonly string[],
): Promise<ExitCode> {
  using interrupted = interruption((name) => context.talk(`${name}: finishing what is in flight; again quits at once`));
  try {
    return await run(context, { attached: options.attached === true, mirrors, interrupted });
  } catch (error) {
    process.send?.(failedMessage(error));
    throw error;
  } finally {
    if (process.connected) process.disconnect();
  }
}

interface Run {
  readonly attached: boolean;
  readonly mirrors: readonly string[];
  readonly interrupted: ReturnType<typeof interruption>;
}

async function run(context: CliContext, { attached, mirrors, interrupted }: Run): Promise<ExitCode> {
  const world = topologyInUse(context);
  const flows = selectedFlows(world.topology, mirrors);
  if (flows.length === 0) {
    const message = `the topology has no mirrors (${world.topology.file}); add one under mirrors:`;
    throw new CommandError({ code: "COMMAND_FAILED", what: "no mirrors" }, { message });
  }
  const stop = Promise.withResolvers<void>();
  interrupted.signal.addEventListener("abort", () => stop.resolve(), { once: true });
  if (attached) process.once("disconnect", () => stop.resolve());
  const logger = await openPinoLogger({ level: context.logLevel, fields: { role: "worker" } });
  await using worker = await MirrorWorker.open({ world, flows }, { logger, onShutdown: stop.resolve });
  process.once("exit", () => worker.abandon());
  process.send?.({ kind: "ready", ready: { pid: process.pid } });
  context.talk(`mirroring ${flows.map(({ source, target }) => `${source} -> ${target}`).join(", ")}; Ctrl-C ends`);
  const painting = setInterval(() => context.progress(progressText(worker.status)), PROGRESS_EVERY_MS);
  try {
    await stop.promise;
  } finally {
    clearInterval(painting);
  }
  await worker.close();
  context.talk(`stopped: ${progressText(worker.status)}`);
  return interrupted.exitCode;
}

function progressText({ flows }: WorkerStatus): string {
  const lanes = flows.flatMap((flow) => flow.lanes);
  const sum = (values: readonly (number | null)[]): number => values.reduce<number>((a, b) => a + (b ?? 0), 0);
  const records = sum(lanes.map((lane) => lane.forwardedRecords));
  const behind = sum(lanes.map((lane) => lane.lagRecords));
  const stopped = lanes.filter((lane) => lane.state === "stopped").length;
  const waiting = flows.filter((flow) => flow.state === "waiting").length;
  return [
    `${counted(flows.length, "flow")}, ${counted(lanes.length, "lane")}, ${counted(records, "record")} copied, ${behind} behind`,
    ...(stopped === 0 ? [] : [`${counted(stopped, "lane")} stopped (tributary mirror status tells why)`]),
    ...(waiting === 0 ? [] : [`${counted(waiting, "flow")} waiting for a region`]),
  ].join(", ");
}
