/**
 * Ends what a bench started when the bench itself was killed and could not: `node guardian.js`.
 *
 * Reads `add PID` and `drop PID` from its input. When the input closes, the process groups that
 * are still on the list are killed; a bench that ends well has dropped all of its own before.
 */
import { createInterface } from 'node:readline';

const groups = new Set<number>();
const lines = createInterface({ input: process.stdin });

lines.on('line', (line) => {
  const [word, pid] = line.split(' ');
  if (word === 'add') groups.add(Number(pid));
  if (word === 'drop') groups.delete(Number(pid));
});

lines.on('close', () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  }
});
