/** `quickstart`: the main job on real flights, with crashes, checked record by record. */

import { figuresJson } from "../../quickstart/figures.ts";
import { runQuickstart } from "../../quickstart/quickstart.ts";
import { addressLines, anomalyLines, figuresTable, nextCommands, progressLine } from "../../quickstart/report.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { interruption } from "../signals.ts";

/** Exit 0 only if everything that is promised holds. */
export async function quickstart(context: CliContext, options: { readonly keep?: boolean }): Promise<ExitCode> {
  const keep = options.keep === true;
  using interrupted = interruption((name) => context.talk(`${name}: cleaning up`));
  try {
    const result = await runQuickstart({
      keep,
      stateRoot: context.options.state,
      logLevel: context.logLevel,
      signal: interrupted.signal,
      onProgress: (progress) => context.progress(progressLine(progress)),
      onEvent: (text) => context.progress(text, true),
    });
    context.data(figuresJson(result.figures), () => figuresTable(result));
    for (const line of anomalyLines(result.anomalies)) process.stderr.write(`${line}\n`);
    context.talk(result.holds ? "everything holds" : "NOT everything holds");
    if (keep) context.talk(["", "the regions stay up:", ...addressLines(result.regions)].join("\n"));
    context.talk(["", "next:", ...nextCommands(keep).map((command) => `  ${command}`)].join("\n"));
    return result.holds ? EXIT.ok : EXIT.failure;
  } catch (error) {
    // Everything is cleaned up, but the clients of the job would go on asking for regions that are gone.
    if (interrupted.signal.aborted) process.exit(interrupted.exitCode);
    throw error;
  }
}
