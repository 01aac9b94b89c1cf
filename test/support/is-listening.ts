/** Whether somebody takes connections at a port of this machine. */
import { connect } from 'node:net';

/** Connects, and closes at once: nothing is sent. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
