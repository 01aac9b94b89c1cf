/** A client's side of an exchange that ignores everything but what the test is about. */
import type { Downstream } from '../../src/acceptor/in-flight-table.js';

export function aDownstream(wish: Partial<Downstream> = {}): Downstream {
  return {
    onResponseHead() {},
    onResponseBody() {},
    onResponseEnd() {},
    onResponseTrailers() {},
    onResponseInterim() {},
    onTunnelBytes() {},
    onTunnelEnd() {},
    onResponseAbort() {},
    onWindow() {},
    onConversation() {},
    takeRerun: () => null,
    onLaneLost() {},
    onUnserved() {},
    onBroken(error) {
      throw error;
    },
    onLook() {},
    ...wish,
  };
}
