/** The servers of the suite, each started on first use and shared from then on. */

import { after } from "node:test";
import { type S3Server, SERVER_KINDS, type ServerKind, serverMissing, startServer } from "./servers.ts";

const cleanup = new AsyncDisposableStack();
after(() => cleanup.disposeAsync());

/** A kind of server that the suite can use. */
export interface SharedServer {
  readonly name: string;
  /** Why it cannot be used here, for `skip`. */
  readonly skip: string | false;
  readonly get: () => Promise<S3Server>;
}

function shared(kind: ServerKind): SharedServer {
  let opened: Promise<S3Server> | undefined;
  const get = (): Promise<S3Server> => {
    opened ??= startServer(kind).then((server) => cleanup.use(server));
    return opened;
  };
  return { name: kind.name, skip: serverMissing(kind) ?? false, get };
}

/** All of them. */
export const SERVERS: readonly SharedServer[] = SERVER_KINDS.map(shared);
