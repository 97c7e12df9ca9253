/** `region serve`: one embedded region in the foreground of this process, as a container runs it. */

import { resolve } from "node:path";
import { ChildError } from "../../runtime/child-messages.ts";
import { regionNamed, regionSpec } from "../../runtime/region-spec.ts";
import { runRegion } from "../../runtime/run-region.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Runs until it is told to stop. */
export async function regionServe(context: CliContext, _options: object, name: string): Promise<ExitCode> {
  const { topology } = topologyInUse(context);
  const stateRoot = resolve(context.options.state);
  const spec = regionSpec(topology, regionNamed(topology, name), {
    stateRoot,
    attached: false,
    logLevel: context.logLevel,
  });
  let failure: ChildError | undefined;
  await runRegion(spec, async (message) => {
    if (message.kind === "failed") failure = new ChildError(message.fault, { message: message.message });
    else
      context.data({ ...message.ready }, () =>
        message.ready.brokers.map(({ host, port }) => `${host}:${port}`).join(","),
      );
  });
  if (failure !== undefined) throw failure;
  return EXIT.ok;
}
