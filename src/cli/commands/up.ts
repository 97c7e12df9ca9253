/** `up`: starts embedded regions and, unless detached, keeps them until interrupted. */

import { resolve } from "node:path";
import { RuntimeError } from "../../runtime/errors.ts";
import { regionNamed, regionSpec } from "../../runtime/region-spec.ts";
import type { RegionRecord } from "../../runtime/state-directory.ts";
import { type StartedRegion, startRegions, stopRegion } from "../../runtime/supervisor.ts";
import type { Region, Topology } from "../../topology/model.ts";
import { formatDuration } from "../../topology/units.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { counted, renderTable } from "../output.ts";
import { interruption } from "../signals.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Starts the named regions, or all that are embedded. Regions that run already are left alone. */
export async function up(
  context: CliContext,
  options: { readonly detach?: boolean },
  names: readonly string[],
): Promise<ExitCode> {
  const began = performance.now();
  const { topology, state } = topologyInUse(context);
  using interrupted = interruption((name) => context.talk(`${name}: stopping the regions`));
  const wanted = embeddedRegions(topology, names);
  const running = wanted.flatMap((region) => state.region(region.name) ?? []);
  const missing = wanted.filter((region) => !running.some((record) => record.region === region.name));
  const attached = options.detach !== true;
  const stateRoot = resolve(context.options.state);
  const specs = missing.map((region) =>
    regionSpec(topology, region, { stateRoot, attached, logLevel: context.logLevel }),
  );

  let readyCount = 0;
  context.progress(`starting ${counted(specs.length, "region")}`);
  const started = await startRegions(specs, state, (region) => {
    readyCount += 1;
    context.progress(`${readyCount} of ${counted(specs.length, "region")} ready (${region.record.region})`);
  });
  const elapsedMs = performance.now() - began;
  context.progress(
    `${counted(started.length, "region")} started in ${formatDuration(elapsedMs)}, ${running.length} ran already`,
    true,
  );
  print(context, { topology, elapsedMs, started: started.map((region) => region.record), running });
  if (!attached) {
    for (const region of started) region.release();
    return EXIT.ok;
  }
  if (started.length === 0) return EXIT.ok;
  await untilInterrupted(started, interrupted.signal, context);
  context.talk(`stopped ${counted(started.length, "region")}; their data stays in ${state.path}`);
  return interrupted.exitCode;
}

function embeddedRegions(topology: Topology, names: readonly string[]): readonly Region[] {
  if (names.length > 0) return [...new Set(names)].map((name) => regionNamed(topology, name));
  const embedded = topology.regions.filter((region) => region.local !== undefined);
  if (embedded.length > 0) return embedded;
  throw new RuntimeError(
    { code: "REGION_NOT_EMBEDDED", region: "" },
    { message: `all regions are existing clusters (${topology.file}); give one local: {brokers: 3} to start it here` },
  );
}

interface UpReport {
  readonly topology: Topology;
  readonly elapsedMs: number;
  readonly started: readonly RegionRecord[];
  readonly running: readonly RegionRecord[];
}

function print(context: CliContext, report: UpReport): void {
  const rows = [...report.started, ...report.running];
  const bootstrap = (record: RegionRecord): readonly string[] =>
    record.brokers.map(({ host, port }) => `${host}:${port}`);
  const json = {
    topology: report.topology.name,
    elapsed_ms: Math.round(report.elapsedMs),
    regions: rows.map((record) => ({
      region: record.region,
      cluster_id: record.clusterId,
      pid: record.process.pid,
      bootstrap: bootstrap(record),
      started: report.started.includes(record),
    })),
  };
  context.data(json, () =>
    renderTable(
      [
        { title: "REGION", value: (record) => record.region },
        { title: "BOOTSTRAP", value: (record) => bootstrap(record).join(",") },
        { title: "CLUSTER ID", value: (record) => record.clusterId },
        { title: "PID", align: "right", value: (record) => record.process.pid },
      ],
      rows,
    ),
  );
  context.talk("next: tributary mirror run    tributary produce TOPIC -r REGION    tributary down");
}

/** Waits for a signal and stops everything; so does `tributary down` from elsewhere. A region that dies ends the wait with an error. */
async function untilInterrupted(
  started: readonly StartedRegion[],
  signal: AbortSignal,
  context: CliContext,
): Promise<void> {
  const aborted = new Promise<undefined>((resolve) =>
    signal.addEventListener("abort", () => resolve(undefined), { once: true }),
  );
  const left = new Set(started);
  while (left.size > 0 && !signal.aborted) {
    const endings = [...left].map(async (region) => ({ region, end: await region.ended }));
    const first = await Promise.race([aborted, ...endings]);
    if (first === undefined) break;
    left.delete(first.region);
    const { region, end } = first;
    if (end.code === 0) {
      context.talk(`region ${region.record.region} was stopped`);
      continue;
    }
    await Promise.all([...left].map((other) => stopRegion(other.record)));
    const how = end.signal === null ? `ended with code ${end.code}` : `was killed by ${end.signal}`;
    const message = `region "${region.record.region}" ${how} (pid ${region.pid}), the others were stopped; its log is beside its state, start again with tributary up`;
    throw new RuntimeError({ code: "REGION_DIED", region: region.record.region, how }, { message });
  }
  await Promise.all([...left].map((region) => stopRegion(region.record)));
}
