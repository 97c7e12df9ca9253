/** A world made of a topology: the worker is `tributary mirror run`, offsets are translated as `tributary offsets` does.
 *  How the target's broker goes and comes, and whether segments move, is told by whoever knows the regions. */

import { RuntimeError } from "../runtime/errors.ts";
import type { StateDirectory } from "../runtime/state-directory.ts";
import { type StartedProcess, startWorker } from "../runtime/supervisor.ts";
import { flowsOf, type Topology } from "../topology/model.ts";
import { renamedTopic } from "../topology/naming.ts";
import { laneTranslators } from "./lane-translators.ts";
import type { RegionAccess } from "./region-access.ts";
import type { MainJobWorld, OffloadResult, WorkerProcess } from "./world.ts";

/** A topology in use, and what only the kind of its regions decides. */
export interface MirrorWorldParts {
  readonly topology: Topology;
  /** Absolute path of its file. */
  readonly topologyFile: string;
  readonly state: StateDirectory;
  readonly stateRoot: string;
  readonly sources: readonly RegionAccess[];
  readonly target: RegionAccess;
  readonly stopTargetBroker: () => Promise<void>;
  readonly startTargetBroker: () => Promise<void>;
  readonly offload?: () => Promise<OffloadResult>;
}

/** The world of a fan-in topology: every source has exactly one flow to the target.
 *  @throws {RuntimeError} `MIRROR_UNKNOWN` when a source has none */
export function mirrorWorld(parts: MirrorWorldParts): MainJobWorld {
  const { topology, state, stateRoot } = parts;
  return {
    sources: parts.sources,
    target: parts.target,
    targetTopic: (region, topic) => {
      const { mirror, source, target } = flowOf(topology, region, parts.target.region);
      return renamedTopic(mirror.rename, { source, target, mirror: mirror.name }, topic);
    },
    startWorker: async () => {
      const options = { topology: parts.topologyFile, stateRoot, mirrors: [], attached: true };
      return workerProcess(await startWorker(options, state));
    },
    stopTargetBroker: parts.stopTargetBroker,
    startTargetBroker: parts.startTargetBroker,
    translators: (lanes) => laneTranslators({ topology, state, target: parts.target.region }, lanes),
    ...(parts.offload && { offload: parts.offload }),
  };
}

function flowOf(topology: Topology, source: string, target: string) {
  const flow = flowsOf(topology).find((one) => one.source === source && one.target === target);
  if (flow !== undefined) return flow;
  const known = flowsOf(topology).map((one) => `${one.source} to ${one.target}`);
  throw new RuntimeError(
    { code: "MIRROR_UNKNOWN", mirror: `${source} to ${target}`, known },
    { message: `nothing mirrors ${source} to ${target} (${topology.file}); known are ${known.join(", ")}` },
  );
}

function workerProcess(started: StartedProcess): WorkerProcess {
  const ended = started.ended.then(({ code, signal }) => ({ exitCode: code, signal }));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    started.kill(signal);
    await ended;
  };
  return { pid: started.pid, ended, kill: () => end("SIGKILL"), stop: () => end("SIGTERM") };
}
