/** Builds the servers of the suite ahead of time: `node test/s3/build-servers.ts`. One after the other, so that the rest of the
 *  machine goes on. */

import { buildServer, SERVER_KINDS, serverMissing } from "./servers.ts";

for (const kind of SERVER_KINDS) {
  const reason = serverMissing(kind);
  if (reason !== undefined) throw new Error(reason);
  console.log(await buildServer(kind));
}
