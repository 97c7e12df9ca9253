/** `topology schema`: the format of topology files as JSON Schema. */

import { topologyJsonSchema } from "../../topology/json-schema.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";

/** Prints the schema. */
export async function topologySchema(context: CliContext): Promise<ExitCode> {
  context.line(JSON.stringify(topologyJsonSchema(), null, 2));
  return EXIT.ok;
}
