/** The topology format as JSON Schema, for editors that complete and check YAML. */

import * as z from "zod";
import { mirrorSchema, regionSchema, tieringSchema, topSchema } from "./schema.ts";

/** Draft 7, because that is what YAML language servers read. */
export function topologyJsonSchema(): Readonly<Record<string, unknown>> {
  const described = topSchema.extend({
    defaults: z
      .strictObject({ region: regionSchema.partial().optional(), mirror: mirrorSchema.partial().optional() })
      .optional(),
    regions: z.union([z.array(z.string()).min(1), z.record(z.string(), regionSchema.nullable())]),
    mirrors: z.array(mirrorSchema).default([]),
    tiering: z.array(tieringSchema).default([]),
  });
  const schema = z.toJSONSchema(described, { target: "draft-7", io: "input", unrepresentable: "any" });
  return { ...schema, title: "Tributary topology" };
}
