/**
 * Why the system refuses a file or an address, in words for the operator.
 *
 * Thread: any (pure).
 */

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'its links lead in a circle',
};

/** Why a file cannot be read, after "the file cannot be read: ". */
export function fileProblem(error: unknown): string {
  const known = FILE_PROBLEMS[codeOf(error)];
  if (known !== undefined) return known;
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EACCES: 'the system does not permit it; a port below 1024 needs CAP_NET_BIND_SERVICE',
  EAFNOSUPPORT: 'the system does not have this kind of address',
  ENOTFOUND: 'the name has no address',
  EAI_AGAIN: 'the name cannot be looked up',
};

/** Those of Unix sockets: libuv says EACCES as well where there is no folder. */
const PATH_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use, or a file that is no socket has its name',
  EACCES: 'its folder does not exist, or may not be written to',
};

/** Why nobody can listen at an address, after "cannot listen on …: ". */
export function listenProblem(error: unknown, kind: 'port' | 'path' = 'port'): string {
  const code = codeOf(error);
  const known = kind === 'path' ? PATH_PROBLEMS[code] : LISTEN_PROBLEMS[code];
  return known ?? (error instanceof Error ? error.message : String(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
