/** Where the leaders named in a Produce or Fetch response listen, so that a client need not ask again (KIP-951). */

import { array, int32, nullableString, string, struct } from "../schema.ts";

export const nodeEndpoints = array(struct({ nodeId: int32, host: string, port: int32, rack: nullableString }));
