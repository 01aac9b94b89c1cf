/**
 * GET /mirror: what became of the copies of requests, and the last differences.
 *
 * Thread: supervisor (on the main thread).
 */
import type { AdminHandler } from '../admin-handler.js';

export interface MirrorDesk {
  /** Of routes. */
  rows(): readonly object[];
  /** The newest first; with no value of a field, no query and no byte of a body. */
  samples(): readonly { readonly unixMs: number }[];
}

export function mirrorHandler(desk: MirrorDesk): AdminHandler {
  return {
    method: 'GET',
    path: '/mirror',
    needsToken: false,
    answer: () => ({
      status: 200,
      body: {
        routes: desk.rows(),
        samples: desk.samples().map(({ unixMs, ...sample }) => ({
          time: new Date(unixMs).toISOString(),
          ...sample,
        })),
      },
    }),
  };
}
