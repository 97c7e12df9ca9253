/** The topology a command works on, and the state directory of its processes. */

import { nodeStorage } from "../adapters/node-storage.ts";
import { StateDirectory } from "../runtime/state-directory.ts";
import { findTopologyFile, loadTopology } from "../runtime/topology-files.ts";
import type { Topology } from "../topology/model.ts";
import type { CliContext } from "./context.ts";

/** Both, found by the global options. */
export interface TopologyInUse {
  readonly topology: Topology;
  readonly file: string;
  readonly state: StateDirectory;
}

/** Reads the topology in use. @throws {TopologyError | RuntimeError} */
export function topologyInUse(context: CliContext): TopologyInUse {
  const file = findTopologyFile(context.options.topology);
  const topology = loadTopology(file);
  const state = new StateDirectory(
    { root: context.options.state, topology: topology.name },
    { storage: nodeStorage() },
  );
  return { topology, file, state };
}
