/**
 * Takes away a Unix socket that a process which did not end in order has left behind.
 *
 * Thread: acceptor; the supervisor for what acceptors share. Invariant: a path whose owner lives is
 * never taken away. Two things make that hard. Whoever has bound a path listens a moment later, and
 * until then it refuses connections as an abandoned one does: so the kernel is asked who has bound
 * it. And what was abandoned when it was looked at may be another one's by the time it is taken
 * away: so one process at a time looks and takes, by a name that nobody can leave behind.
 */
import { createHash } from 'node:crypto';
import { lstat, readFile, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { createHandle, type RawSocket } from './raw-socket.js';

/** False: it is a file of another kind, has an owner, or is just taken away by somebody else. */
export async function removeAbandoned(path: string): Promise<boolean> {
  const lock = lockOf(path);
  if (lock === 'taken') return false;
  try {
    if (!(await isAbandoned(path))) return false;
    await unlink(path);
    return true;
  } finally {
    lock?.close();
  }
}

/**
 * A name in the kernel's own list (unix(7), abstract sockets): it has no file, and goes with its
 * process. null: there is no such list on this system.
 */
function lockOf(path: string): RawSocket | 'taken' | null {
  if (process.platform !== 'linux') return null;
  const text = `sluice ${createHash('sha256').update(resolve(path)).digest('hex')}`;
  // All of the name counts: some versions of Node.js fill it up with zeros.
  const handle = createHandle(`\0${text.padEnd(LOCK_CHARS, '.')}`, -1, -1);
  return typeof handle === 'number' ? 'taken' : handle;
}

const LOCK_CHARS = 107;

/** It is a socket, nobody listens behind it, and nobody is about to. */
async function isAbandoned(path: string): Promise<boolean> {
  const file = await lstat(path).catch(() => null);
  return file?.isSocket() === true && (await refusesAll(path)) && !(await hasOwner(path));
}

/** Sockets that are bound, also those that nobody listens at. */
const BOUND_SOCKETS = '/proc/net/unix';
const PATH_COLUMN = /^(?:\S+\s+){7}(.+)$/;

/** Some process has bound the path. False where the system does not say it. */
async function hasOwner(path: string): Promise<boolean> {
  const table = await readFile(BOUND_SOCKETS, 'utf8').catch(() => '');
  const wanted = resolve(path);
  return table.split('\n').some((row) => {
    const [, bound] = PATH_COLUMN.exec(row) ?? [];
    return bound !== undefined && resolve(bound) === wanted;
  });
}

/** A file that is no socket refuses connections, too. */
function refusesAll(path: string): Promise<boolean> {
  return new Promise((tell) => {
    const probe = connect({ path });
    probe.on('error', (error: NodeJS.ErrnoException) => tell(error.code === 'ECONNREFUSED'));
    probe.on('connect', () => {
      probe.destroy();
      tell(false);
    });
  });
}
