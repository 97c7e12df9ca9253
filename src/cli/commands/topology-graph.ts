/** `topology graph`: draws the topology. */

import { findTopologyFile, loadTopology } from "../../runtime/topology-files.ts";
import { drawTopology, type GraphFormat } from "../../topology/graph.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";

/** Prints the drawing; `-o json` means the JSON form whatever `--format` says. */
export async function topologyGraph(context: CliContext, options: { readonly format: GraphFormat }): Promise<ExitCode> {
  const topology = loadTopology(findTopologyFile(context.options.topology));
  context.line(drawTopology(topology, context.options.output === "json" ? "json" : options.format));
  return EXIT.ok;
}
