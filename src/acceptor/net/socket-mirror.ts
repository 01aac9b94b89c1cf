/**
 * Sends back the one socket that it was started with: its parent gets a descriptor of its own for
 * the same socket.
 *
 * Thread: acceptor. It is the program of a process that lives for some milliseconds, and that an
 * acceptor starts and ends; without a parent it ends by itself. It never polls the socket, so no
 * connection comes here.
 */
import { createHandle, MIRRORED_FD } from './raw-socket.js';

const handle = createHandle(null, null, null, MIRRORED_FD);
if (typeof handle === 'number') process.exit(1);
process.on('disconnect', () => process.exit());
// Nobody is left to tell when the channel has closed before.
process.send?.({}, handle as never, undefined, (error) => {
  if (error !== null) process.exit(1);
});
