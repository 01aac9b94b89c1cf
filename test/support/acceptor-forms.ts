/** The forms of a gateway in which it is tested what must hold whoever takes the connections. */
import { byEngine } from './engine-under-test.js';

/** How many acceptors the gateway has; with uWebSockets.js it cannot have more than one. */
export const ACCEPTOR_FORMS: readonly number[] = byEngine({ wire: [1, 2], uws: [1] });
