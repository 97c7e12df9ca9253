/** `down`: stops embedded regions and the mirror worker, and with `--wipe` removes what they kept. */

import { existsSync } from "node:fs";
import { control } from "../../runtime/control-client.ts";
import { regionNamed } from "../../runtime/region-spec.ts";
import { ensureEnded, stopRegion } from "../../runtime/supervisor.ts";
import type { CliContext } from "../context.ts";
import { usageError } from "../errors.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Stops what runs. Nothing running is no mistake: afterwards nothing runs, which is what was asked for. */
export async function down(
  context: CliContext,
  options: { readonly wipe?: boolean },
  names: readonly string[],
): Promise<ExitCode> {
  const { topology, state } = topologyInUse(context);
  if (options.wipe === true && names.length > 0) {
    throw usageError("--wipe removes the data of all regions; leave the names out");
  }
  for (const name of names) regionNamed(topology, name);
  const worker = names.length === 0 ? state.worker() : undefined;
  if (worker !== undefined) {
    context.progress("stopping the mirror worker");
    await control(worker.socketPath, { method: "POST", path: "/shutdown" }).catch(() => undefined);
    await ensureEnded(worker.process);
  }
  const regions = state.regions().filter((record) => names.length === 0 || names.includes(record.region));
  context.progress(`stopping ${counted(regions.length, "region")}`);
  await Promise.all(regions.map(stopRegion));
  for (const { region } of regions) state.forget(`region.${region}`);
  if (worker !== undefined) state.forget("worker");
  const hadData = existsSync(state.path);
  if (options.wipe === true) state.wipe();
  const stopped = regions.map((record) => record.region);
  context.data(
    { topology: topology.name, stopped, worker_stopped: worker !== undefined, wiped: options.wipe === true },
    () =>
      [
        stopped.length === 0 ? "no region was running" : `stopped ${stopped.join(", ")}`,
        ...(worker === undefined ? [] : ["stopped the mirror worker"]),
        ...(hadData ? [options.wipe === true ? `removed ${state.path}` : `data stays in ${state.path}`] : []),
      ].join("\n"),
  );
  return EXIT.ok;
}
