/** `topology validate`: every mistake of the files, or a word that all is well. */

import { findTopologyFile, loadTopology } from "../../runtime/topology-files.ts";
import { formatIssue, TopologyError, type TopologyIssue } from "../../topology/errors.ts";
import { flowsOf } from "../../topology/model.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";

/** Checks the given files, or the topology in use. */
export async function topologyValidate(
  context: CliContext,
  _options: object,
  names: readonly string[],
): Promise<ExitCode> {
  const wanted = names.length > 0 ? names : [context.options.topology];
  const reports = wanted.map((name) => validate(findTopologyFile(name)));
  const issues = reports.flatMap((report) => report.issues);
  if (context.options.output === "json") {
    context.data({ valid: issues.length === 0, issues: issues.map(issueJson) }, () => "");
  } else {
    for (const report of reports) if (report.summary !== undefined) context.line(report.summary);
  }
  for (const issue of issues) process.stderr.write(`${formatIssue(issue)}\n`);
  return issues.length === 0 ? EXIT.ok : EXIT.invalidTopology;
}

function validate(file: string): { readonly summary: string | undefined; readonly issues: readonly TopologyIssue[] } {
  try {
    const topology = loadTopology(file);
    const counts = [
      counted(topology.regions.length, "region"),
      counted(topology.mirrors.length, "mirror"),
      counted(flowsOf(topology).length, "flow"),
    ].join(", ");
    return { summary: `${topology.file}: ${topology.name} is valid: ${counts}`, issues: [] };
  } catch (error) {
    if (error instanceof TopologyError && error.fault.code === "TOPOLOGY_INVALID") {
      return { summary: undefined, issues: error.fault.issues };
    }
    throw error;
  }
}

function issueJson({ code, place, fact, suggestion }: TopologyIssue): object {
  return { file: place.file, line: place.line, column: place.column, code, fact, suggestion: suggestion ?? null };
}
