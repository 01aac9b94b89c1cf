/**
 * Gets a second descriptor for a socket of this process.
 *
 * Thread: acceptor. Several threads cannot listen by one descriptor: libuv ends the whole process
 * when one of them ends, and a number that two close may be somebody else's when the second one
 * does. Node cannot copy a descriptor, but the kernel does when a socket is sent to a process and
 * comes back. The copy comes to this thread alone, which closes it, also when it dies.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isRawSocket, type RawSocket } from './raw-socket.js';

/** Longest life of the process that sends the socket back; it takes 30 ms. */
const COPY_MS_MAX = 10_000;

const MIRROR = fileURLToPath(new URL('./socket-mirror.js', import.meta.url));

/** For tests; what is absent is as it should be. */
export interface CopyOptions {
  readonly program?: string;
  readonly msMax?: number;
}

/** Rejects when the process that makes the copy does not start, ends too early, or is too slow. */
export function copySocket(descriptor: number, options: CopyOptions = {}): Promise<RawSocket> {
  const { program = MIRROR, msMax = COPY_MS_MAX } = options;
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new Error(`the process that copies its socket ${why}; "acceptors": 1 needs none`));
    let mirror: ChildProcess;
    try {
      mirror = fork(program, [], {
        // It gets nothing to know, only where libraries of this system are.
        env: librariesOnly(process.env),
        execArgv: [],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc', descriptor],
        timeout: msMax,
        killSignal: 'SIGKILL',
      });
    } catch (error) {
      fail(`did not start: ${messageOf(error)}`);
      return;
    }
    mirror.on('error', (error) => fail(`did not start: ${messageOf(error)}`));
    mirror.on('exit', (code, signal) => {
      if (mirror.killed) fail('did not send it in time');
      else fail(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
    mirror.on('message', (_, socket) => {
      // Whatever state it is in.
      mirror.kill('SIGKILL');
      const copy: object | undefined = socket;
      if (isRawSocket(copy)) resolve(copy);
      else fail('sent none');
    });
  });
}

function librariesOnly({ LD_LIBRARY_PATH }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
