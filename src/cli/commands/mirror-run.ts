/** `mirror run`: copies until interrupted; the entry point of a worker's process. */

import nodeModule from "node:module";
import { type LogFormat, openPinoLogger } from "../../adapters/pino-logger.ts";
import type { Endpoint } from "../../core/network.ts";
import { failedMessage } from "../../runtime/child-messages.ts";
import { selectedFlows } from "../../runtime/flow-selection.ts";
import { MirrorWorker } from "../../runtime/worker.ts";
import type { WorkerStatus } from "../../runtime/worker-status.ts";
import { formatHttpAddress } from "../../web/http-address.ts";
import type { HttpServer } from "../../web/http-server.ts";
import type { CliContext } from "../context.ts";
import { CommandError } from "../errors.ts";
import type { ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";
import { interruption } from "../signals.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** How often the progress line is repainted. */
const PROGRESS_EVERY_MS = 500;

/** By then all modules of a worker are loaded. What was compiled is kept for the next start then and not at the end only, because a
 *  worker that is killed has no end. */
const COMPILED_AFTER_MS = 1_000;

/** Options of the command. */
export interface MirrorRunOptions {
  readonly attached?: boolean;
  /** Where to serve metrics and status; nowhere without it. */
  readonly http?: Endpoint;
  readonly metricsGranularity?: "topic" | "partition";
  readonly metricsMaxSeries?: number;
  readonly logFormat?: LogFormat;
}

/** Runs until a signal or a command ends it; what is in flight is settled first. */
export async function mirrorRun(
  context: CliContext,
  options: MirrorRunOptions,
  mirrors: readonly string[],
): Promise<ExitCode> {
  using interrupted = interruption((name) => context.talk(`${name}: finishing what is in flight; again quits at once`));
  try {
    return await run(context, { options, mirrors, interrupted });
  } catch (error) {
    process.send?.(failedMessage(error));
    throw error;
  } finally {
    if (process.connected) process.disconnect();
  }
}

interface Run {
  readonly options: MirrorRunOptions;
  readonly mirrors: readonly string[];
  readonly interrupted: ReturnType<typeof interruption>;
}

async function run(context: CliContext, { options, mirrors, interrupted }: Run): Promise<ExitCode> {
  const world = topologyInUse(context);
  const flows = selectedFlows(world.topology, mirrors);
  if (flows.length === 0) {
    const message = `the topology has no mirrors (${world.topology.file}); add one under mirrors:`;
    throw new CommandError({ code: "COMMAND_FAILED", what: "no mirrors" }, { message });
  }
  const stop = Promise.withResolvers<void>();
  interrupted.signal.addEventListener("abort", () => stop.resolve(), { once: true });
  if (options.attached === true) process.once("disconnect", () => stop.resolve());
  const { logFormat = "json" } = options;
  const logger = await openPinoLogger({ level: context.logLevel, format: logFormat, fields: { role: "worker" } });
  // Listens before anything is copied, so that a port that is taken is known at once, and until everything is settled.
  let running: MirrorWorker | undefined;
  await using http = await served(options, () => running?.status);
  await using worker = await MirrorWorker.open({ world, flows }, { logger, onShutdown: stop.resolve });
  running = worker;
  if (http !== undefined) {
    const address = formatHttpAddress(http.endpoint);
    logger.info("http serves", { address });
    context.talk(`metrics and status on http://${address}/`);
  }
  process.once("exit", () => worker.abandon());
  const started = setTimeout(() => nodeModule.flushCompileCache(), COMPILED_AFTER_MS);
  process.send?.({ kind: "ready", ready: { pid: process.pid } });
  context.talk(`mirroring ${flows.map(({ source, target }) => `${source} -> ${target}`).join(", ")}; Ctrl-C ends`);
  const tiered = world.topology.tiering.map(({ region }) => region);
  const existing = world.topology.regions.filter(({ name, local }) => local === undefined && tiered.includes(name));
  if (existing.length > 0)
    context.talk(
      `tiering of ${existing.map(({ name }) => name).join(", ")} is done by tributary tier offload --follow`,
    );
  const paint = (): void => context.progress(progressText(worker.status));
  // A snapshot of a thousand lanes takes some milliseconds: only where somebody looks.
  const painting = process.stderr.isTTY === true ? setInterval(paint, PROGRESS_EVERY_MS) : undefined;
  try {
    await stop.promise;
  } finally {
    clearInterval(painting);
    clearTimeout(started);
  }
  await worker.close();
  context.talk(`stopped: ${progressText(worker.status)}`);
  return interrupted.exitCode;
}

async function served(
  { http, metricsGranularity, metricsMaxSeries }: MirrorRunOptions,
  status: () => WorkerStatus | undefined,
): Promise<HttpServer | undefined> {
  if (http === undefined) return undefined;
  const { openWorkerHttp } = await import("../../web/worker-http.ts");
  const granularity = metricsGranularity === undefined ? {} : { granularity: metricsGranularity };
  const seriesMax = metricsMaxSeries === undefined ? {} : { seriesMax: metricsMaxSeries };
  return openWorkerHttp({ endpoint: http, ...granularity, ...seriesMax }, status);
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
