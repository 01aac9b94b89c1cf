/**
 * Finds a socket that systemd has bound for this process (sd_listen_fds(3)).
 *
 * Thread: acceptor, on the main thread. The descriptor belongs to the process, and a thread that
 * listened by it would end the process together with itself: acceptors in threads get copies
 * (socket-copy.ts).
 */
import { StartupError } from '../../base/startup-error.js';

/** Descriptors begin behind standard input, output and error. */
const FIRST_FD = 3;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The descriptor of the socket with this name.
 *
 * @throws StartupError when systemd has handed over none of the name.
 */
export function inheritedFd(
  name: string,
  env: Environment = process.env,
  pid: number = process.pid,
): number {
  const count = Number(env['LISTEN_FDS'] ?? 0);
  const isOurs = Number(env['LISTEN_PID']) === pid;
  if (!isOurs || !Number.isInteger(count) || count < 1) {
    const hint = 'start it by a socket unit of systemd, or give the listener a host and a port';
    throw new StartupError(`no sockets were handed to this process for "${name}": ${hint}`);
  }
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':').slice(0, count);
  const at = names.indexOf(name);
  if (at !== -1 && names.indexOf(name, at + 1) === -1) return FIRST_FD + at;
  const why = at === -1 ? 'none of the sockets' : 'more than one of the sockets';
  throw new StartupError(
    `${why} of systemd is called "${name}": there are ${names.join(', ')}; ` +
      'FileDescriptorName= of a socket unit names one',
  );
}
