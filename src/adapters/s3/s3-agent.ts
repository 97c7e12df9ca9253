/** HTTP agents whose connections read into one buffer each, over and over: the parser copies what belongs to a body out of it at
 *  once. Otherwise each read makes 64 KiB of garbage outside the heap, and the collector runs for nothing else. */

import { type ClientRequestArgs, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { OnReadOpts } from "node:net";
import type { Duplex } from "node:stream";

/** As much as Node.js asks the system for at once. */
const READ_BYTES = 64 * 1024;

type Connected = (error: Error | null, stream: Duplex) => void;

/** For `http:`. */
export class ReusingHttpAgent extends HttpAgent {
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return reusing((onread) => super.createConnection(Object.assign({}, options, { onread }), connected));
  }
}

/** For `https:`. */
export class ReusingHttpsAgent extends HttpsAgent {
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return reusing((onread) => super.createConnection(Object.assign({}, options, { onread }), connected));
  }
}

/** Whoever hears of data must be done with them when the call returns. */
function reusing(connect: (onread: OnReadOpts) => Duplex | null | undefined): Duplex | null | undefined {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const callback = (count: number): boolean => {
    socket?.emit("data", buffer.subarray(0, count));
    return true;
  };
  const socket = connect({ buffer, callback });
  return socket;
}
